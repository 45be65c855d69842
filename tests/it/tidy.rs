//! The rules that no compiler checks: who may name which library, how long a file may be, and that
//! the invariants of ARCHITECTURE.md are upheld somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use harness::install::repository;

/// A library, and the only places whose code may name it.
const MAY_NAME: &[(&str, &[&str])] = &[
    (
        "rdkafka",
        &[
            "host/connect-runtime/src/kafka",
            "host/connect-runtime/src/worker.rs",
            "host/connect-runtime/src/task.rs",
            "host/connect-runtime/src/task/consume",
            "host/connect-runtime/src/task/commit.rs",
            "host/connect-runtime/src/errors/dead_letter_queue.rs",
            "host/connect-runtime/src/dev/letters.rs",
            "host/connect-runtime/src/sample.rs",
            "host/connect-runtime/src/storage",
            "host/embedded/",
            "connectors/kafka-sink/",
            "tests/",
        ],
    ),
    ("wasmtime", &["host/connect-wasm/"]),
    ("wit_component", &["host/connect-wasm/", "plugins/check/"]),
    ("axum", &["host/connect-runtime/src/rest", "host/embedded/"]),
    (
        "sqlx",
        &["connectors/postgres-sink/", "host/embedded/", "tests/"],
    ),
    (
        "apache_avro",
        &["host/connect-converters/", "host/embedded/", "tests/"],
    ),
    ("schema_registry_converter", &["host/connect-converters/"]),
    (
        "tracing_subscriber",
        &["host/connect-runtime/src/logging.rs"],
    ),
];

/// The greatest number of lines of a file.
const MAX_LINES: usize = 700;
/// The greatest number of characters of a line of code.
const MAX_WIDTH: usize = 110;

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = repository();
    let mut found = Vec::new();
    for folder in ["host", "connectors", "plugins", "tests"] {
        walk(&root.join(folder), &mut found);
    }
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
    found
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn libraries_are_named_only_where_they_belong() {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        for (library, places) in MAY_NAME {
            let named = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains(&format!("{library}::")) || code.contains(&format!("use {library}"))
            });
            if named && !places.iter().any(|place| path.starts_with(place)) {
                offences.push(format!("{path} names {library}"));
            }
        }
    }
    none(offences);
}

#[test]
fn every_file_says_what_is_in_it_and_is_one_room() {
    let mut offences = Vec::new();
    for (path, text) in sources() {
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#!/") {
            offences.push(format!("{path} does not begin with what is in it"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            offences.push(format!("{path} has {lines} lines"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > MAX_WIDTH && !line.contains('"') {
                offences.push(format!("{path}:{} is too long", number + 1));
            }
        }
    }
    none(offences);
}

#[test]
fn every_invariant_is_upheld_somewhere_and_every_citation_exists() {
    let architecture = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let list = architecture
        .split("## Invariants")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let numbered = |line: &str| line.split_once(". ")?.0.parse::<u32>().ok();
    let stated: BTreeSet<u32> = list.lines().filter_map(numbered).collect();
    let mut cited = BTreeSet::new();
    for (path, text) in sources() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (at, _) in text.match_indices("Invariant") {
            let rest = text[at + "Invariant".len()..].trim_start_matches('s');
            // "Invariant 6", "Invariants 6 and 9", "Invariants 1 to 4".
            let words = rest.split([' ', ',', ')', '.', ':', ';', '\n', '/']);
            let mut numbers = Vec::new();
            for word in words.filter(|w| !w.is_empty()).take(3) {
                match word.parse::<u32>() {
                    Ok(number) => numbers.push(number),
                    Err(_) if matches!(word, "and" | "to") => {}
                    Err(_) => break,
                }
            }
            cited.extend(numbers);
        }
    }
    assert!(stated.len() >= 9, "the invariants are numbered");
    let unknown: Vec<_> = cited.difference(&stated).collect();
    let unproved: Vec<_> = stated.difference(&cited).collect();
    assert!(unknown.is_empty(), "cited but not stated: {unknown:?}");
    assert!(
        unproved.is_empty(),
        "stated but cited nowhere: {unproved:?}"
    );
}
