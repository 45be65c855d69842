//! What no code may hold: lints turned off, tests turned off, what is not done yet.

use tidy::rust::Code;
use tidy::{none, sources};

/// What is looked for, and what to do instead. `unwrap` and `expect` outside of tests are clippy's
/// to find.
const FORBIDDEN: &[(&str, &str)] = &[
    ("#[allow(", "write #[expect(…, reason = …)]"),
    ("#![allow(", "write #![expect(…, reason = …)]"),
    ("#[ignore", "a test runs or goes"),
    ("todo!", "do it"),
    ("unimplemented!", "do it"),
];

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
