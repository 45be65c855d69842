//! The page of the documentation lists the options as they are declared.

use std::path::Path;
use std::{env, fs};

const START: &str = "<!-- options of http-source -->\n";
const END: &str = "<!-- end of options of http-source -->\n";

#[test]
fn the_page_lists_every_option() {
    let path = Path::new("../../docs/http.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let declared = connect_http::options_table(&crate::options::config_def());
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, format!("{before}{START}{declared}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        listed, declared,
        "docs/http.md differs from the options: UPDATE_README=1 cargo test -p http-source page"
    );
}

#[test]
fn every_option_is_declared_once_and_documented() {
    let def = crate::options::config_def();
    let mut names: Vec<_> = def.keys().iter().map(|key| &key.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), def.keys().len());
    for key in def.keys() {
        assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        assert!(key.group.is_some(), "{} has no group", key.name);
    }
}
