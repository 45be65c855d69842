//! JSON: the text of nested data, and rows from schemaless objects.

mod literal;
mod names;
mod scan;
mod shapes;
mod text;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::value::RawValue;

use crate::{Decimal, Error, Field, Kind, Result, Schema, Str, Struct, Value, memory};

pub use literal::Literal;
pub use names::FieldNames;
pub use shapes::Shapes;
pub use text::Elements;
pub use write::{IsoTimestamp, write};

pub(crate) use text::Text;

/// How deep values may be nested when they are opened; a few bytes of text must not fill the stack.
const MAX_DEPTH: usize = 128;

fn malformed(error: &serde_json::Error) -> Error {
    // serde_json's own words could quote the data.
    Error::data(format!(
        "malformed JSON at line {} column {}",
        error.line(),
        error.column()
    ))
}

/// Calls `each` for the entries of a JSON object: the name, and the text of the value.
///
/// # Errors
/// When the text is no JSON object, or `each` fails.
pub fn entries<'a>(
    text: &'a [u8],
    each: impl FnMut(Cow<'a, str>, &'a str) -> Result<()>,
) -> Result<()> {
    struct Visitor<'f, F>(F, &'f mut Option<Error>);

    impl<'de, F> serde::de::Visitor<'de> for Visitor<'_, F>
    where
        F: FnMut(Cow<'de, str>, &'de str) -> Result<()>,
    {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            mut self,
            mut map: A,
        ) -> std::result::Result<(), A::Error> {
            while let Some(Name(name)) = map.next_key()? {
                let raw: &RawValue = map.next_value()?;
                if let Err(error) = (self.0)(name, raw.get()) {
                    *self.1 = Some(error);
                    return Err(serde::de::Error::custom(""));
                }
            }
            Ok(())
        }
    }

    let mut failure = None;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let visitor = Visitor(each, &mut failure);
    let outcome = serde::Deserializer::deserialize_map(&mut deserializer, visitor)
        .and_then(|()| deserializer.end());
    match failure {
        Some(error) => Err(error),
        None => outcome.map_err(|e| malformed(&e)),
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        d.deserialize_str(Visitor)
    }
}

/// The value of JSON text; objects and arrays stay text.
fn shallow(raw: &str) -> Result<Value> {
    match raw.as_bytes().first() {
        Some(b'{' | b'[') => Ok(Value::Json(raw.into())),
        _ => scalar(raw),
    }
}

/// The schema of every field of schemaless data.
static ANY: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::any()));

/// A field of schemaless data.
fn any_field(name: Str) -> Field {
    Field::new(name, Arc::clone(&ANY))
}

/// The value of JSON text, opened to the ground: objects become structs, arrays become arrays.
///
/// # Errors
/// When the text is not one JSON value.
pub fn parse(text: &str) -> Result<Value> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| malformed(&e))?;
    deep(raw.get(), MAX_DEPTH)
}

fn deep(raw: &str, depth: usize) -> Result<Value> {
    if depth == 0 {
        return Err(Error::data(format!(
            "JSON nested deeper than {MAX_DEPTH} levels"
        )));
    }
    match raw.as_bytes().first() {
        Some(b'{') => object(raw, depth),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|e| malformed(&e))?;
            memory::charge_values(items.len())?;
            items
                .iter()
                .map(|item| deep(item.get(), depth - 1))
                .collect::<Result<_>>()
                .map(Value::Array)
        }
        _ => scalar(raw),
    }
}

fn object(raw: &str, depth: usize) -> Result<Value> {
    let mut names = FieldNames::default();
    let mut fields: Vec<Field> = Vec::new();
    let mut values = Vec::new();
    entries(raw.as_bytes(), |name, raw| {
        let value = deep(raw, depth - 1)?;
        // The last of two fields of one name wins, as in Kafka Connect.
        match names.find_or_add(&name, |at| &fields[at].name) {
            Some(at) => values[at] = value,
            None => {
                memory::charge(name.len())?;
                memory::push(&mut fields, any_field(name.as_ref().into()))?;
                memory::push(&mut values, value)?;
            }
        }
        Ok(())
    })?;
    memory::charge(size_of::<Schema>() + size_of::<Struct>())?;
    let schema = Arc::new(Schema::new(Kind::Struct(fields)));
    Ok(Value::Struct(Box::new(Struct::new(schema, values))))
}

fn scalar(raw: &str) -> Result<Value> {
    Ok(match raw.as_bytes() {
        b"null" => Value::Null,
        b"true" => Value::Boolean(true),
        b"false" => Value::Boolean(false),
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
            Value::String(Str::from(&raw[1..raw.len() - 1]))
        }
        [b'"', ..] => Value::String(
            serde_json::from_str::<String>(raw)
                .map_err(|e| malformed(&e))?
                .into(),
        ),
        _ => number(raw)?,
    })
}

/// Numbers stay exact: those with a point or an exponent are floats where a float holds all their
/// digits, and decimals where it does not, as integers beyond 64 bits are.
fn number(raw: &str) -> Result<Value> {
    if let Ok(number) = raw.parse::<i64>() {
        return Ok(Value::Int(number));
    }
    let invalid = || Error::data("malformed JSON: not a number");
    if raw.contains(['.', 'e', 'E']) {
        let number: f64 = raw.parse().map_err(|_| invalid())?;
        if number.is_finite() && holds_digits(raw, number) {
            return Ok(Value::Float(number));
        }
    }
    let decimal: Decimal = raw.parse().map_err(|_| {
        Error::data("a number of more digits than a decimal may have, or of a greater exponent")
    })?;
    memory::charge(size_of::<Decimal>())?;
    Ok(Value::Decimal(Box::new(decimal)))
}

/// The most digits that a float has when all of them are printed: those of the largest subnormal.
pub const FLOAT_DIGITS: usize = 767;

/// Whether the float, printed with as many digits as the text has, has the same digits. Many print
/// more than it takes to tell it, as `%.17g` and `%.15f` do.
fn holds_digits(raw: &str, number: f64) -> bool {
    // 15 digits are always held, but for the smallest floats.
    if raw.len() <= 16 && number.is_normal() {
        return true;
    }
    let mantissa = raw.split(['e', 'E']).next().unwrap_or(raw);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let digits = digits.skip_while(|&digit| digit == b'0');
    let last = digits
        .clone()
        .enumerate()
        .filter(|(_, d)| *d != b'0')
        .last();
    let Some((last, _)) = last else {
        return true;
    };
    if last < 15 && number.is_normal() {
        return true;
    }
    // No float has more digits, and none can be printed with more than 65,535.
    if last >= FLOAT_DIGITS {
        return false;
    }
    let is_printed = |printed: String| {
        let mantissa = printed.split('e').next().unwrap_or_default();
        let same = mantissa.bytes().filter(u8::is_ascii_digit);
        same.eq(digits.clone().take(last + 1))
    };
    // The shortest digits first: where two are as near, it may be the other one.
    is_printed(format!("{:e}", number.abs())) || is_printed(format!("{:.*e}", last, number.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &Value) -> String {
        let mut out = String::new();
        write(value, &mut out).unwrap();
        out
    }

    #[test]
    fn rows_of_one_shape_share_it() {
        let mut shapes = Shapes::default();
        let mut read = |text: &str| match shapes.read(text.as_bytes()).unwrap() {
            Value::Struct(row) => *row,
            other => panic!("{other:?}"),
        };
        let first = read(r#"{"a":1,"b":{"c":[1, 2]},"d":"x\ny"}"#);
        let second = read(r#" {"a":2.5,"b":null,"d":true} "#);
        let longer = read(r#"{"a":1,"b":2,"d":3,"e":4}"#);
        let shorter = read(r#"{"a":1,"b":2}"#);
        let again = read(r#"{"a":1,"b":2,"d":3}"#);
        let other = read(r#"{"b":1,"a":2}"#);
        assert!(Arc::ptr_eq(first.schema(), second.schema()));
        assert!(Arc::ptr_eq(first.schema(), again.schema()));
        assert_eq!(longer.values().len(), 4);
        assert_eq!(shorter.values().len(), 2);
        assert_eq!(other.get("a"), Some(&Value::Int(2)));
        assert_eq!(first.get("b"), Some(&Value::Json(r#"{"c":[1, 2]}"#.into())));
        assert_eq!(first.get("d"), Some(&Value::from("x\ny")));
        assert_eq!(second.get("a"), Some(&Value::Float(2.5)));
    }

    #[test]
    fn a_row_of_text_is_set_as_one_of_values() {
        let text = br#"{"a":1,"b":{"c":[1, 2]},"d":"x\ny","e":"z"}"#;
        let row = Shapes::default().read_shared(&bytes::Bytes::from_static(text));
        let Value::Struct(mut row) = row.unwrap() else {
            panic!("not a row")
        };
        let mut whole = Struct::new(Arc::clone(row.schema()), row.values().to_vec());
        for (at, value) in [(3, Value::Float(0.5)), (0, Value::Null), (3, "y".into())] {
            row.set(at, value.clone());
            whole.set(at, value);
            assert_eq!(*row, whole);
        }
        let nested = Value::Json(r#"{"c":[1, 2]}"#.into());
        assert_eq!(
            row.values(),
            [Value::Null, nested, "x\ny".into(), "y".into()]
        );
    }

    #[test]
    fn the_last_of_two_fields_of_one_name_wins() {
        let mut shapes = Shapes::default();
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1}"#, r#"{"a":1,"a":2}"#] {
            let value = shapes.read(text.as_bytes()).unwrap();
            assert_eq!(value.as_struct().unwrap().values().len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_without_its_text() {
        let mut shapes = Shapes::default();
        for text in [
            "",
            "{",
            "{\"a\":}",
            "{\"a\":1}x",
            "secret",
            "{\"a\":01}",
            "\u{feff}{}",
            "[1,",
        ] {
            let error = shapes.read(text.as_bytes()).unwrap_err();
            assert!(
                error.chain().starts_with("malformed JSON at line"),
                "{text}: {error}"
            );
        }
        assert!(shapes.read(b"{\"a\":\"\xff\"}").is_err());
        assert!(shapes.read(br#"{"a":"\ud800"}"#).is_err());
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(Box::new(text.parse().unwrap()))
    }

    #[test]
    fn numbers_stay_exact() {
        for (json, expect) in [
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-0", Value::Int(0)),
            ("1e2", Value::Float(100.0)),
            ("0.0", Value::Float(0.0)),
            ("-0e5", Value::Float(-0.0)),
            (
                "0.30000000000000004",
                Value::Float(0.300_000_000_000_000_04),
            ),
            // As a float prints with 17 digits, with more, and with all of those that it has.
            ("0.10000000000000001", Value::Float(0.1)),
            ("123.456000000000003", Value::Float(123.456)),
            ("0.1000000000000000055511151231257827", Value::Float(0.1)),
            // It ends in .25, which is as near to .2 as to .3.
            ("1470024435259416.3", Value::Float(1_470_024_435_259_416.3)),
            ("1470024435259416.2", Value::Float(1_470_024_435_259_416.3)),
            ("5e-324", Value::Float(5e-324)),
            ("12345678901234567.89", decimal("12345678901234567.89")),
            ("9007199254740993.0", decimal("9007199254740993.0")),
            ("0.1000000000000000000", Value::Float(0.1)),
            ("1.2345678e-320", decimal("1.2345678e-320")),
            ("1e-400", decimal("1e-400")),
            (
                "18446744073709551616",
                Value::Decimal(Box::new("18446744073709551616".parse().unwrap())),
            ),
        ] {
            assert_eq!(parse(json).unwrap(), expect, "{json}");
        }
        assert_eq!(text(&parse("1e400").unwrap()).len(), 401);
        assert!(parse("1e999999999").is_err());
    }

    #[test]
    fn numbers_of_any_length_are_read_or_refused() {
        for digits in [766, 767, 768, 65_535, 65_536, 70_000, 147_000] {
            let number = format!("0.1{}", "3".repeat(digits));
            assert_eq!(parse(&number).unwrap(), decimal(&number));
            let read = Shapes::default().read(format!(r#"{{"a":{number}}}"#).as_bytes());
            assert!(read.is_ok());
        }
        for number in ["9".repeat(200_000), format!("1e{}", "9".repeat(70_000))] {
            let error = parse(&number).unwrap_err().chain();
            assert!(!error.contains("999"), "{error}");
        }
        let exact = format!("{:.*e}", 766, f64::MIN_POSITIVE - 5e-324);
        assert!(matches!(parse(&exact).unwrap(), Value::Float(_)));
    }

    #[test]
    fn what_is_opened_is_paid_for() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for text in [
            format!("[{}0]", "0,".repeat(100_000)),
            format!("[{}[]]", "[],".repeat(100_000)),
            format!("[{}{{}}]", "{},".repeat(100_000)),
            format!("[{}null]", format!("{},", nested(100)).repeat(1_000)),
            format!(
                "{{{}\"z\":0}}",
                (0..100_000)
                    .map(|n| format!("\"{n}\":0,"))
                    .collect::<String>()
            ),
        ] {
            let small = crate::MemoryLimit(1 << 20).measure(|| parse(&text));
            assert_eq!(small.made.unwrap_err().to_string(), memory::EXCEEDED);
            assert!(parse(&text).is_ok());
        }
    }

    #[test]
    fn objects_of_many_fields_are_read_in_one_pass() {
        let fields =
            |count: usize| -> String { (0..count).map(|n| format!("\"f{n}\":{n},")).collect() };
        let text = format!(r#"{{{}"f7":null}}"#, fields(70_000));
        for value in [
            parse(&text).unwrap(),
            Shapes::default().read(text.as_bytes()).unwrap(),
        ] {
            let row = value.as_struct().unwrap();
            assert_eq!(row.values().len(), 70_000);
            assert_eq!(row.get("f7"), Some(&Value::Null));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(127)).is_ok());
        let error = parse(&nested(100_000)).unwrap_err();
        assert_eq!(error.chain(), "JSON nested deeper than 128 levels");
        assert!(Shapes::default().read(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn dates_and_times_are_iso_8601() {
        for (value, expect) in [
            (Value::Date(0), "\"1970-01-01\""),
            (Value::Date(-719_528), "\"0000-01-01\""),
            (Value::Date(19_737), "\"2024-01-15\""),
            (Value::Date(2_932_897), "\"+010000-01-01\""),
            (Value::Time(37_425_123_000), "\"10:23:45.123\""),
            (Value::Timestamp(-1), "\"1969-12-31T23:59:59.999999Z\""),
            (
                Value::Timestamp(951_782_400_000_000),
                "\"2000-02-29T00:00:00Z\"",
            ),
        ] {
            assert_eq!(text(&value), expect);
        }
    }

    #[test]
    fn json_cannot_hold_nan() {
        assert!(write(&Value::Float(f64::NAN), &mut String::new()).is_err());
        assert!(write(&Value::Time(-1), &mut String::new()).is_err());
    }

    proptest! {
        #[test]
        fn strings_round_trip(s in ".*") {
            let value = Value::from(s.as_str());
            prop_assert_eq!(parse(&text(&value)).unwrap(), value);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Shapes::default().read(&bytes);
        }

        #[test]
        fn floats_round_trip(number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(parse(&text(&Value::Float(number))).unwrap(), Value::Float(number));
        }
    }
}
