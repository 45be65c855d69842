//! What whoever reads a value relies upon: that it is what its schema says.

use connect_api::memory::EXCEEDED;
use connect_api::{Datum, Decimal, Kind, Result, Schema, Value, json};

/// Checks a datum, and that what comes after can write it as text.
///
/// # Panics
/// When it is not what its schema says.
pub(crate) fn check(datum: &Datum) {
    if let Some(schema) = &datum.schema {
        assert!(agrees(&datum.value, schema), "{datum:?}");
    }
    // An error is allowed: NaN has no form in JSON.
    let mut text = String::new();
    let _ = json::write(&datum.value, &mut text);
}

/// Errors that say that a record is too large, and one of unions: branches that differ in Avro
/// alone, such as a string and an enum, are one kind in Connect, and a schema that is made of them
/// is none.
const LIMITS: &[&str] = &[
    EXCEEDED,
    "the decimal has more digits than any column has",
    "io.confluent.connect.avro.Union has two fields",
];

/// What must be possible; none, when it takes more memory than a record may, or more digits than a
/// decimal may have as text.
///
/// # Panics
/// When it is not possible for another reason.
pub(crate) fn possible<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(made) => Some(made),
        Err(error) if LIMITS.iter().any(|limit| error.chain().contains(limit)) => None,
        Err(error) => panic!("it is refused: {}", error.chain()),
    }
}

/// Whether a value is what a schema says.
pub(crate) fn agrees(value: &Value, schema: &Schema) -> bool {
    match (&schema.kind, value) {
        (Kind::Any, _) => true,
        (_, Value::Null) => schema.optional,
        (Kind::Int8, Value::Int(number)) => i8::try_from(*number).is_ok(),
        (Kind::Int16, Value::Int(number)) => i16::try_from(*number).is_ok(),
        (Kind::Int32, Value::Int(number)) => i32::try_from(*number).is_ok(),
        (Kind::Decimal(scale), Value::Decimal(decimal)) => {
            scale.is_none_or(|scale| scale == decimal.scale)
        }
        (Kind::Array(item), Value::Array(items)) => items.iter().all(|it| agrees(it, item)),
        (Kind::Map(key, entry), Value::Map(entries)) => {
            let agree = |(k, v): &(Value, Value)| agrees(k, key) && agrees(v, entry);
            entries.iter().all(agree)
        }
        (Kind::Struct(fields), Value::Struct(row)) => {
            let mut pairs = fields.iter().zip(row.values());
            fields.len() == row.values().len()
                && pairs.all(|(field, value)| agrees(value, &field.schema))
        }
        (kind, value) => is_scalar_of(kind, value),
    }
}

fn is_scalar_of(kind: &Kind, value: &Value) -> bool {
    matches!(
        (kind, value),
        (Kind::Int64, Value::Int(_))
            | (Kind::Float32 | Kind::Float64, Value::Float(_))
            | (Kind::Boolean, Value::Boolean(_))
            | (Kind::String, Value::String(_))
            | (Kind::Bytes, Value::Bytes(_))
            | (Kind::Date, Value::Date(_))
            | (Kind::Time, Value::Time(_))
            | (Kind::Timestamp, Value::Timestamp(_))
    )
}

/// Whether two values are the same, whatever their schemas are called; NaN is itself, and a decimal
/// is what it is printed as.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Decimal(left), Value::Decimal(right)) => {
            let plain = |decimal: &Decimal| decimal.to_plain().ok();
            left == right || plain(left).is_some_and(|left| Some(left) == plain(right))
        }
        (Value::Float(left), Value::Float(right)) => {
            left == right || (left.is_nan() && right.is_nan())
        }
        (Value::Struct(left), Value::Struct(right)) => all_same(left.values(), right.values()),
        (Value::Array(left), Value::Array(right)) => all_same(left, right),
        (Value::Map(left), Value::Map(right)) => {
            let same =
                |((a, b), (c, d)): (&(Value, Value), &(Value, Value))| same(a, c) && same(b, d);
            left.len() == right.len() && left.iter().zip(right).all(same)
        }
        (left, right) => left == right || is_same_number(left, right),
    }
}

/// Whether they are one number in two forms: JSON without schemas has only one.
fn is_same_number(left: &Value, right: &Value) -> bool {
    let plain = |value: &Value| {
        let decimal = match value {
            Value::Int(number) => Decimal::from(*number),
            Value::Float(number) => Decimal::from_f64(*number)?,
            Value::Decimal(decimal) => (**decimal).clone(),
            _ => return None,
        };
        let text = decimal.to_plain().ok()?;
        Some(match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        })
    };
    plain(left).is_some_and(|left| Some(left) == plain(right))
}

fn all_same(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| same(left, right))
}
