//! Paths to fields (KIP-821): `a.b`, with backticks around names that hold dots.

use std::result::Result;

/// The steps of a path in the syntax V2.
pub(crate) fn parse(path: &str) -> Result<Vec<String>, String> {
    let mut steps = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        if let Some(after) = rest.strip_prefix('`') {
            let (step, used) = quoted(after).ok_or_else(|| {
                format!(
                    "Incomplete backtick pair in path: [{path}], consider adding a backslash \
                     before backtick at position {at} to escape it"
                )
            })?;
            steps.push(step);
            at += 1 + used;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            steps.push(rest[..end].to_owned());
            at += end + 1;
        }
    }
    if path.is_empty() || path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

/// A name up to the backtick that ends it, and how much of the text is used, with the dot behind.
/// A backtick ends the name only before a dot or at the end of the path.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut start = 0;
    for (at, _) in text.match_indices('`') {
        let escaped = text[..at].ends_with('\\');
        match text.as_bytes().get(at + 1) {
            None if escaped => return None,
            Some(b'.') if escaped => {
                name.push_str(&text[start..at - 1]);
                name.push('`');
                start = at + 1;
            }
            None | Some(b'.') => {
                name.push_str(&text[start..at]);
                return Some((name, at + 2));
            }
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_kafka_reads_them() {
        for (path, expect) in [
            ("", vec![""]),
            ("foo", vec!["foo"]),
            ("foo.bar.baz", vec!["foo", "bar", "baz"]),
            ("`foo.bar`", vec!["foo.bar"]),
            ("foo.`bar.baz`", vec!["foo", "bar.baz"]),
            ("`foo.bar`.baz", vec!["foo.bar", "baz"]),
            ("`foo`bar.baz`", vec!["foo`bar.baz"]),
            ("`foo\\`.bar`.baz", vec!["foo`.bar", "baz"]),
            ("foo.", vec!["foo", ""]),
        ] {
            assert_eq!(parse(path).unwrap(), expect, "{path}");
        }
        for path in ["`foo.bar", "`foo`bar", "foo.`bar\\`"] {
            let why = parse(path).unwrap_err();
            assert!(
                why.starts_with("Incomplete backtick pair in path: ["),
                "{why}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_or_refused(path in r"[a`.\\é]{0,12}") {
            if let Ok(steps) = parse(&path) {
                prop_assert!(!steps.is_empty());
            }
        }
    }
}
