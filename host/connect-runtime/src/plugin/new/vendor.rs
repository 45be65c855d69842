//! The SDK and the contract, as they go into the folder of a new plugin.
//!
//! In this repository the SDK's manifests take versions from their workspace; in a folder of its
//! own they have to say them.

use anyhow::{Context, Result};

include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

const WORKSPACE: &str = "plugins/Cargo.toml";
const PARTS: &[&str] = &["plugins/sdk/", "plugins/sdk-derive/"];

/// The files of `wit/`.
pub fn contract() -> impl Iterator<Item = (String, String)> {
    let files = FILES.iter().filter(|(file, _)| file.starts_with("wit/"));
    files.map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
}

/// The SDK, under `vendor/`. From there `../../wit` is the contract, as it is in the repository.
pub fn sdk() -> Result<Vec<(String, String)>> {
    let workspace = FILES.iter().find(|(file, _)| *file == WORKSPACE);
    let (_, workspace) = workspace.context("the binary was built without the SDK")?;
    let files = FILES
        .iter()
        .filter(|(file, _)| PARTS.iter().any(|part| file.starts_with(part)));
    let vendored = files.map(|(file, text)| {
        let place = file.replacen("plugins", "vendor", 1);
        let text = if file.ends_with("/Cargo.toml") {
            manifest(text, workspace).with_context(|| (*file).to_owned())?
        } else {
            (*text).to_owned()
        };
        Ok((place, text))
    });
    vendored.collect()
}

/// A manifest that stands alone: what it has of the workspace is written out, and what only the
/// repository's own tests and lints need is left out.
fn manifest(text: &str, workspace: &str) -> Result<String> {
    let mut out = String::new();
    let mut section = "";
    for line in text.lines() {
        if line.starts_with('[') {
            section = line.trim();
        }
        if matches!(section, "[lints]" | "[dev-dependencies]") {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            None => out.push_str(line),
            Some(key) => {
                let table = match section {
                    "[package]" => "[workspace.package]",
                    _ => "[workspace.dependencies]",
                };
                let value = value(workspace, table, key)
                    .with_context(|| format!("{table} does not have {key}"))?;
                // Paths are given from the workspace; the parts are its direct folders.
                let value = value.replace("path = \"", "path = \"../");
                out.push_str(&format!("{key} = {value}"));
            }
        }
        out.push('\n');
    }
    Ok(out.trim_end().to_owned() + "\n")
}

fn value<'a>(workspace: &'a str, table: &str, key: &str) -> Option<&'a str> {
    let lines = workspace
        .lines()
        .skip_while(|line| line.trim() != table)
        .skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('['));
    lines.find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendored_manifests_stand_alone() {
        let files = sdk().unwrap();
        let manifests = files
            .iter()
            .filter(|(file, _)| file.ends_with("Cargo.toml"));
        let manifests: Vec<_> = manifests.collect();
        assert_eq!(manifests.len(), PARTS.len());
        for (file, text) in manifests {
            assert!(!text.contains("workspace"), "{file}: {text}");
            assert!(text.contains("edition = \"2024\""), "{file}: {text}");
        }
        assert!(
            files
                .iter()
                .any(|(file, _)| file == "vendor/sdk/src/lib.rs")
        );
        assert!(contract().any(|(file, _)| file == "wit/world.wit"));
    }
}
