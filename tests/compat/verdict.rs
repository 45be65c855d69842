//! The differences held against the list of decisions.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::accepted::Accepted;
use crate::compare::Difference;

/// What the list says of all differences.
pub struct Verdict<'a> {
    /// Of each difference: the decision that it comes of.
    pub entries: Vec<Option<&'a str>>,
    faults: Vec<String>,
}

impl Verdict<'_> {
    /// # Errors
    /// When a difference is in no entry, or an entry is not what differs.
    pub fn ensure_all_known(&self) -> Result<()> {
        ensure!(self.faults.is_empty(), "{}", self.faults.join("\n"));
        Ok(())
    }
}

/// Looks up each difference; whatever the list has and no difference bears out is a fault.
pub fn judge<'a>(accepted: &'a Accepted, differences: &[Difference]) -> Verdict<'a> {
    let mut entries: Vec<Option<&str>> = vec![None; differences.len()];
    let mut faults = Vec::new();
    for entry in &accepted.0 {
        let mut calls = BTreeSet::new();
        for (call, part) in &entry.covers {
            let mut is_there = false;
            for (one, found) in differences.iter().zip(&mut entries) {
                if matches(call, &one.call) && matches(part, &one.part) {
                    calls.insert(&one.call);
                    found.get_or_insert(&entry.what);
                    is_there = true;
                }
            }
            if !is_there {
                let what = &entry.what;
                faults.push(format!(
                    "accepted.json: {what}: {call} {part} does not differ"
                ));
            }
        }
        if calls.len() != entry.calls {
            faults.push(format!(
                "accepted.json: {}: {} calls differ by it, not {}",
                entry.what,
                calls.len(),
                entry.calls
            ));
        }
    }
    for (one, found) in differences.iter().zip(&entries) {
        if found.is_none() {
            let Difference {
                call,
                part,
                kafka,
                here,
            } = one;
            faults.push(format!(
                "{call}: {part}: Kafka Connect: {kafka}, here: {here}"
            ));
        }
    }
    Verdict { entries, faults }
}

/// Whether a pattern is a text's: `*` stands for anything without a slash, `**` for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(before) else {
        return false;
    };
    let (rest, reach) = match rest.strip_prefix('*') {
        Some(rest) => (rest, text.len()),
        None => (rest, text.find('/').unwrap_or(text.len())),
    };
    let ends = (0..=reach).filter(|end| text.is_char_boundary(*end));
    ends.into_iter().any(|end| matches(rest, &text[end..]))
}

#[test]
fn a_star_stands_for_a_part_and_two_for_all() {
    for (pattern, text, same) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "ab", true),
        ("a*", "ab/c", false),
        ("a**", "ab/c", true),
        ("a/**/d", "a/b/c/d", true),
        ("*b", "ab", true),
        ("a*c*", "abcd", true),
        ("a*d*", "abc", false),
        ("*/ä*", "x/ä", true),
        ("*", "", true),
    ] {
        assert_eq!(matches(pattern, text), same, "{pattern} {text}");
    }
}
