//! The syntax of Java's `.properties` files.

use connect_api::{Error, Properties, Result};

/// Parses the text of a `.properties` file. Of a key given twice the last one counts.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] for a malformed `\uXXXX`, naming its line.
pub fn parse(text: &str) -> Result<Properties> {
    let mut properties = Properties::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(is_blank)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let unescaped = |part| {
            unescape(part).ok_or_else(|| {
                Error::config(format!("line {}: a malformed \\uXXXX escape", number + 1))
            })
        };
        properties.insert(unescaped(key)?, unescaped(value)?);
    }
    Ok(properties)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// An even number of backslashes is a number of escaped ones.
fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Ends the key at the first unescaped blank, `=` or `:`.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = !escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let plain = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| plain)?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    // Java writes characters beyond 16 bits as two escapes.
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_syntax_is_javas() {
        let text = "# a comment\n! another\n\n  a=1\nb : 2\nc 3\nd\\ e\\:f = g=h\n\
                    long = one,\\\n   two\\\\\nempty\nescaped=\\u00e9\\t\\ud83d\\ude00\na = last\n";
        let expect = [
            ("a", "last"),
            ("b", "2"),
            ("c", "3"),
            ("d e:f", "g=h"),
            ("empty", ""),
            ("escaped", "é\t😀"),
            ("long", "one,two\\"),
        ];
        let expect = expect.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), Properties::from(expect));
    }

    #[test]
    fn a_malformed_escape_names_its_line() {
        let error = parse("a=1\nb=\\u12\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: a malformed \\uXXXX escape");
    }

    /// What Java's `Properties.store` does to a key or a value.
    fn escape(text: &str) -> String {
        let escaped = text.chars().map(|c| match c {
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            '\x0c' => "\\f".into(),
            ' ' | '=' | ':' | '#' | '!' | '\\' => format!("\\{c}"),
            c if c.is_ascii() => c.to_string(),
            c => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                units.map(|unit| format!("\\u{unit:04x}")).collect()
            }
        });
        escaped.collect()
    }

    proptest! {
        #[test]
        fn what_java_stores_is_read_back(key in "\\PC{1,12}", value in "(?s).{0,24}") {
            let parsed = parse(&format!("{}={}\n", escape(&key), escape(&value))).unwrap();
            prop_assert_eq!(parsed, Properties::from([(key, value)]));
        }
    }
}
