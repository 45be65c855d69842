//! `topics.regex`: Java's regular expressions, read once for all who look at names of topics. The
//! client library subscribes by another engine (POSIX's): it is given the same expression in the
//! words of that one, where there are such words.

use std::fmt::Write as _;

use connect_transforms::java_regex::{self, JavaRegex};
use regex::RegexBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use tracing::warn;

/// The most bytes of a pattern.
const PATTERN_BYTES: usize = 10_000;
/// The most bytes that the client library's expression may be compiled to, which has no limit of
/// its own.
const CLIENT_SIZE: usize = 1 << 20;

/// What a topic's name may have.
const NAME_CHARACTERS: &str = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Kafka's own topics, which no pattern means (`exclude.internal.topics` of Java's consumer).
const INTERNAL_TOPICS: &[&str] = &[
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
];

/// `topics.regex`: which topics a sink reads.
#[derive(Clone, Debug)]
pub struct TopicPattern {
    text: String,
    regex: JavaRegex,
}

impl TopicPattern {
    /// A pattern for whole names, as Java's `Matcher.matches` takes it.
    ///
    /// # Errors
    /// Why it is none that can be followed.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > PATTERN_BYTES {
            return Err(format!(
                "A regular expression has {PATTERN_BYTES} bytes at most"
            ));
        }
        let regex = JavaRegex::whole(pattern)?;
        Ok(Self {
            text: pattern.to_owned(),
            regex,
        })
    }

    /// The pattern as the config has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a topic is one that the sink reads.
    pub fn matches(&self, topic: &str) -> bool {
        !INTERNAL_TOPICS.contains(&topic) && self.matches_name(topic)
    }

    fn matches_name(&self, topic: &str) -> bool {
        let is_match = self.regex.is_match(topic);
        is_match.unwrap_or_else(|error| {
            warn!(
                topic,
                error = error.chain(),
                "topics.regex leaves a topic out"
            );
            false
        })
    }

    /// The expression that the client library subscribes to; none: it has no words for what this
    /// one means, or needs too many.
    pub fn for_client(&self) -> Option<String> {
        let means_internal = INTERNAL_TOPICS.iter().any(|topic| self.matches_name(topic));
        if means_internal || has_possessive(&self.text) {
            return None;
        }
        let translated = java_regex::translated(&self.text).ok()?;
        let parsed = regex_syntax::parse(&translated).ok()?;
        let mut text = String::from("^(");
        write(&parsed, &mut text)?;
        text.push_str(")$");
        let compiled = RegexBuilder::new(&text).size_limit(CLIENT_SIZE).build();
        (text.len() <= 16 * PATTERN_BYTES && compiled.is_ok()).then_some(text)
    }
}

/// Whether the pattern can be followed.
///
/// # Errors
/// As [`TopicPattern::new`].
pub fn check(pattern: &str) -> Result<(), String> {
    TopicPattern::new(pattern).map(drop)
}

/// Whether a repetition never gives back what it took, as Java's `a*+`: regex-syntax reads it as a
/// plain one.
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
fn write(hir: &Hir, text: &mut String) -> Option<()> {
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
        HirKind::Look(_) => return None,
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
    Some(())
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
mod tests;
