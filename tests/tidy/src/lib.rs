//! Reads this repository for the rules of `tests/rules`: which files there are, what is code in
//! them, what the manifests say. `cargo test -p tidy` builds in seconds and needs no service.

pub mod manifest;
pub mod page;
pub mod rust;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
#[derive(Debug)]
pub struct File {
    /// Its path from the root, with `/` between folders.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    // As cargo says while the test runs: the binary may have been built for another clone that
    // shares the target directory.
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let crate_folder: PathBuf =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, Into::into);
    let root = crate_folder.ancestors().nth(2);
    root.unwrap_or(&crate_folder).to_path_buf()
}

/// The paths of all files, sorted, without what is built: `target`, `plugins/dist` and `.git`.
///
/// # Panics
/// When a folder cannot be read.
pub fn paths() -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let name = relative.to_string_lossy().into_owned();
        if path.is_file() {
            found.push(name);
        } else if !path.ends_with("target") && !matches!(name.as_str(), ".git" | "plugins/dist") {
            walk(root, &path, found);
        }
    }
}

/// A file by its path from the root.
///
/// # Panics
/// When it cannot be read: a rule that reads nothing would hold for ever.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files of Rust code.
pub fn sources() -> Vec<File> {
    let rust = paths().into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| File {
        text: read(&path),
        path,
    })
    .collect()
}

/// Whether a file is in a place: the file itself, or a module's file and its folder, or a folder.
pub fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

/// Fails with all offences at once, one a line.
///
/// # Panics
/// When there are any.
pub fn none(offences: &[String]) {
    assert!(
        offences.is_empty(),
        "{} offences:\n{}",
        offences.len(),
        offences.join("\n")
    );
}
