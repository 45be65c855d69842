//! `COOKBOOK.md`, made of the modules.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

const HEAD: &str = "\
# Cookbook

Each recipe is the whole `src/lib.rs` of a plugin: put it into a folder of `ferrule plugin new`, build
it, try it on records of yours. They are the modules of `plugins/cookbook`, whose tests run them;
this page is made of them (`UPDATE_README=1 cargo test -p cookbook` in `plugins/`).
";

/// In the order of the page.
const RECIPES: &[(&str, &str)] = &[
    ("filter", include_str!("filter.rs")),
    ("mask", include_str!("mask.rs")),
    ("enrich", include_str!("enrich.rs")),
    ("window", include_str!("window.rs")),
    ("route", include_str!("route.rs")),
    ("decode", include_str!("decode.rs")),
    ("json_schema", include_str!("json_schema.rs")),
];

/// The first line of a module is the title, what follows in its head the text; its tests stay out.
fn section(code: &str) -> String {
    let head: Vec<_> = code
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .collect();
    let body = code.lines().skip(head.len());
    let body: Vec<_> = body.take_while(|line| *line != "#[cfg(test)]").collect();
    let mut text = format!("\n## {}\n", head[0].trim().trim_end_matches('.'));
    for line in &head[1..] {
        let _ = writeln!(text, "{}", line.strip_prefix(' ').unwrap_or(line));
    }
    let _ = write!(text, "\n```rust\n{}\n```\n", body.join("\n").trim());
    text
}

#[test]
fn the_page_has_every_recipe_as_it_is() {
    let path = Path::new("../COOKBOOK.md");
    let sections: String = RECIPES.iter().map(|(_, code)| section(code)).collect();
    let page = format!("{HEAD}{sections}");
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, page).unwrap();
        return;
    }
    let stale = fs::read_to_string(path).unwrap_or_default() != page;
    assert!(
        !stale,
        "COOKBOOK.md is stale: UPDATE_README=1 cargo test -p cookbook"
    );
}

#[test]
fn every_module_is_a_recipe() {
    let modules = include_str!("lib.rs").lines();
    let modules = modules.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules {
        assert!(RECIPES.iter().any(|(name, _)| *name == module), "{module}");
    }
}
