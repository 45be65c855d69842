//! Kafka Connect's inference of a literal's type (`Values.parseString`), for single values: arrays
//! and maps stay text.

use connect_api::{Datum, Decimal, Kind, Schema, Value};

use crate::simple_date_format::{DAY, SimpleDateFormat};

/// The value that a literal means, with its schema.
pub(crate) fn parse_string(text: &str) -> Datum {
    let trimmed = text.trim();
    match trimmed {
        "null" => Datum::NULL,
        "true" | "false" => Datum::new(Schema::new(Kind::Boolean), (trimmed == "true").into()),
        _ => number(trimmed)
            .or_else(|| temporal(trimmed))
            .or_else(|| quoted(trimmed))
            .unwrap_or_else(|| Datum::new(Schema::new(Kind::String), text.into())),
    }
}

fn number(text: &str) -> Option<Datum> {
    let decimal: Decimal = text.parse().ok()?;
    let plain = decimal.to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (kind, value) = match whole.parse::<i64>() {
        Ok(number) if fraction.bytes().all(|b| b == b'0') => {
            let kind = match number {
                -128..=127 => Kind::Int8,
                -32_768..=32_767 => Kind::Int16,
                -2_147_483_648..=2_147_483_647 => Kind::Int32,
                _ => Kind::Int64,
            };
            (kind, Value::Int(number))
        }
        _ => match (plain.parse::<f32>(), plain.parse::<f64>()) {
            (Ok(float), _) if float.is_finite() => (Kind::Float32, Value::Float(float.into())),
            (_, Ok(float)) if float.is_finite() => (Kind::Float64, Value::Float(float)),
            _ => (
                Kind::Decimal(Some(decimal.scale)),
                Value::Decimal(Box::new(decimal)),
            ),
        },
    };
    Some(Datum::new(Schema::new(kind), value))
}

fn temporal(text: &str) -> Option<Datum> {
    let parse = |pattern: &str| SimpleDateFormat::new(pattern).ok()?.parse(text);
    let (kind, value) = match text.len() {
        10 => {
            let days = parse("yyyy-MM-dd")?.div_euclid(DAY);
            (Kind::Date, Value::Date(i32::try_from(days).ok()?))
        }
        13 => (
            Kind::Time,
            Value::Time(parse("HH:mm:ss.SSS'Z'")?.checked_mul(1000)?),
        ),
        24 => (
            Kind::Timestamp,
            Value::Timestamp(parse("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")?.checked_mul(1000)?),
        ),
        _ => return None,
    };
    Some(Datum::new(Schema::new(kind), value))
}

fn quoted(text: &str) -> Option<Datum> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let unescaped = inner.replace("\\\"", "\"").replace("\\\\", "\\");
    Some(Datum::new(
        Schema::new(Kind::String),
        unescaped.as_str().into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_have_the_types_that_kafka_infers() {
        for (text, kind, value) in [
            ("", Kind::String, "".into()),
            ("true", Kind::Boolean, true.into()),
            ("007", Kind::Int8, 7.into()),
            ("1e3", Kind::Int16, 1000.into()),
            ("3.0", Kind::Int8, 3.into()),
            ("70000", Kind::Int32, 70_000.into()),
            ("-3000000000", Kind::Int64, (-3_000_000_000).into()),
            ("0.5", Kind::Float32, 0.5.into()),
            ("1e200", Kind::Float64, 1e200.into()),
            ("2024-01-15", Kind::Date, Value::Date(19_737)),
            ("00:00:01.000Z", Kind::Time, Value::Time(1_000_000)),
            (
                "1970-01-01T00:00:01.000Z",
                Kind::Timestamp,
                Value::Timestamp(1_000_000),
            ),
            ("\"say \\\"1\\\"\"", Kind::String, "say \"1\"".into()),
            ("hello", Kind::String, "hello".into()),
        ] {
            assert_eq!(
                parse_string(text),
                Datum::new(Schema::new(kind), value),
                "{text}"
            );
        }
        assert_eq!(parse_string("null"), Datum::NULL);
    }

    proptest! {
        #[test]
        fn any_text_has_a_value(text in ".{0,30}") {
            parse_string(&text);
        }
    }
}
