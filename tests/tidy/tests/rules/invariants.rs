//! Each invariant of ARCHITECTURE.md is cited where the code upholds it, and each citation exists.

use std::collections::{BTreeMap, BTreeSet};

use tidy::{none, page, read, sources};

#[test]
fn every_invariant_is_cited_and_every_citation_exists() {
    let architecture = read("ARCHITECTURE.md");
    let list = page::section(&architecture, "Invariants").unwrap();
    let number = |line: &str| line.split_once(". ")?.0.parse::<u32>().ok();
    let stated: BTreeSet<u32> = list.lines().filter_map(number).collect();
    assert!(stated.len() >= 9, "the invariants are numbered");
    let mut cited = BTreeMap::new();
    for file in sources() {
        if file.path.starts_with("tests/tidy/") {
            continue;
        }
        for (at, _) in file.text.match_indices("Invariant") {
            let line = 1 + file.text[..at].matches('\n').count();
            for number in numbers(&file.text[at..]) {
                cited.insert(number, format!("{}:{line}", file.path));
            }
        }
    }
    let unknown = cited.iter().filter(|(number, _)| !stated.contains(number));
    let mut offences: Vec<_> = unknown
        .map(|(number, place)| format!("{place}: cites invariant {number}, which is not stated"))
        .collect();
    let uncited = stated.iter().filter(|number| !cited.contains_key(number));
    offences.extend(uncited.map(|number| {
        format!("ARCHITECTURE.md: invariant {number} is cited nowhere: cite it where it is upheld")
    }));
    none(&offences);
}

/// The numbers of "Invariant 6", "Invariants 6 and 9", "Invariants 1 to 4".
fn numbers(text: &str) -> Vec<u32> {
    let rest = text.trim_start_matches("Invariant").trim_start_matches('s');
    let words = rest.split([' ', ',', ')', '.', ':', ';', '\n', '/']);
    let mut numbers = Vec::new();
    for word in words.filter(|word| !word.is_empty()).take(3) {
        match word.parse() {
            Ok(number) => numbers.push(number),
            Err(_) if matches!(word, "and" | "to") => {}
            Err(_) => break,
        }
    }
    numbers
}
