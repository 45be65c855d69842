//! Values: from and to Rust's own types.

use std::borrow::Cow;
use std::fmt::Display;

use crate::{Failure, Kind, Value};

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

/// JSON text that a plugin has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(pub String);

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
    i32, "an integer of 32 bits", Value::Int(it) if i32::try_from(*it).is_ok() => *it as i32;
    &'a str, "text", Value::Text(it) => it;
    String, "text", Value::Text(it) => it.clone();
    Cow<'a, str>, "text", Value::Text(it) => Cow::Borrowed(it);
    &'a [u8], "bytes", Value::Bytes(it) => it;
    Json<'a>, "nested data", Value::Json(it) => Json(it);
    Vec<u8>, "bytes", Value::Bytes(it) => it.clone();
    Timestamp, "a timestamp", Value::Timestamp(it) => Timestamp(*it);
}

impl<'a> FromValue<'a> for &'a Value {
    const EXPECTED: &'static str = "a value";

    fn from_value(value: &'a Value) -> Option<Self> {
        Some(value)
    }
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
    Cow<'_, str>, it => Value::Text(it.into_owned());
    Vec<u8>, it => Value::Bytes(it);
    Json<'_>, it => Value::Json(it.0.to_owned());
    JsonText, it => Value::Json(it.0);
    Timestamp, it => Value::Timestamp(it.0);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(it: Option<T>) -> Value {
        it.map_or(Value::Null, Into::into)
    }
}

/// A Rust type that a field of a made row can have.
pub trait OfKind: Into<Value> {
    /// The kind of the field.
    const KIND: Kind;
    /// Whether it may be null.
    const OPTIONAL: bool = false;
}

macro_rules! of_kind {
    ($($type:ty => $kind:ident;)+) => {$(
        impl OfKind for $type {
            const KIND: Kind = Kind::$kind;
        }
    )+};
}

of_kind! {
    bool => Boolean;
    i32 => Int32;
    i64 => Int64;
    f64 => Float64;
    &str => Text;
    String => Text;
    Cow<'_, str> => Text;
    Vec<u8> => Bytes;
    Json<'_> => Json;
    JsonText => Json;
    Timestamp => Timestamp;
}

impl<T: OfKind> OfKind for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;
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
