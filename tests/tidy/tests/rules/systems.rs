//! The pages of the five systems are true as far as a test can tell: the files that they name
//! exist, and the tests, and each line of a document has both.

use tidy::{none, page, paths, read};

const TABLE: &str = "docs/systems.md";
const QUICK_STARTS: [&str; 5] = [
    "docs/shark.md",
    "docs/fleetops.md",
    "docs/analytics.md",
    "docs/telescope.md",
    "docs/iot.md",
];

/// A line without what a document says of its own files: the first cell of a table.
fn of_ours(line: &str) -> &str {
    match line.strip_prefix('|') {
        Some(cells) => cells.split_once('|').map_or("", |(_, rest)| rest),
        None => line,
    }
}

fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Why a span of a page names nothing that there is.
fn missing(span: &str, paths: &[String]) -> Option<String> {
    if let Some((file, function)) = span.split_once(".rs::") {
        let files = page::matching(&format!("{file}.rs"), paths);
        let defined = format!("fn {function}(");
        let has = |file: &&str| read(file).contains(&defined);
        return (!files.iter().any(has)).then(|| format!("no file {file}.rs has {defined})"));
    }
    let is_named = page::is_path(span) && page::matching(span, paths).is_empty();
    is_named.then(|| "does not exist: write what it is called now".to_owned())
}

#[test]
fn what_the_pages_of_the_systems_name_exists() {
    let paths = paths();
    let mut offences = Vec::new();
    for name in QUICK_STARTS.iter().chain([&TABLE]) {
        let text = read(name);
        let mut is_code = false;
        for (index, line) in text.lines().enumerate() {
            is_code ^= line.starts_with("```");
            if is_code {
                continue;
            }
            let wrong =
                spans(of_ours(line)).filter_map(|span| Some((span, missing(span, &paths)?)));
            let at = index + 1;
            offences.extend(wrong.map(|(span, why)| format!("{name}:{at}: `{span}` {why}")));
        }
    }
    none(&offences);
}

#[test]
fn every_line_of_a_document_has_a_place_and_a_test() {
    let text = read(TABLE);
    let mut offences = Vec::new();
    let mut rows = 0;
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with("| ") || line == "| document | where | test |" {
            continue;
        }
        rows += 1;
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, place, test] = cells[..] else {
            offences.push(format!("{TABLE}:{}: not three cells", index + 1));
            continue;
        };
        // What no test can tell says why.
        let is_told = test.contains(".rs") || test.strip_prefix("– ").is_some_and(|w| w.len() > 10);
        if place.is_empty() || !is_told {
            offences.push(format!("{TABLE}:{}: no place, or no test", index + 1));
        }
    }
    assert!(rows >= 170, "{TABLE} has {rows} lines only");
    none(&offences);
}
