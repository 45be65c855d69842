//! Values.parseString: the type of a literal is guessed from its text, by Kafka's rules. Headers
//! and `InsertHeader` have no other types.

use std::sync::{Arc, LazyLock};

use crate::{Datum, Decimal, Kind, Schema, Value};
use bytes::Bytes;

mod literal;
mod nested;

static STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::new(Kind::String)));

/// The value that a text stands for, as Kafka's SimpleHeaderConverter has it.
///
/// Three things differ, so that nothing is lost: text that goes on after a number
/// (`1,2`) is a string, not the number; bytes that are no UTF-8 stay bytes; and times are in UTC,
/// not in the zone of the machine.
pub fn parse(value: Option<&[u8]>) -> Datum {
    let Some(bytes) = value else {
        return Datum::NULL;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Datum::new(
            Schema::new(Kind::Bytes),
            Value::Bytes(Bytes::copy_from_slice(bytes)),
        );
    };
    let plain = || Datum::new(Arc::clone(&STRING), Value::from(text));
    // Most headers are plain words, and their first letter tells.
    match bytes.trim_ascii_start().first() {
        Some(b'[' | b'{') => nested::parse(text).unwrap_or_else(plain),
        Some(b'0'..=b'9' | b'+' | b'-' | b't' | b'f' | b'n') => match scalar(text.trim()) {
            Some(Typed { kind: None, .. }) => Datum::NULL,
            Some(Typed {
                kind: Some(kind),
                value,
            }) => Datum::new(Schema::new(kind), value),
            None => plain(),
        },
        _ => plain(),
    }
}

/// A value that has a type of its own; null has none.
struct Typed {
    kind: Option<Kind>,
    value: Value,
}

impl Typed {
    fn new(kind: Kind, value: Value) -> Self {
        Self {
            kind: Some(kind),
            value,
        }
    }
}

/// The value of a literal; none where the text is but a string.
fn scalar(token: &str) -> Option<Typed> {
    match token {
        "null" => Some(Typed {
            kind: None,
            value: Value::Null,
        }),
        "true" => Some(Typed::new(Kind::Boolean, Value::Boolean(true))),
        "false" => Some(Typed::new(Kind::Boolean, Value::Boolean(false))),
        _ => match token.as_bytes().first()? {
            b'0'..=b'9' => literal::temporal(token).or_else(|| number(token)),
            b'+' | b'-' => number(token),
            _ => None,
        },
    }
}

fn number(token: &str) -> Option<Typed> {
    let decimal: Decimal = token.parse().ok()?;
    // `3.0` and `1e3` are integers too.
    if let Ok(number) = decimal.to_i64() {
        let kind = if i8::try_from(number).is_ok() {
            Kind::Int8
        } else if i16::try_from(number).is_ok() {
            Kind::Int16
        } else if i32::try_from(number).is_ok() {
            Kind::Int32
        } else {
            Kind::Int64
        };
        return Some(Typed::new(kind, Value::Int(number)));
    }
    if decimal.scale != 0 {
        let single: f32 = token.parse().ok()?;
        if single.is_finite() {
            return Some(Typed::new(Kind::Float32, Value::Float(single.into())));
        }
        let double: f64 = token.parse().ok()?;
        if double.is_finite() {
            return Some(Typed::new(Kind::Float64, Value::Float(double)));
        }
    }
    let kind = Kind::Decimal(Some(decimal.scale));
    Some(Typed::new(kind, Value::Decimal(Box::new(decimal))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, type_name: &str, value: Value) {
        let datum = parse(Some(text.as_bytes()));
        let found = datum.schema.as_ref().map_or("none", |s| s.type_name());
        assert_eq!((found, datum.value), (type_name, value), "{text}");
    }

    #[test]
    fn scalars_have_kafkas_types() {
        for (text, type_name, value) in [
            ("", "STRING", Value::from("")),
            ("   ", "STRING", Value::from("   ")),
            ("null", "none", Value::Null),
            ("nullable", "STRING", Value::from("nullable")),
            (" true", "BOOLEAN", Value::Boolean(true)),
            ("true}", "STRING", Value::from("true}")),
            ("False", "STRING", Value::from("False")),
            ("007", "INT8", Value::Int(7)),
            ("-129", "INT16", Value::Int(-129)),
            ("3.0", "INT8", Value::Int(3)),
            ("1e3", "INT16", Value::Int(1000)),
            ("+70000", "INT32", Value::Int(70_000)),
            ("9223372036854775807", "INT64", Value::Int(i64::MAX)),
            ("1.5", "FLOAT32", Value::Float(1.5)),
            (
                "0.123456789",
                "FLOAT32",
                Value::Float(0.123_456_79_f32.into()),
            ),
            ("1e40", "FLOAT64", Value::Float(1e40)),
            (".5", "STRING", Value::from(".5")),
            ("1,2", "STRING", Value::from("1,2")),
            ("127.0.0.1", "STRING", Value::from("127.0.0.1")),
            ("-", "STRING", Value::from("-")),
            ("\"7\"", "STRING", Value::from("\"7\"")),
        ] {
            check(text, type_name, value);
        }
    }

    #[test]
    fn integers_beyond_64_bits_are_decimals() {
        let digits = "123456789012345678901234567890";
        let value = Value::Decimal(Box::new(digits.parse().unwrap()));
        check(digits, "BYTES", value);
    }

    #[test]
    fn times_are_recognised_by_their_length() {
        for (text, type_name, value) in [
            ("2000-02-29", "INT32", Value::Date(11_016)),
            ("2001-02-29", "STRING", Value::from("2001-02-29")),
            ("00:00:01.500Z", "INT64", Value::Time(1_500_000)),
            (
                "2000-02-29T00:00:00.001Z",
                "INT64",
                Value::Timestamp(951_782_400_001_000),
            ),
            (
                "2000-02-29T00:00:00Z",
                "STRING",
                Value::from("2000-02-29T00:00:00Z"),
            ),
        ] {
            check(text, type_name, value);
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_bytes() {
        let datum = parse(Some(b"\xff"));
        assert_eq!(datum.value, Value::Bytes(Bytes::from_static(b"\xff")));
        assert_eq!(parse(None), Datum::NULL);
    }

    #[test]
    fn arrays_and_maps_have_a_common_type() {
        let datum = parse(Some(b"[1, 300, null]"));
        let schema = datum.schema.unwrap();
        assert!(matches!(&schema.kind, Kind::Array(item) if item.kind == Kind::Int16));
        let items = vec![Value::Int(1), Value::Int(300), Value::Null];
        assert_eq!(datum.value, Value::Array(items));

        let datum = parse(Some(br#"{"a": 1.5, "b:c": 2}"#));
        let entries = vec![
            (Value::from("a"), Value::Float(1.5)),
            (Value::from("b:c"), Value::Float(2.0)),
        ];
        assert_eq!(datum.value, Value::Map(entries));
    }

    #[test]
    fn what_is_no_array_or_map_is_a_string() {
        for text in [
            "[1,", "[1,,2]", "[abc]", "{1}", "{null:1}", "[1] x", "{\"a\":1", "[1 2]",
        ] {
            check(text, "STRING", Value::from(text));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let _ = parse(Some(&bytes));
        }

        #[test]
        fn any_nesting_is_read(text in r#"[\[\]{}:,"1a.\\ -]{0,40}"#) {
            let _ = parse(Some(text.as_bytes()));
        }

        #[test]
        fn integers_keep_their_value(number in any::<i64>()) {
            let datum = parse(Some(number.to_string().as_bytes()));
            prop_assert_eq!(datum.value, Value::Int(number));
        }
    }
}
