//! Java's regular expressions and replacements, as far as they mean the same in the regex crate.

use regex::{Regex, RegexBuilder};

/// What is wrong with a pattern, for the validators of options.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    whole(pattern).map(|_| ())
}

/// `Matcher.matches`: the pattern for the whole of a text.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    find(pattern)?;
    compile(&format!(r"\A(?:{pattern})\z"))
}

/// `Matcher.find`: the pattern anywhere in a text.
pub(crate) fn find(pattern: &str) -> Result<Regex, String> {
    if has_possessive(pattern) {
        return Err("Invalid regex: possessive quantifiers are not supported".into());
    }
    compile(pattern)
}

/// Most bytes that a pattern is compiled to: a config may hold a hundred, and each task compiles
/// them.
const SIZE: usize = 2 << 20;

fn compile(pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern).size_limit(SIZE).build();
    compiled.map_err(|e| {
        let text = e.to_string();
        // The last line of the crate's message says what is wrong, those before show where.
        let why = text.lines().last().unwrap_or_default();
        format!("Invalid regex: {}", why.trim_start_matches("error: "))
    })
}

/// Java's `a*+` never gives back what it took; here it would read as a plain repetition.
fn has_possessive(pattern: &str) -> bool {
    let (mut class, mut repeated) = (0usize, false);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '+' && repeated && class == 0 {
            return true;
        }
        repeated = false;
        match c {
            '\\' => {
                chars.next();
            }
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            '*' | '+' | '?' | '}' => repeated = true,
            _ => {}
        }
    }
    false
}

/// A replacement in Java's syntax: `$1`, `${name}`, and `\` before what stands for itself.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(char),
    Group(usize),
}

impl Replacement {
    /// The meaning of the text for a pattern.
    pub(crate) fn new(text: &str, regex: &Regex) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '\\' => Part::Literal(chars.next().ok_or("character to be escaped is missing")?),
                '$' if chars.next_if_eq(&'{').is_some() => {
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let mut names = regex.capture_names();
                    let group = names.position(|n| n == Some(name.as_str()));
                    Part::Group(group.ok_or_else(|| format!("No group with name {{{name}}}"))?)
                }
                '$' => {
                    let digit = |c: &char| c.to_digit(10).map(|d| d as usize);
                    let mut group = chars.next().as_ref().and_then(digit);
                    // Further digits belong to it only as long as there is such a group.
                    while let (Some(first), Some(next)) = (group, chars.peek().and_then(digit)) {
                        if first * 10 + next >= regex.captures_len() {
                            break;
                        }
                        group = Some(first * 10 + next);
                        chars.next();
                    }
                    match group {
                        Some(group) if group < regex.captures_len() => Part::Group(group),
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
    pub(crate) fn replace_first(&self, regex: &Regex, text: &str) -> String {
        let Some(captures) = regex.captures(text) else {
            return text.to_owned();
        };
        let range = captures.get(0).map_or(0..0, |all| all.range());
        let mut out = String::with_capacity(text.len());
        out.push_str(&text[..range.start]);
        for part in &self.0 {
            match part {
                Part::Literal(c) => out.push(*c),
                Part::Group(group) => {
                    out.push_str(captures.get(*group).map_or("", |g| g.as_str()));
                }
            }
        }
        out.push_str(&text[range.end..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replaces_as_java_does() {
        for (pattern, replacement, text, expect) in [
            ("(.*)-(.*)", "$2x$1", "a-b", "bxa"),
            ("(.*)", "$10", "a", "a0"),
            ("(?<name>.*)", "${name}\\$1", "a", "a$1"),
            ("a(b)?", "[$1]", "a", "[]"),
            // `find` takes the first branch, though `matches` took the second.
            ("foo|foobar", "x", "foobar", "xbar"),
        ] {
            let regex = find(pattern).unwrap();
            let replacement = Replacement::new(replacement, &regex).unwrap();
            assert_eq!(replacement.replace_first(&regex, text), expect, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (pattern, expect) in [
            ("(?=a)", "look-around"),
            ("(a)\\1", "backreferences"),
            ("a*+", "possessive"),
            ("(", "unclosed group"),
        ] {
            let why = check(pattern).unwrap_err();
            assert!(
                why.starts_with("Invalid regex: ") && why.contains(expect),
                "{why}"
            );
        }
        for fine in ["a+", "[+*+]", "\\++", "a{2}b+", "a??"] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        let regex = find("(a)").unwrap();
        for (text, expect) in [
            ("$2", "No group 2"),
            ("$x", "Illegal group reference"),
            ("$", "Illegal group reference"),
            ("${b}", "No group with name {b}"),
            ("\\", "character to be escaped is missing"),
        ] {
            assert_eq!(Replacement::new(text, &regex).unwrap_err(), expect);
        }
    }

    proptest! {
        #[test]
        fn any_replacement_is_read_or_refused(text in r"[a$\\{}0-9]{0,10}", topic in ".{0,10}") {
            let regex = find("(.)(?<a>.)?").unwrap();
            if let Ok(replacement) = Replacement::new(&text, &regex) {
                replacement.replace_first(&regex, &topic);
            }
        }
    }
}
