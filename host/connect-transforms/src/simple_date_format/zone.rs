//! Zones: offsets, and the names that Java has for them in English.

use super::{number, strip};

/// Names, with the minutes that they are ahead of UTC. Those of one zone stand for standard and
/// for daylight time; a name that means several zones is that of Java's.
const NAMES: &[(&str, i64)] = &[
    ("Pacific Standard Time", -480),
    ("Pacific Daylight Time", -420),
    ("Mountain Standard Time", -420),
    ("Mountain Daylight Time", -360),
    ("Central Standard Time", -360),
    ("Central Daylight Time", -300),
    ("Eastern Standard Time", -300),
    ("Eastern Daylight Time", -240),
    ("Central European Standard Time", 60),
    ("Central European Summer Time", 120),
    ("Greenwich Mean Time", 0),
    ("HST", -600),
    ("AKST", -540),
    ("AKDT", -480),
    ("PST", -480),
    ("PDT", -420),
    ("MST", -420),
    ("MDT", -360),
    ("CST", -360),
    ("CDT", -300),
    ("EST", -300),
    ("EDT", -240),
    ("WEST", 60),
    ("WET", 0),
    ("BST", 60),
    ("CEST", 120),
    ("CET", 60),
    ("EEST", 180),
    ("EET", 120),
    ("MSK", 180),
    ("IST", 330),
    ("JST", 540),
    ("KST", 540),
];

fn named(text: &str) -> Option<(i64, &str)> {
    NAMES.iter().find_map(|(name, minutes)| {
        let rest = strip(text, name)?;
        // A longer word is another one.
        let is_whole = !rest.starts_with(|c: char| c.is_alphabetic());
        is_whole.then_some((minutes * 60_000, rest))
    })
}

/// The offset of a zone in milliseconds, and what follows.
pub(super) fn zone(letter: char, count: usize, text: &str) -> Option<(i64, &str)> {
    let mut rest = text;
    let mut colon = letter == 'X' && count == 3;
    if letter == 'X' {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some((0, rest));
        }
    } else if let Some(found) = named(text) {
        return Some(found);
    } else if let Some(after) = ["Coordinated Universal Time", "UTC", "GMT", "UT"]
        .iter()
        .find_map(|name| strip(text, name))
    {
        if !after.starts_with(['+', '-']) {
            return Some((0, after));
        }
        rest = after;
        colon = true;
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (_, hours, mut rest) = number(&rest[1..], Some(2))?;
    let mut minutes = 0;
    if letter != 'X' || count > 1 {
        if colon {
            rest = rest.strip_prefix(':')?;
        }
        (_, minutes, rest) = number(rest, Some(2))?;
    }
    (hours < 24 && minutes < 60).then(|| (sign * (hours * 60 + minutes) * 60_000, rest))
}
