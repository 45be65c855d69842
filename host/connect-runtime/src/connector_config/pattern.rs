//! `topics.regex`: Java's regular expressions, read once for all who look at names of topics. The
//! client library subscribes by another engine (POSIX's): it is given the same expression in the
//! words of that one.

use std::fmt::Write as _;

use connect_api::Error;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The most bytes of a pattern.
const PATTERN_BYTES: usize = 10_000;
/// The most bytes that it is compiled to: the client library compiles it too, with no limit of its
/// own.
const PATTERN_SIZE: usize = 1 << 20;

/// What a topic's name may have.
const NAME_CHARACTERS: &str = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Java's names of classes of characters, and those of the regex crate.
const CLASSES: &[(&str, &str)] = &[
    ("Alnum", "[[:alnum:]]"),
    ("Alpha", "[[:alpha:]]"),
    ("Digit", "[[:digit:]]"),
    ("Graph", "[[:graph:]]"),
    ("Lower", "[[:lower:]]"),
    ("Print", "[[:print:]]"),
    ("Punct", "[[:punct:]]"),
    ("Space", "[[:space:]]"),
    ("Upper", "[[:upper:]]"),
    ("XDigit", "[[:xdigit:]]"),
];

/// The pattern for whole names, as Java's `Matcher.matches` takes it.
///
/// # Errors
/// Why it is none that can be followed.
pub fn whole(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES {
        return Err(format!(
            "A regular expression has {PATTERN_BYTES} bytes at most"
        ));
    }
    let translated = format!(r"\A(?:{})\z", translated(pattern)?);
    match RegexBuilder::new(&translated)
        .size_limit(PATTERN_SIZE)
        .build()
    {
        Ok(compiled) => Ok(compiled),
        Err(regex::Error::CompiledTooBig(_)) => Err("The regular expression is too large".into()),
        Err(_) => Err("Must be a valid regular expression, without look-around".into()),
    }
}

/// Whether the pattern can be followed, by this worker and by the client library.
///
/// # Errors
/// As [`whole`]; also when the client library has no words for it, such as the borders of words.
pub fn check(pattern: &str) -> Result<(), String> {
    whole(pattern)?;
    for_client(pattern).map(drop)
}

/// What the client library subscribes to.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the pattern cannot be followed.
pub fn subscription(pattern: &str) -> connect_api::Result<String> {
    for_client(pattern).map_err(|why| Error::config(format!("topics.regex: {why}")))
}

/// The pattern in POSIX's extended syntax, in which the classes of characters are spelt out.
fn for_client(pattern: &str) -> Result<String, String> {
    let invalid = |_| "Must be a valid regular expression, without look-around".to_owned();
    let parsed = regex_syntax::parse(&translated(pattern)?).map_err(invalid)?;
    let mut text = String::from("^(");
    write(&parsed, &mut text)?;
    text.push_str(")$");
    if text.len() > 16 * PATTERN_BYTES {
        return Err("The regular expression is too large".into());
    }
    Ok(text)
}

/// What Java writes otherwise: `\Q…\E` quotes, and classes have names of their own.
fn translated(pattern: &str) -> Result<String, String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(quoted) = rest.strip_prefix(r"\Q") {
            let (quoted, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            text.push_str(&regex::escape(quoted));
            rest = after;
            continue;
        }
        let class = CLASSES.iter().find_map(|(name, class)| {
            let after = rest.strip_prefix(r"\p{")?.strip_prefix(name)?;
            Some((*class, after.strip_prefix('}')?))
        });
        if let Some((class, after)) = class {
            text.push_str(class);
            rest = after;
            continue;
        }
        let length = rest.chars().take(2).map(char::len_utf8).sum();
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text.push_str(rest);
    match has_possessive(&text) {
        true => Err("Possessive quantifiers are not supported".into()),
        false => Ok(text),
    }
}

/// Java's `a*+` never gives back what it took; here it would read as a plain repetition.
fn has_possessive(pattern: &str) -> bool {
    let (mut classes, mut repeated) = (0_usize, false);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '+' && repeated && classes == 0 {
            return true;
        }
        repeated = false;
        match c {
            '\\' => {
                chars.next();
            }
            '[' => classes += 1,
            ']' => classes = classes.saturating_sub(1),
            '*' | '+' | '?' | '}' => repeated = true,
            _ => {}
        }
    }
    false
}

// Writing to a String never fails.
fn write(hir: &Hir, text: &mut String) -> Result<(), String> {
    match hir.kind() {
        HirKind::Empty => text.push_str("()"),
        HirKind::Literal(literal) => {
            for c in String::from_utf8_lossy(&literal.0).chars() {
                push_one_of([c].into_iter(), text);
            }
        }
        HirKind::Class(class) => {
            let is_in = |c: char| match class {
                Class::Unicode(class) => {
                    let mut ranges = class.iter();
                    ranges.any(|range| range.start() <= c && c <= range.end())
                }
                Class::Bytes(class) => {
                    let mut ranges = class.iter();
                    ranges
                        .any(|range| char::from(range.start()) <= c && c <= char::from(range.end()))
                }
            };
            push_one_of(NAME_CHARACTERS.chars().filter(|c| is_in(*c)), text);
        }
        HirKind::Look(Look::Start) if text.as_str() == "^(" => {}
        HirKind::Look(Look::Start | Look::StartLF) => text.push('^'),
        HirKind::Look(Look::End | Look::EndLF) => text.push('$'),
        HirKind::Look(_) => return Err("Borders of words are not supported".into()),
        HirKind::Repetition(repetition) => {
            text.push('(');
            write(&repetition.sub, text)?;
            let _ = match (repetition.min, repetition.max) {
                (0, None) => write!(text, ")*"),
                (1, None) => write!(text, ")+"),
                (0, Some(1)) => write!(text, ")?"),
                (min, None) => write!(text, "){{{min},}}"),
                (min, Some(max)) => write!(text, "){{{min},{max}}}"),
            };
        }
        HirKind::Capture(capture) => {
            text.push('(');
            write(&capture.sub, text)?;
            text.push(')');
        }
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, text)?;
            }
        }
        HirKind::Alternation(parts) => {
            text.push('(');
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    text.push('|');
                }
                write(part, text)?;
            }
            text.push(')');
        }
    }
    Ok(())
}

/// A class of the characters; where there are none, one that no name has.
fn push_one_of(characters: impl Iterator<Item = char>, text: &mut String) {
    let mut own: Vec<char> = characters
        .filter(|c| NAME_CHARACTERS.contains(*c))
        .collect();
    // In a class a dash is itself only at its end.
    own.sort_by_key(|c| (*c == '-', *c));
    match own[..] {
        [] => text.push_str("[ ]"),
        [c] if c.is_ascii_alphanumeric() || c == '_' || c == '-' => text.push(c),
        _ => {
            text.push('[');
            text.extend(own);
            text.push(']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_patterns_are_spelt_out_for_the_client() {
        for (pattern, expect) in [
            (
                "a.b",
                "^(a[.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-]b)$",
            ),
            (r"orders-\d+", "^(orders-([0123456789])+)$"),
            (r"a\.b", "^(a[.]b)$"),
            (r"\Qa.b\E|c", "^((a[.]b|c))$"),
            (r"(?i)ab", "^([Aa][Bb])$"),
            (r"(?:x|y){2,3}?", "^(([xy]){2,3})$"),
            (r"a\p{Lower}?", "^(a([abcdefghijklmnopqrstuvwxyz])?)$"),
            ("^a$", "^(a$)$"),
            ("ä", "^([ ])$"),
            ("", "^(())$"),
        ] {
            assert_eq!(for_client(pattern).as_deref(), Ok(expect), "{pattern}");
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
        for pattern in ["(", "a(?=b)", "a*+", r"\bword", "(?<=x)a", r"(a)\1"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_for_the_whole_name() -> Result<(), String> {
        let pattern = whole("a|bc")?;
        for (name, expect) in [("a", true), ("bc", true), ("ac", false), ("abc", false)] {
            assert_eq!(pattern.is_match(name), expect, "{name}");
        }
        Ok(())
    }

    /// The client's engine has to agree: its syntax is a part of the regex crate's too.
    #[test]
    fn what_is_spelt_out_matches_the_same_names() -> Result<(), String> {
        for pattern in [
            r"orders-\d+",
            r"[a-z&&[^b]]+",
            r"(\w+\.)*v[12]",
            r"a{2}|b?",
            r"[^.]+\.raw",
            r"x(y|z)*?w",
        ] {
            let (java, client) = (whole(pattern)?, Regex::new(&for_client(pattern)?));
            let client = client.map_err(|e| e.to_string())?;
            for name in [
                "orders-1",
                "orders-",
                "orders-1x",
                "abc",
                "acd",
                "a.b.v1",
                "v2",
                "v3",
                "aa",
                "b",
                "",
                "x.raw",
                "x.y.raw",
                "xw",
                "xyzw",
                "x-w",
            ] {
                assert_eq!(
                    java.is_match(name),
                    client.is_match(name),
                    "{pattern} {name}"
                );
            }
        }
        Ok(())
    }
}
