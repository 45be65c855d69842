//! Java's regular expressions and replacements: `java.util.regex.Pattern`, for all options that
//! have them. The crate fancy-regex matches them; one without look-around, back references and
//! possessive quantifiers takes time in proportion to the text.
//!
//! Two things are not Java's. `(?i)` is about all letters, as Java's `(?iu)`. And `$` without
//! `(?m)` is the very end of a text, where Java passes over one last end of a line.

mod translate;

use std::ops::Range;

use connect_api::{Error, Result as Outcome};
use fancy_regex::{Regex, RegexBuilder};

/// Most bytes that a part of a pattern is compiled to: a config may hold a hundred, and each task
/// compiles them.
const SIZE: usize = 2 << 20;

/// Most steps back of one look for a pattern that needs them.
const STEPS: usize = 1_000_000;

/// A regular expression of Java's.
#[derive(Clone, Debug)]
pub struct JavaRegex(Regex);

/// What a pattern has found in a text.
pub struct Found<'t>(fancy_regex::Captures<'t, str>);

/// What is wrong with a pattern, for the validators of options.
///
/// # Errors
/// As [`JavaRegex::find`].
pub fn check(pattern: &str) -> Result<(), String> {
    JavaRegex::whole(pattern).map(drop)
}

/// The same pattern in the syntax of the crates regex and fancy-regex.
///
/// # Errors
/// What Java refuses and those would take as something else.
pub fn translated(pattern: &str) -> Result<String, String> {
    translate::translate(pattern).map_err(|why| format!("Invalid regex: {why}"))
}

impl JavaRegex {
    /// `Matcher.matches`: the pattern for the whole of a text.
    ///
    /// # Errors
    /// As [`Self::find`].
    ///
    /// ```
    /// # use connect_transforms::java_regex::JavaRegex;
    /// let not_internal = JavaRegex::whole(r"(?!__).*")?;
    /// assert!(not_internal.is_match("orders").is_ok_and(|is_match| is_match));
    /// assert!(not_internal.is_match("__consumer_offsets").is_ok_and(|is_match| !is_match));
    /// # Ok::<(), String>(())
    /// ```
    pub fn whole(pattern: &str) -> Result<Self, String> {
        // What is no pattern by itself may be one within brackets.
        Self::find(pattern)?;
        compile(&format!(r"\A(?:{})\z", translated(pattern)?))
    }

    /// `Matcher.find`: the pattern anywhere in a text.
    ///
    /// # Errors
    /// Why it is none that can be followed, after `Invalid regex: `.
    pub fn find(pattern: &str) -> Result<Self, String> {
        compile(&translated(pattern)?)
    }

    /// Whether the text matches.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] where too many steps back are needed to tell.
    pub fn is_match(&self, text: &str) -> Outcome<bool> {
        self.0.is_match(text).map_err(too_many)
    }

    /// The first match.
    ///
    /// # Errors
    /// As [`Self::is_match`].
    pub fn first<'t>(&self, text: &'t str) -> Outcome<Option<Found<'t>>> {
        let found = self.0.captures(text).map_err(too_many)?;
        Ok(found.map(Found))
    }

    /// How many groups there are, with the whole as the first.
    pub fn groups(&self) -> usize {
        self.0.captures_len()
    }
}

impl<'t> Found<'t> {
    /// What a group has matched; none: it took no part. The group 0 is the whole.
    pub fn group(&self, group: usize) -> Option<&'t str> {
        self.0.get(group).map(|found| found.as_str())
    }

    fn range(&self) -> Range<usize> {
        self.0.get(0).map_or(0..0, |found| found.range())
    }
}

fn compile(pattern: &str) -> Result<JavaRegex, String> {
    let compiled = RegexBuilder::new(pattern)
        .delegate_size_limit(SIZE)
        .backtrack_limit(STEPS)
        .build();
    compiled.map(JavaRegex).map_err(|error| {
        let text = error.to_string();
        // The last line says what is wrong, those before show where.
        let why = text.lines().last().unwrap_or_default();
        format!("Invalid regex: {}", why.trim_start_matches("error: "))
    })
}

fn too_many(_: fancy_regex::Error) -> Error {
    Error::data(format!(
        "the regular expression needs more than {STEPS} steps back to tell whether a text matches"
    ))
}

/// A replacement in Java's syntax: `$1`, `${name}`, and `\` before what stands for itself.
#[derive(Debug)]
pub struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(char),
    Group(usize),
}

impl Replacement {
    /// The meaning of the text for a pattern.
    ///
    /// # Errors
    /// What Java says of a group that there is not, or of a `\` or `$` without what belongs to it.
    pub fn new(text: &str, regex: &JavaRegex) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '\\' => Part::Literal(chars.next().ok_or("character to be escaped is missing")?),
                '$' if chars.next_if_eq(&'{').is_some() => {
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let mut names = regex.0.capture_names();
                    let group = names.position(|n| n == Some(name.as_str()));
                    Part::Group(group.ok_or_else(|| format!("No group with name {{{name}}}"))?)
                }
                '$' => {
                    let digit = |c: &char| c.to_digit(10).map(|d| d as usize);
                    let mut group = chars.next().as_ref().and_then(digit);
                    // Further digits belong to it only as long as there is such a group.
                    while let (Some(first), Some(next)) = (group, chars.peek().and_then(digit)) {
                        if first * 10 + next >= regex.groups() {
                            break;
                        }
                        group = Some(first * 10 + next);
                        chars.next();
                    }
                    match group {
                        Some(group) if group < regex.groups() => Part::Group(group),
                        Some(group) => return Err(format!("No group {group}")),
                        None => return Err("Illegal group reference".into()),
                    }
                }
                c => Part::Literal(c),
            });
        }
        Ok(Self(parts))
    }

    /// `Matcher.replaceFirst`.
    ///
    /// # Errors
    /// As [`JavaRegex::is_match`].
    pub fn replace_first(&self, regex: &JavaRegex, text: &str) -> Outcome<String> {
        let Some(found) = regex.first(text)? else {
            return Ok(text.to_owned());
        };
        let range = found.range();
        let mut out = String::with_capacity(text.len());
        out.push_str(&text[..range.start]);
        for part in &self.0 {
            match part {
                Part::Literal(c) => out.push(*c),
                Part::Group(group) => out.push_str(found.group(*group).unwrap_or_default()),
            }
        }
        out.push_str(&text[range.end..]);
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
