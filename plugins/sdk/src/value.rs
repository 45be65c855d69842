//! Values: from and to Rust's own types.

use std::fmt::Display;

use crate::{Failure, Value};

impl Failure {
    /// A record that cannot be used. The reason never tells a value of the record.
    pub fn new(reason: impl Display) -> Failure {
        Failure {
            field: None,
            reason: reason.to_string(),
        }
    }

    /// A record that cannot be used because of a field.
    pub fn at(field: &str, reason: impl Display) -> Failure {
        Failure {
            field: Some(field.to_owned()),
            reason: reason.to_string(),
        }
    }
}

/// What kind of value this is, for the text of a failure.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Int(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Decimal(_) => "a decimal",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::Timestamp(_) => "a timestamp",
        Value::Json(_) => "nested data",
    }
}

/// A Rust type that a field can be read as.
pub trait FromValue<'a>: Sized {
    /// What the type is called in the text of a failure.
    const EXPECTED: &'static str;

    /// The value as this type, if it is of its kind. Nothing is parsed and nothing is rounded.
    fn from_value(value: &'a Value) -> Option<Self>;
}

/// JSON text of what is nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(pub &'a str);

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

macro_rules! from_value {
    ($($type:ty, $expected:literal, $($pattern:pat $(if $guard:expr)? => $value:expr),+;)+) => {$(
        impl<'a> FromValue<'a> for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &'a Value) -> Option<Self> {
                match value {
                    $($pattern $(if $guard)? => Some($value),)+
                    _ => None,
                }
            }
        }
    )+};
}

from_value! {
    bool, "a boolean", Value::Boolean(it) => *it;
    i64, "an integer", Value::Int(it) => *it;
    f64, "a number", Value::Float(it) => *it, Value::Int(it) if exact(*it) => *it as f64;
    &'a str, "text", Value::Text(it) => it;
    &'a [u8], "bytes", Value::Bytes(it) => it;
    Json<'a>, "nested data", Value::Json(it) => Json(it);
    Timestamp, "a timestamp", Value::Timestamp(it) => Timestamp(*it);
}

/// Whether a float holds this integer exactly for certain.
fn exact(int: i64) -> bool {
    int.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS
}

macro_rules! into_value {
    ($($type:ty, $it:ident => $value:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($it: $type) -> Value {
                $value
            }
        }
    )+};
}

into_value! {
    bool, it => Value::Boolean(it);
    i32, it => Value::Int(it.into());
    i64, it => Value::Int(it);
    f64, it => Value::Float(it);
    &str, it => Value::Text(it.to_owned());
    String, it => Value::Text(it);
    Vec<u8>, it => Value::Bytes(it);
    Json<'_>, it => Value::Json(it.0.to_owned());
    Timestamp, it => Value::Timestamp(it.0);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Value {
        it.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_a_number_only_where_nothing_is_lost() {
        assert_eq!(
            f64::from_value(&Value::Int(1 << 53)),
            Some(9_007_199_254_740_992.0)
        );
        assert_eq!(f64::from_value(&Value::Int((1 << 53) + 1)), None);
        assert_eq!(f64::from_value(&Value::Int(i64::MIN)), None);
        assert_eq!(f64::from_value(&Value::Text("1".into())), None);
    }

    #[test]
    fn none_is_null() {
        assert_eq!(Value::from(None::<&str>), Value::Null);
        assert_eq!(Value::from(Some("a")), Value::Text("a".into()));
    }
}
