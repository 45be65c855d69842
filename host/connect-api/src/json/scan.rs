//! One pass over a JSON object whose fields are known, or over an array: the common case, with no
//! table of names and no second look at a value.

use super::names::Names;
use super::text::Span;
use super::{Literal, number};
use crate::{Value, memory};

/// Nesting that is followed here; what is deeper is left to the general parser.
const DEPTH: u32 = 64;

/// Where the values of an object are that has exactly these fields, in their order, and no escapes
/// in its texts. None for any other object, and for what is no JSON: the general parser says what
/// it is.
pub(super) fn row(text: &str, names: &Names) -> Option<(Box<[Span]>, Vec<Value>)> {
    let mut scan = Scan::new(text)?;
    // Whoever looks at them all makes values of them.
    memory::charge(names.0.len() * (size_of::<Span>() + size_of::<Value>())).ok()?;
    let mut spans = Vec::with_capacity(names.0.len());
    for name in &names.0 {
        scan.name(name)?;
        scan.value(&mut spans)?;
    }
    if names.0.is_empty() {
        scan.expect(b'{')?;
    }
    scan.expect(b'}')?;
    let others = scan.end()?;
    Some((spans.into(), others))
}

/// Where the elements of an array are that has no escapes in its texts. None as for [`row`].
pub(super) fn array(text: &str) -> Option<(Vec<Span>, Vec<Value>)> {
    let mut scan = Scan::new(text)?;
    // Most arrays in a record are short.
    let mut spans = Vec::with_capacity(8);
    scan.expect(b'[')?;
    scan.blanks();
    if scan.pass(b']').is_none() {
        loop {
            scan.value(&mut spans)?;
            scan.blanks();
            if scan.pass(b',').is_none() {
                scan.pass(b']')?;
                break;
            }
        }
    }
    let others = scan.end()?;
    Some((spans, others))
}

/// How many bytes at the beginning stand for themselves within a string.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    /// A one in each byte of a word.
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES << 7;
    // What is less than `least` marks its highest bit, and the first mark is true: only what is
    // less borrows from the byte above it.
    let less = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGHEST;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let quote = less(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = less(word ^ (ONES * u64::from(b'\\')), 1);
        let marks = quote | backslash | less(word, 0x20);
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += chunk.len();
    }
    let plain = |&&byte: &&u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    at + bytes[at..].iter().take_while(plain).count()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Values that no span can hold.
    others: Vec<Value>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Option<Self> {
        // Spans count by 32 bits.
        u32::try_from(text.len()).ok()?;
        Some(Self {
            text,
            at: 0,
            others: Vec::new(),
        })
    }

    /// The values that no span can hold, if only blanks are left.
    fn end(mut self) -> Option<Vec<Value>> {
        self.blanks();
        (self.at == self.text.len()).then_some(self.others)
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

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

    /// Passes one of [`Names`], where there are blanks among it, too.
    fn name(&mut self, name: &str) -> Option<()> {
        if self.rest().starts_with(name.as_bytes()) {
            self.at += name.len();
            return Some(());
        }
        let (colon, quoted) = name.as_bytes().split_last()?;
        let (sign, quoted) = quoted.split_first()?;
        self.expect(*sign)?;
        self.blanks();
        self.at += self.rest().starts_with(quoted).then_some(quoted.len())?;
        self.expect(*colon)
    }

    /// Passes a string that begins here, behind its first quote.
    fn string(&mut self) -> Option<()> {
        self.at += plain_length(self.rest());
        self.pass(b'"')
    }

    /// Passes a value and puts down where it is. Each kind goes straight into its place: a span
    /// that is handed on is copied, and the copy waits for its parts to be written.
    fn value(&mut self, spans: &mut Vec<Span>) -> Option<()> {
        self.blanks();
        let start = self.at;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.string()?;
                put(spans, Span::String(place(start + 1), place(self.at - 1)))?;
            }
            b'{' | b'[' => {
                self.skip(DEPTH)?;
                put(spans, Span::Json(place(start), place(self.at)))?;
            }
            b't' => {
                self.word("true")?;
                put(spans, Span::Boolean(true))?;
            }
            b'f' => {
                self.word("false")?;
                put(spans, Span::Boolean(false))?;
            }
            b'n' => {
                self.word("null")?;
                put(spans, Span::Null)?;
            }
            _ => self.number(spans)?,
        }
        Some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.rest().starts_with(word.as_bytes());
        found.then(|| self.at += word.len())
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
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
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

    fn number(&mut self, spans: &mut Vec<Span>) -> Option<()> {
        let start = self.at;
        match self.digits()? {
            Digits {
                negative,
                unscaled,
                scale: 0,
                few: true,
            } => {
                let whole = unscaled.cast_signed();
                put(spans, Span::Int(if negative { -whole } else { whole }))?;
            }
            Digits {
                negative,
                unscaled,
                scale,
                few: true,
            } => put(
                spans,
                Span::Literal(Literal::new(negative, unscaled, scale as u8)),
            )?,
            _ => {
                let value = number(&self.text[start..self.at]).ok()?;
                self.others.push(value);
                put(spans, Span::Other(place(self.others.len() - 1)))?;
            }
        }
        Some(())
    }

    /// Passes a number.
    fn digits(&mut self) -> Option<Digits> {
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
        let mut few = count <= Literal::MAX_DIGITS;
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits(0)?;
            few = false;
        }
        Some(Digits {
            negative,
            unscaled,
            scale,
            few,
        })
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

/// The digits of a number, `scale` of them after the point.
struct Digits {
    negative: bool,
    unscaled: u64,
    scale: usize,
    /// Whether they are few enough to be told, and without an exponent.
    few: bool,
}

/// Puts down where a value is, if the record has memory left for it.
#[inline]
fn put(spans: &mut Vec<Span>, span: Span) -> Option<()> {
    memory::push(spans, span).ok()
}

/// A place in a text, or in a list, that is known to be no longer than 32 bits count.
fn place(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::{Elements, Shapes};
    use super::*;
    use crate::ValueRef;

    /// What the general parser reads: it never has a shape to follow.
    fn general(text: &[u8]) -> Option<Value> {
        Shapes::default().read(text).ok()
    }

    /// What an element is: a value, or what is nested as text.
    fn shallow_value(text: &str) -> Value {
        if text.starts_with(['[', '{']) {
            return Value::Json(text.into());
        }
        super::super::parse(text).unwrap()
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
                shapes.read_shared(&Bytes::from(text.clone())).is_err(),
                "{text}"
            );
        }
        for text in [r#"{"a":1,"b":2}x"#, r#"{"a":1 "b":2}"#, r#"{"a":1,"b":2"#] {
            let mut shapes = Shapes::default();
            shapes.read(br#"{"a":1,"b":2}"#).unwrap();
            assert!(shapes.read_shared(&Bytes::from(text)).is_err(), "{text}");
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
        fn any_array_is_read_element_by_element(values in proptest::collection::vec(json(), 0..6)) {
            let text = format!("[ {} ]", values.join(" ,"));
            let elements = Elements::read(&text);
            prop_assert_eq!(elements.is_none(), text.contains('\\'));
            if let Some(elements) = elements {
                let found: Vec<_> = elements.iter().map(ValueRef::to_value).collect();
                let expect: Vec<_> = values.iter().map(|text| shallow_value(text)).collect();
                prop_assert_eq!(found, expect);
            }
        }

        #[test]
        fn a_damaged_array_is_none(
            value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut text = format!("[{value},1]").into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = std::str::from_utf8(&text) && Elements::read(text).is_some() {
                prop_assert!(serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).is_ok());
            }
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
