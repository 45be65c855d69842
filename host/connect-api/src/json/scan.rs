//! One pass over a JSON object whose fields are known: the common case, with no table of names and
//! no second look at a value.

use super::text::Span;
use super::{Literal, number};
use crate::{Field, Value};

/// Nesting that is followed here; what is deeper is left to the general parser.
const DEPTH: u32 = 64;

/// Whether a name stands in JSON text as it is.
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| STRING[usize::from(byte)])
}

/// Where the values of an object are that has exactly these fields, in their order, and no escapes
/// in its texts. None for any other object, and for what is no JSON: the general parser says what
/// it is. The names must be plain.
pub(super) fn row(text: &str, fields: &[Field]) -> Option<(Box<[Span]>, Vec<Value>)> {
    // Spans count by 32 bits.
    u32::try_from(text.len()).ok()?;
    let mut scan = Scan {
        text,
        at: 0,
        others: Vec::new(),
    };
    scan.expect(b'{')?;
    let mut spans = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            scan.expect(b',')?;
        }
        scan.name(&field.name)?;
        spans.push(scan.value()?);
    }
    scan.expect(b'}')?;
    scan.blanks();
    (scan.at == text.len()).then(|| (spans.into(), scan.others))
}

/// The bytes that stand for themselves within a string.
const STRING: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Values that no span can hold.
    others: Vec<Value>,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes a sign, and blanks before it.
    fn expect(&mut self, sign: u8) -> Option<()> {
        self.blanks();
        self.pass(sign)
    }

    fn pass(&mut self, sign: u8) -> Option<()> {
        (self.peek()? == sign).then(|| self.at += 1)
    }

    fn name(&mut self, name: &str) -> Option<()> {
        self.expect(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        if !rest.starts_with(name.as_bytes()) {
            return None;
        }
        self.at += name.len();
        self.pass(b'"')?;
        self.expect(b':')
    }

    /// Passes a string that begins here, behind its first quote.
    fn string(&mut self) -> Option<()> {
        while STRING[usize::from(self.peek()?)] {
            self.at += 1;
        }
        self.pass(b'"')
    }

    fn value(&mut self) -> Option<Span> {
        self.blanks();
        let start = self.at;
        Some(match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string()?;
                Span::String(place(start + 1), place(self.at - 1))
            }
            b'{' | b'[' => {
                self.skip(DEPTH)?;
                Span::Json(place(start), place(self.at))
            }
            b't' => self.word("true", Span::Boolean(true))?,
            b'f' => self.word("false", Span::Boolean(false))?,
            b'n' => self.word("null", Span::Null)?,
            _ => self.number()?,
        })
    }

    fn word(&mut self, word: &str, span: Span) -> Option<Span> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        found.then(|| {
            self.at += word.len();
            span
        })
    }

    /// Passes a value of any kind. An escape is left to the general parser.
    fn skip(&mut self, depth: u32) -> Option<()> {
        self.blanks();
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string()?;
            }
            open @ (b'{' | b'[') => {
                self.at += 1;
                self.items(open == b'{', depth.checked_sub(1)?)?;
            }
            b't' | b'f' | b'n' => {
                self.value()?;
            }
            _ => {
                self.digits()?;
            }
        }
        Some(())
    }

    fn items(&mut self, is_object: bool, depth: u32) -> Option<()> {
        let close = if is_object { b'}' } else { b']' };
        self.blanks();
        if self.pass(close).is_some() {
            return Some(());
        }
        loop {
            if is_object {
                self.expect(b'"')?;
                self.string()?;
                self.expect(b':')?;
            }
            self.skip(depth)?;
            self.blanks();
            if self.pass(b',').is_none() {
                return self.pass(close);
            }
        }
    }

    fn number(&mut self) -> Option<Span> {
        let start = self.at;
        match self.digits()? {
            Some(span) => Some(span),
            None => {
                let value = number(&self.text[start..self.at]).ok()?;
                self.others.push(value);
                Some(Span::Other(place(self.others.len() - 1)))
            }
        }
    }

    /// Passes a number; its digits are told where they are few and there is no exponent.
    fn digits(&mut self) -> Option<Option<Span>> {
        let negative = self.pass(b'-').is_some();
        let start = self.at;
        let mut unscaled = self.some_digits(0)?;
        let mut count = self.at - start;
        if count > 1 && self.text.as_bytes()[start] == b'0' {
            return None;
        }
        let mut scale = 0;
        if self.pass(b'.').is_some() {
            let point = self.at;
            unscaled = self.some_digits(unscaled)?;
            scale = self.at - point;
            count += scale;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits(0)?;
            return Some(None);
        }
        if count > Literal::MAX_DIGITS {
            return Some(None);
        }
        Some(Some(if scale > 0 {
            Span::Literal(Literal::new(negative, unscaled, scale as u8))
        } else {
            let whole = unscaled.cast_signed();
            Span::Int(if negative { -whole } else { whole })
        }))
    }

    /// Passes digits, and adds them to those before; the sum of too many of them is wrong.
    fn some_digits(&mut self, before: u64) -> Option<u64> {
        let start = self.at;
        let mut sum = before;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(sum)
    }
}

/// A place in a text, or in a list, that is known to be no longer than 32 bits count.
fn place(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::Shapes;
    use super::*;

    /// What the general parser reads: it never has a shape to follow.
    fn general(text: &[u8]) -> Option<Value> {
        Shapes::default().read(text).ok()
    }

    /// Reads the text twice, so that the second time its fields are known.
    fn both(text: &[u8]) -> (Option<Value>, Option<Value>) {
        let mut shapes = Shapes::default();
        let _ = shapes.read(text);
        (
            shapes.read_shared(&Bytes::copy_from_slice(text)).ok(),
            general(text),
        )
    }

    #[test]
    fn known_fields_are_read_as_unknown_ones_are() {
        for text in [
            r#"{}"#,
            r#" { "a" : 1 , "b" : [ ] , "c" : { } } "#,
            r#"{"a":"x","b":-12,"c":0,"d":-0,"e":1.5e3,"f":true,"g":null,"h":false}"#,
            r#"{"a":[1,{"b":"c","d":[null]}],"e":{"f":[-1.0e-7]}}"#,
            r#"{"a":999999999999999999,"b":9223372036854775807,"c":18446744073709551616}"#,
            r#"{"a":"tab\tand \u00e9","b":["\""]}"#,
            r#"{"é":"ü","日":"本"}"#,
            r#"{"a":1e999}"#,
        ] {
            let (known, unknown) = both(text.as_bytes());
            assert!(known.is_some(), "{text}");
            assert_eq!(known, unknown, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_none_with_known_fields_either() {
        for value in [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "truex",
            "'x'",
            "\"x",
            "[1,]",
            "[1 2]",
            "{\"x\"}",
            "{\"x\":}",
            "{,}",
            "[",
            "{",
            "]",
            "\"\u{1}\"",
            "NaN",
            "1 2",
        ] {
            let mut shapes = Shapes::default();
            shapes.read(br#"{"a":1,"b":2}"#).unwrap();
            let text = format!(r#"{{"a":{value},"b":2}}"#);
            assert!(
                shapes.read_shared(&Bytes::from(text.to_owned())).is_err(),
                "{text}"
            );
        }
        for text in [r#"{"a":1,"b":2}x"#, r#"{"a":1 "b":2}"#, r#"{"a":1,"b":2"#] {
            let mut shapes = Shapes::default();
            shapes.read(br#"{"a":1,"b":2}"#).unwrap();
            assert!(
                shapes.read_shared(&Bytes::from(text.to_owned())).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_with_a_quote_is_not_taken_for_two() {
        let mut shapes = Shapes::default();
        shapes.read(br#"{"a\"b":1}"#).unwrap();
        assert!(
            shapes
                .read_shared(&Bytes::from_static(br#"{"a"b":1}"#))
                .is_err()
        );
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|flag| flag.to_string()),
            any::<i64>().prop_map(|number| number.to_string()),
            proptest::num::f64::NORMAL.prop_map(|number| format!("{number:e}")),
            "[ a-z\\\\\"0-9é]{0,30}".prop_map(|text| serde_json::Value::String(text).to_string()),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(", "))),
                proptest::collection::vec(("[a-c]{1,3}", inner), 0..5).prop_map(|entries| {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(k, v)| format!("\"{k}\": {v}"))
                        .collect();
                    format!("{{{}}}", entries.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_object_is_read_alike(values in proptest::collection::vec(json(), 0..6)) {
            let fields = values.iter().enumerate().map(|(i, value)| format!("\"f{i}\":{value}"));
            let text = format!("{{{}}}", fields.collect::<Vec<_>>().join(" ,"));
            let (known, unknown) = both(text.as_bytes());
            prop_assert!(known.is_some());
            prop_assert_eq!(known, unknown);
        }

        #[test]
        fn a_damaged_object_is_read_alike(
            value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut text = format!("{{\"a\":{value},\"b\":1}}").into_bytes();
            let mut shapes = Shapes::default();
            shapes.read(&text).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            let shared = Bytes::from(text);
            prop_assert_eq!(shapes.read_shared(&shared).ok(), general(&shared));
        }
    }
}
