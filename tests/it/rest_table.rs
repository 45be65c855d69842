//! `docs/compatibility.md` lists how answers of the REST API differ from Kafka Connect's, as
//! `tests/compat/accepted.json` has it: the list that `make test-compat` holds answers against.

use std::fmt::Write as _;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use harness::install::repository;

#[path = "../compat/accepted.rs"]
mod accepted;

use accepted::{Accepted, Entry};

const START: &str = "<!-- rest -->\n";
const END: &str = "<!-- end of rest -->\n";

fn table() -> Result<String> {
    let mut text =
        String::from("\n| what | Kafka Connect | here | why | calls |\n|---|---|---|---|---|\n");
    for entry in Accepted::read()?.0 {
        let Entry { what, covers, .. } = &entry;
        ensure!(!covers.is_empty(), "{what} covers no call");
        writeln!(text, "{entry}")?;
    }
    text.push('\n');
    Ok(text)
}

#[test]
fn the_page_lists_the_decisions_that_answers_are_held_against() -> Result<()> {
    let path = repository().join("docs/compatibility.md");
    let page = fs::read_to_string(&path)?;
    let (before, rest) = page.split_once(START).context("no start of the table")?;
    let (_, after) = rest.split_once(END).context("no end of the table")?;
    let wanted = format!("{before}{START}{}{END}{after}", table()?);
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, &wanted)?;
    }
    ensure!(
        fs::read_to_string(&path)? == wanted,
        "the page differs from the list: UPDATE_README=1 cargo test -p connect-tests --test it \
         rest_table"
    );
    Ok(())
}
