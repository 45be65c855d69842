//! The README lists the options as they are declared.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use connect_api::ConfigKey;

use super::config_def;

const START: &str = "<!-- options -->\n";
const END: &str = "<!-- end of options -->\n";

fn table() -> String {
    let def = config_def();
    let mut groups: Vec<&str> = Vec::new();
    for key in def.keys() {
        let group = key.group.as_deref().unwrap_or_default();
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let mut text = String::new();
    for group in groups {
        let _ = write!(
            text,
            "\n### {group}\n\n| option | type | default | what it does |\n|---|---|---|---|\n"
        );
        let own = |key: &&ConfigKey| key.group.as_deref().unwrap_or_default() == group;
        for key in def.keys().iter().filter(own) {
            let default = match key.default.as_ref().map(Option::as_deref) {
                None => "required".to_owned(),
                Some(None) => "–".to_owned(),
                Some(Some("")) => "empty".to_owned(),
                Some(Some(default)) => format!("`{default}`"),
            };
            let _ = writeln!(
                text,
                "| `{}` | {} | {default} | {} |",
                key.name,
                key.kind.name(),
                key.doc.replace('|', "\\|")
            );
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_readme_lists_every_option() {
    let path = Path::new("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let declared = table();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, format!("{before}{START}{declared}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        listed, declared,
        "the README differs from the options: UPDATE_README=1 cargo test -p postgres-sink readme"
    );
}

#[test]
fn every_option_is_declared_once_and_documented() {
    let def = config_def();
    let mut names: Vec<_> = def.keys().iter().map(|key| &key.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), def.keys().len());
    for key in def.keys() {
        assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        assert!(key.group.is_some(), "{} has no group", key.name);
    }
}
