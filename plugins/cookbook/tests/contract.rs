//! `wit/README.md`, made of `wit/*.wit`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// In the order of the page: what a plugin implements, what it is given, what it may ask for.
const FILES: &[&str] = &["world.wit", "plugin.wit", "data.wit"];

fn wit() -> PathBuf {
    PathBuf::from("../../wit")
}

/// A declaration and the comment before it.
#[derive(Default)]
struct Item {
    comment: Vec<String>,
    code: Vec<String>,
}

impl Item {
    /// Whether the code ends here: braces and parentheses are closed.
    fn is_whole(&self) -> bool {
        let code = self.code.join("\n");
        let code: Vec<_> = code
            .lines()
            .filter(|line| !line.trim().starts_with("///"))
            .collect();
        let code = code.join("\n");
        let count = |sign: char| code.matches(sign).count();
        count('{') == count('}')
            && count('(') == count(')')
            && code.trim_end().ends_with([';', '}'])
    }

    fn is(&self, word: &str) -> Option<&str> {
        let rest = self.code.first()?.strip_prefix(word)?.strip_prefix(' ')?;
        Some(rest.trim_end_matches(['{', ';', ' ']))
    }

    /// What the declaration is called.
    fn name(&self) -> String {
        let first = self.code.first().map_or("", |line| line.trim());
        match first.split_once(": func") {
            Some((name, _)) => name.to_owned(),
            None => {
                let words = first
                    .split([' ', '{', '=', '('])
                    .filter(|word| !word.is_empty());
                words.take(2).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Declarations of a text, the outermost ones.
fn items<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut item = Item::default();
    for line in lines {
        match line.trim().strip_prefix("///") {
            Some(comment) if item.code.is_empty() => {
                item.comment
                    .push(comment.strip_prefix(' ').unwrap_or(comment).to_owned());
            }
            None if line.trim().is_empty() && item.code.is_empty() => {}
            _ => {
                item.code.push(line.to_owned());
                if item.is_whole() {
                    items.push(std::mem::take(&mut item));
                }
            }
        }
    }
    items
}

/// The declarations within braces, one step less indented.
fn inner(item: &Item) -> Vec<Item> {
    let lines = item.code.get(1..item.code.len() - 1).unwrap_or_default();
    items(
        lines
            .iter()
            .map(|line| line.strip_prefix("    ").unwrap_or(line)),
    )
}

fn section(page: &mut String, depth: &str, title: &str, item: &Item) {
    let _ = writeln!(page, "\n{depth} {title}\n");
    if !item.comment.is_empty() {
        let _ = writeln!(page, "{}\n", item.comment.join("\n"));
    }
}

fn code(page: &mut String, item: &Item) {
    let _ = writeln!(page, "```wit\n{}\n```", item.code.join("\n"));
}

fn page() -> String {
    let mut page = String::from("# The contract of plugins\n");
    for file in FILES {
        let text = fs::read_to_string(wit().join(file)).unwrap();
        for item in items(text.lines()) {
            if let Some(package) = item.is("package") {
                let _ = writeln!(page, "\n`{package}`. {}", item.comment.join("\n"));
                let _ = writeln!(
                    page,
                    "\nThis page is made of the comments in `*.wit` \
                     (`UPDATE_README=1 cargo test -p cookbook` in `plugins/`)."
                );
            } else if let Some(world) = item.is("world") {
                section(&mut page, "##", &format!("World `{world}`"), &item);
                code(&mut page, &item);
            } else if let Some(interface) = item.is("interface") {
                section(&mut page, "##", &format!("Interface `{interface}`"), &item);
                for part in inner(&item).iter().filter(|part| part.is("use").is_none()) {
                    section(&mut page, "###", &format!("`{}`", part.name()), part);
                    code(&mut page, part);
                }
            } else {
                panic!(
                    "{file}: neither package nor world nor interface: {:?}",
                    item.code
                );
            }
        }
    }
    page
}

#[test]
fn the_page_says_what_the_contract_says() {
    let mut files: Vec<_> = fs::read_dir(wit())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".wit"))
        .collect();
    files.sort();
    let mut known = FILES.to_vec();
    known.sort_unstable();
    assert_eq!(files, known);

    let path = wit().join("README.md");
    let page = page();
    for name in [
        "### `apply`",
        "### `variant outcome`",
        "### `get-many`",
        "## World `transform`",
    ] {
        assert!(page.contains(name), "{name}");
    }
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let stale = fs::read_to_string(&path).unwrap_or_default() != page;
    assert!(
        !stale,
        "wit/README.md is stale: UPDATE_README=1 cargo test -p cookbook"
    );
}
