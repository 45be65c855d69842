//! `ferrule plugin new`: the folder of a new plugin.

mod vendor;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use super::say::say;

/// The names that the example has, and each new plugin another for; the longest first.
const EXAMPLES: &[&str] = &["sensor-reading-py", "sensor-reading-c", "sensor-reading"];

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../../plugins/", $file))
    };
}

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("new/templates/", $file))
    };
}

/// Of every language: the same rule is tried with the same records.
const SHARED: &[(&str, &str)] = &[
    (
        "tests/records.jsonl",
        example!("sensor-reading/tests/records.jsonl"),
    ),
    (
        "tests/expected.jsonl",
        example!("sensor-reading/tests/expected.jsonl"),
    ),
];
const DEPLOY: &str = template!("deploy.md");

/// The example itself, so that what a new plugin starts from is built and tested here.
const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", template!("rust/Cargo.toml.template")),
    ("README.md", template!("rust/README.md")),
    ("src/lib.rs", example!("sensor-reading/src/lib.rs")),
    (".gitignore", template!("rust/gitignore")),
];

const C: &[(&str, &str)] = &[
    ("README.md", template!("c/README.md")),
    ("plugin.c", example!("sensor-reading-c/plugin.c")),
    (".gitignore", template!("rust/gitignore")),
];

const PYTHON: &[(&str, &str)] = &[
    ("README.md", template!("python/README.md")),
    ("plugin.py", example!("sensor-reading-py/plugin.py")),
    ("system.py", example!("sensor-reading-py/system.py")),
    (".gitignore", template!("rust/gitignore")),
];

#[derive(Args)]
pub struct NewArgs {
    /// The plugin's name, and that of its folder.
    name: String,
    /// The language to write it in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// The folder to make instead.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With the SDK.
    Rust,
    /// By clang, with bindings by wit-bindgen.
    C,
    /// By componentize-py.
    Python,
}

/// Makes the folder.
pub fn run(args: &NewArgs) -> Result<bool> {
    let name = &args.name;
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
        "a plugin's name has lowercase letters, digits and -, and starts with a letter"
    );
    let folder = args.path.clone().unwrap_or_else(|| name.into());
    let empty = fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(empty, "{} is there and is not empty", folder.display());
    for (file, text) in files(args.lang)? {
        let deploy = if file == "README.md" { DEPLOY } else { "" };
        let text = EXAMPLES
            .iter()
            .fold(text + deploy, |text, example| text.replace(example, name));
        write(&folder.join(file), &text)?;
    }
    say!("made {}; next:\n", folder.display());
    say!("  cd {}", folder.display());
    say!("  ferrule plugin build");
    say!(
        "  ferrule plugin test {name}.wasm --input tests/records.jsonl \
         --expect tests/expected.jsonl"
    );
    Ok(true)
}

fn files(language: Language) -> Result<Vec<(String, String)>> {
    let own = match language {
        Language::Rust => RUST,
        Language::C => C,
        Language::Python => PYTHON,
    };
    let own = own.iter().chain(SHARED);
    let mut files: Vec<_> = own
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect();
    files.extend(vendor::contract());
    if language == Language::Rust {
        files.extend(vendor::sdk()?);
    }
    Ok(files)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let name = || format!("could not write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(name)?;
    }
    fs::write(path, text).with_context(name)
}
