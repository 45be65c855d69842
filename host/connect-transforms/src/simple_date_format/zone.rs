//! Zones: offsets, and the names that Java has for them in English.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::strip;

/// Names, and the minutes that each is ahead of UTC, as Java 17 reads them where its own zone is
/// UTC. A name that means several zones is that of Java's; those of which the offset depends on
/// the date are left out.
const NAMES: &str = include_str!("zones.tsv");
/// The most characters of a name.
const MOST: usize = 64;

fn names() -> &'static BTreeMap<String, i64> {
    static ALL: OnceLock<BTreeMap<String, i64>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lines = NAMES.lines().filter_map(|line| line.split_once('\t'));
        let names = lines.filter_map(|(name, minutes)| {
            let minutes: i64 = minutes.parse().ok()?;
            Some((name.to_ascii_lowercase(), minutes * 60_000))
        });
        names.collect()
    })
}

/// The longest name at the start, its offset, and what follows: as Java, which goes on within a
/// word too.
fn named(text: &str) -> Option<(i64, &str)> {
    let end = text
        .char_indices()
        .nth(MOST)
        .map_or(text.len(), |(at, _)| at);
    let lower = text[..end].to_ascii_lowercase();
    let mut ends: Vec<usize> = lower.char_indices().map(|(at, _)| at).collect();
    ends.push(lower.len());
    let mut found = ends.into_iter().rev();
    found.find_map(|at| Some((*names().get(&lower[..at])?, &text[at..])))
}

/// The offset of a zone in milliseconds, and what follows: of `z` and `Z` a name, `GMT+h:mm` or
/// `+hhmm`, of `X` what its count says.
pub(super) fn zone(letter: char, count: usize, text: &str) -> Option<(i64, &str)> {
    if letter == 'X' {
        return match text.strip_prefix('Z') {
            Some(rest) => Some((0, rest)),
            None => offset(text, count == 3, count),
        };
    }
    if text.starts_with(['+', '-']) {
        return offset(text, false, 0);
    }
    match strip(text, "GMT") {
        Some(rest) if rest.starts_with(['+', '-']) => offset(rest, true, 0),
        Some(rest) => Some((0, rest)),
        None => named(text),
    }
}

/// A sign, hours, and minutes where the count is not 1; of a single digit where a colon follows
/// and there is no count.
fn offset(text: &str, colon: bool, count: usize) -> Option<(i64, &str)> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digit = |at: usize| {
        let digit = text.as_bytes().get(at).filter(|b| b.is_ascii_digit());
        digit.map(|b| i64::from(b - b'0'))
    };
    let mut at = 1;
    let mut hours = digit(at)?;
    at += 1;
    match digit(at) {
        Some(second) => {
            hours = hours * 10 + second;
            at += 1;
        }
        None if count > 0 || !colon => return None,
        None => {}
    }
    let mut minutes = 0;
    if count != 1 {
        if colon {
            text[at..].strip_prefix(':')?;
            at += 1;
        }
        minutes = digit(at)? * 10 + digit(at + 1)?;
        at += 2;
    }
    (hours < 24 && minutes < 60).then(|| (sign * (hours * 60 + minutes) * 60_000, &text[at..]))
}
