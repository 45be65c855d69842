//! A function fits a screen, a file is one subject, and its first line says which.

use tidy::rust::Code;
use tidy::{none, sources};

/// The greatest number of lines of a file.
const FILE_LINES: usize = 500;
/// The greatest number of lines of a function, from `fn` to its brace: as in clippy.toml, but
/// comments and blank lines count too.
const FUNCTION_LINES: usize = 70;
/// The greatest number of characters of a line, as in rustfmt.toml.
const LINE_WIDTH: usize = 100;

#[test]
fn files_are_short_and_begin_with_what_is_in_them() {
    let mut offences = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//! ") {
            offences.push(format!(
                "{}:1: the first line is not `//! …`: say what is in the file",
                file.path
            ));
        }
        let lines = file.text.lines().count();
        if lines > FILE_LINES {
            offences.push(format!(
                "{}:{lines}: more than {FILE_LINES} lines: split it by subject",
                file.path
            ));
        }
    }
    none(&offences);
}

#[test]
fn functions_are_short() {
    let mut offences = Vec::new();
    for file in sources() {
        let functions = Code::new(&file.text).functions();
        let long = functions.iter().filter(|f| f.lines() > FUNCTION_LINES);
        offences.extend(long.map(|function| {
            format!(
                "{}:{}: fn {} has {} lines, more than {FUNCTION_LINES}: split it by subject, or \
                 make a table of its data",
                file.path,
                function.first,
                function.name,
                function.lines()
            )
        }));
    }
    none(&offences);
}

/// rustfmt breaks what it can, but neither comments nor strings. Of these, strings, addresses and
/// the rows of tables may be long.
#[test]
fn lines_are_short() {
    let mut offences = Vec::new();
    for file in sources() {
        let code = Code::new(&file.text);
        for (index, line) in file.text.lines().enumerate() {
            let width = line.chars().count();
            let is_row = line.trim_start_matches([' ', '/', '!']).starts_with('|');
            let may_be_long = code.has_string[index] || line.contains("://") || is_row;
            if width > LINE_WIDTH && !may_be_long {
                offences.push(format!(
                    "{}:{}: {width} characters, more than {LINE_WIDTH}: break the line",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    none(&offences);
}
