//! What no code may hold: lints or tests that are turned off, what is not done yet, and panics on
//! the way of data.

use tidy::rust::Code;
use tidy::{File, none, sources};

/// What is looked for, and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("#[allow(", "write #[expect(…, reason = …)]"),
    ("#![allow(", "write #![expect(…, reason = …)]"),
    ("#[ignore", "a test runs or goes"),
    ("todo!", "do it"),
    ("unimplemented!", "do it"),
];

/// What ends a task that could have said what is wrong. A `panic!` has its message and its reason.
const PANICS: &[&str] = &[".unwrap()", ".expect(\"", "unreachable!("];
/// Says, on the line or on the one above it, why a panic cannot come.
const EXCUSE: &str = "// infallible:";

#[test]
fn nothing_is_turned_off_or_left_undone() {
    let mut offences = Vec::new();
    for file in sources() {
        for (index, line) in Code::new(&file.text).text.lines().enumerate() {
            for (word, instead) in FORBIDDEN {
                if line.contains(word) {
                    let number = index + 1;
                    offences.push(format!("{}:{number}: {word}: {instead}", file.path));
                }
            }
        }
    }
    none(&offences);
}

#[test]
fn nothing_panics_outside_of_tests() {
    let mut offences = Vec::new();
    for file in sources().iter().filter(|file| is_of_the_worker(&file.path)) {
        let lines: Vec<&str> = file.text.lines().collect();
        for number in panics(file) {
            let above = number.checked_sub(2).map_or("", |above| lines[above]);
            if !lines[number - 1].contains(EXCUSE) && !above.contains(EXCUSE) {
                offences.push(format!(
                    "{}:{number}: panics outside of tests: return an error, or write `{EXCUSE} …` \
                     above it",
                    file.path
                ));
            }
        }
    }
    none(&offences);
}

/// Whether a file is a part of the worker, and no test.
fn is_of_the_worker(path: &str) -> bool {
    let folders = ["host/", "connectors/"];
    folders.iter().any(|folder| path.starts_with(folder))
        && path.contains("/src/")
        && !path.contains("/tests/")
        && !path.ends_with("/tests.rs")
}

/// The lines, counted from one, that may panic, up to the tests at the end of the file.
fn panics(file: &File) -> Vec<usize> {
    let code = Code::new(&file.text);
    let modules = code.text.match_indices("\n#[cfg(test)]\n");
    // A module in a file of its own, `mod tests;`, is no end.
    let module = modules.map(|(at, _)| at).find(|at| {
        let declared = code.text[*at..].lines().nth(2).unwrap_or_default();
        declared.contains("mod ") && declared.ends_with('{')
    });
    let ends = module.into_iter().chain(code.text.find("\n#[test]"));
    let end = ends.min().map_or(usize::MAX, |end| code.line(end));
    let lines = code.text.lines().zip(file.text.lines()).enumerate();
    lines
        .take(end)
        .filter(|(_, (code, line))| {
            // What stands in a string or a comment is no code.
            let stands = |word: &&&str| {
                let at = line.find(**word);
                at.is_some_and(|at| !code[at..].trim_start().is_empty())
            };
            PANICS.iter().any(|word| stands(&word))
        })
        .map(|(index, _)| index + 1)
        .collect()
}
