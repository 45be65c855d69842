//! `docs/write-a-sink.md` shows this crate as it is, and the lines that register a connector as
//! they are for another one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The folder of this crate in the document.
const FOLDER: &str = "connectors/lines-sink/";
/// The names of this crate, and those of a connector that is registered.
const REGISTERED: [(&str, &str); 3] = [
    ("lines-sink", "blackhole-sink"),
    ("lines_sink", "blackhole_sink"),
    ("LinesSink", "BlackholeSink"),
];

fn read(path: &str) -> Result<String> {
    // Not `env!`: the test may have been built for another clone that shares the target directory.
    let folder = std::env::var("CARGO_MANIFEST_DIR").context("cargo runs this test")?;
    let root = Path::new(&folder).join("../../..");
    fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

/// A block of code, and the file that the line above it names.
struct Block {
    file: String,
    code: String,
}

/// The blocks behind a line that ends in `` `FILE`: ``.
fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut file = None;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if let Some(file) = file.take() {
                let code = code.join("\n") + "\n";
                blocks.push(Block { file, code });
            }
        } else if let Some(caption) = line.strip_suffix("`:") {
            file = caption.rsplit('`').next().map(str::to_owned);
        }
    }
    blocks
}

#[test]
fn the_document_shows_files_as_they_are() -> Result<()> {
    let document = read("docs/write-a-sink.md")?;
    let mut shown = Vec::new();
    for Block { file, code } in blocks(&document) {
        if let Some(own) = file.strip_prefix(FOLDER) {
            let is = read(&format!("docs/examples/lines-sink/{own}"))?;
            ensure!(code == is, "docs/write-a-sink.md shows another {file}");
            shown.push(own.to_owned());
        }
    }
    ensure!(
        shown == ["Cargo.toml", "src/lib.rs", "tests/battery.rs"],
        "{shown:?}"
    );
    Ok(())
}

#[test]
fn the_document_registers_as_registered_connectors_are() -> Result<()> {
    let document = read("docs/write-a-sink.md")?;
    let mut files = Vec::new();
    for Block { file, code } in blocks(&document) {
        if file.starts_with(FOLDER) {
            continue;
        }
        let is = read(&file)?;
        for line in code.lines() {
            let swapped = REGISTERED
                .iter()
                .fold(line.to_owned(), |line, (own, registered)| {
                    line.replace(own, registered)
                });
            ensure!(
                swapped != line,
                "docs/write-a-sink.md: {line} names no sink"
            );
            let found = is.lines().any(|found| found.trim() == swapped.trim());
            ensure!(found, "{file} has no line {swapped}");
        }
        files.push(file);
    }
    files.dedup();
    let expected = [
        "Cargo.toml",
        "host/connect-runtime/Cargo.toml",
        "host/connect-runtime/src/connectors.rs",
    ];
    ensure!(files == expected, "{files:?}");
    Ok(())
}
