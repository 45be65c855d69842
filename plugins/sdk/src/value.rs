//! Values: from and to Rust's own types.

use std::borrow::Cow;
use std::fmt::Display;

use crate::{Failure, Kind};

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

/// A value that a plugin makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A float of up to 64 bits.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A decimal number in plain notation, such as `-12.340`: the digits after the point are its
    /// scale.
    Decimal(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// What is nested, as JSON text.
    Json(String),
}

/// A value of a record, as [`Value`]; its text stands in the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "those of Value")]
pub enum ValueRef<'a> {
    Null,
    Boolean(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Decimal(&'a str),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    Json(&'a str),
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(it: &'a Value) -> ValueRef<'a> {
        match it {
            Value::Null => ValueRef::Null,
            Value::Boolean(it) => ValueRef::Boolean(*it),
            Value::Int(it) => ValueRef::Int(*it),
            Value::Float(it) => ValueRef::Float(*it),
            Value::Text(it) => ValueRef::Text(it),
            Value::Bytes(it) => ValueRef::Bytes(it),
            Value::Decimal(it) => ValueRef::Decimal(it),
            Value::Date(it) => ValueRef::Date(*it),
            Value::Time(it) => ValueRef::Time(*it),
            Value::Timestamp(it) => ValueRef::Timestamp(*it),
            Value::Json(it) => ValueRef::Json(it),
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(it: ValueRef<'_>) -> Value {
        match it {
            ValueRef::Null => Value::Null,
            ValueRef::Boolean(it) => Value::Boolean(it),
            ValueRef::Int(it) => Value::Int(it),
            ValueRef::Float(it) => Value::Float(it),
            ValueRef::Text(it) => Value::Text(it.to_owned()),
            ValueRef::Bytes(it) => Value::Bytes(it.to_owned()),
            ValueRef::Decimal(it) => Value::Decimal(it.to_owned()),
            ValueRef::Date(it) => Value::Date(it),
            ValueRef::Time(it) => Value::Time(it),
            ValueRef::Timestamp(it) => Value::Timestamp(it),
            ValueRef::Json(it) => Value::Json(it.to_owned()),
        }
    }
}

/// A header that a plugin makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name, which others of the record may have too.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// What kind of value this is, for the text of a failure.
pub fn kind_of(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Boolean(_) => "a boolean",
        ValueRef::Int(_) => "an integer",
        ValueRef::Float(_) => "a float",
        ValueRef::Text(_) => "text",
        ValueRef::Bytes(_) => "bytes",
        ValueRef::Decimal(_) => "a decimal",
        ValueRef::Date(_) => "a date",
        ValueRef::Time(_) => "a time",
        ValueRef::Timestamp(_) => "a timestamp",
        ValueRef::Json(_) => "nested data",
    }
}

/// A Rust type that a field can be read as.
pub trait FromValue<'a>: Sized {
    /// What the type is called in the text of a failure.
    const EXPECTED: &'static str;

    /// The value as this type, if it is of its kind. Nothing is parsed and nothing is rounded.
    fn from_value(value: ValueRef<'a>) -> Option<Self>;
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

            fn from_value(value: ValueRef<'a>) -> Option<Self> {
                match value {
                    $($pattern $(if $guard)? => Some($value),)+
                    _ => None,
                }
            }
        }
    )+};
}

from_value! {
    bool, "a boolean", ValueRef::Boolean(it) => it;
    i64, "an integer", ValueRef::Int(it) => it;
    f64, "a number", ValueRef::Float(it) => it, ValueRef::Int(it) if exact(it) => it as f64;
    i32, "an integer of 32 bits", ValueRef::Int(it) if i32::try_from(it).is_ok() => it as i32;
    &'a str, "text", ValueRef::Text(it) => it;
    String, "text", ValueRef::Text(it) => it.to_owned();
    Cow<'a, str>, "text", ValueRef::Text(it) => Cow::Borrowed(it);
    &'a [u8], "bytes", ValueRef::Bytes(it) => it;
    Json<'a>, "nested data", ValueRef::Json(it) => Json(it);
    Vec<u8>, "bytes", ValueRef::Bytes(it) => it.to_owned();
    Timestamp, "a timestamp", ValueRef::Timestamp(it) => Timestamp(it);
}

impl<'a> FromValue<'a> for ValueRef<'a> {
    const EXPECTED: &'static str = "a value";

    fn from_value(value: ValueRef<'a>) -> Option<Self> {
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
            f64::from_value(ValueRef::Int(1 << 53)),
            Some(9_007_199_254_740_992.0)
        );
        assert_eq!(f64::from_value(ValueRef::Int((1 << 53) + 1)), None);
        assert_eq!(f64::from_value(ValueRef::Int(i64::MIN)), None);
        assert_eq!(f64::from_value(ValueRef::Text("1")), None);
    }

    #[test]
    fn none_is_null() {
        assert_eq!(Value::from(None::<&str>), Value::Null);
        assert_eq!(Value::from(Some("a")), Value::Text("a".into()));
    }
}
