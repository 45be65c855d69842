//! Values that read as another type: what `#[row(coerce)]` takes.

use std::borrow::Cow;

use crate::value::FromValue;
use crate::{Timestamp, ValueRef, iso8601};

const DAY_MICROS: i64 = 86_400_000_000;

/// A Rust type that other values may read as.
pub trait Coerce<'a>: Sized {
    /// What is taken, for the text of a failure.
    const READABLE: &'static str;

    /// The value as this type, if it reads as one. No digit before the point is lost, and nothing
    /// is taken in part.
    fn coerce(value: ValueRef<'a>) -> Option<Self>;
}

/// Integers, floats without a fraction, and decimals and texts of an integer.
impl Coerce<'_> for i64 {
    const READABLE: &'static str = "an integer";

    fn coerce(value: ValueRef<'_>) -> Option<i64> {
        match value {
            ValueRef::Int(it) => Some(it),
            ValueRef::Float(it) => whole(it),
            ValueRef::Text(text) => text.trim().parse().ok(),
            ValueRef::Decimal(text) => match text.split_once('.') {
                Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => {
                    whole.parse().ok()
                }
                Some(_) => None,
                None => text.parse().ok(),
            },
            _ => None,
        }
    }
}

/// As [`i64`], where it has room.
impl Coerce<'_> for i32 {
    const READABLE: &'static str = "an integer of 32 bits";

    fn coerce(value: ValueRef<'_>) -> Option<i32> {
        i64::coerce(value)?.try_into().ok()
    }
}

/// Numbers, and texts of a number that is finite.
impl Coerce<'_> for f64 {
    const READABLE: &'static str = "a number";

    fn coerce(value: ValueRef<'_>) -> Option<f64> {
        let parsed = |text: &str| text.parse().ok().filter(|it: &f64| it.is_finite());
        match value {
            ValueRef::Float(it) => Some(it),
            ValueRef::Int(it) => Some(it as f64),
            ValueRef::Text(text) => parsed(text.trim()),
            ValueRef::Decimal(text) => parsed(text),
            _ => None,
        }
    }
}

/// Booleans, 1 and 0, and the texts `true` and `false` in any case.
impl Coerce<'_> for bool {
    const READABLE: &'static str = "a boolean";

    fn coerce(value: ValueRef<'_>) -> Option<bool> {
        match value {
            ValueRef::Boolean(it) => Some(it),
            ValueRef::Int(0) => Some(false),
            ValueRef::Int(1) => Some(true),
            ValueRef::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            ValueRef::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

/// Texts, numbers and booleans.
impl<'a> Coerce<'a> for Cow<'a, str> {
    const READABLE: &'static str = "text";

    fn coerce(value: ValueRef<'a>) -> Option<Cow<'a, str>> {
        match value {
            ValueRef::Text(text) | ValueRef::Decimal(text) => Some(Cow::Borrowed(text)),
            ValueRef::Int(it) => Some(it.to_string().into()),
            ValueRef::Float(it) => Some(it.to_string().into()),
            ValueRef::Boolean(it) => Some(it.to_string().into()),
            _ => None,
        }
    }
}

/// As [`Cow<str>`].
impl Coerce<'_> for String {
    const READABLE: &'static str = "text";

    fn coerce(value: ValueRef<'_>) -> Option<String> {
        Cow::coerce(value).map(Cow::into_owned)
    }
}

/// Timestamps, dates, ISO 8601 texts, and integers, which are milliseconds since 1970.
impl Coerce<'_> for Timestamp {
    const READABLE: &'static str = "a timestamp, ISO 8601 text or milliseconds since 1970";

    fn coerce(value: ValueRef<'_>) -> Option<Timestamp> {
        match value {
            ValueRef::Date(days) => Some(Timestamp(i64::from(days) * DAY_MICROS)),
            ValueRef::Text(text) => iso8601::parse(text.trim()),
            ValueRef::Int(millis) => millis.checked_mul(1000).map(Timestamp),
            other => Timestamp::from_value(other),
        }
    }
}

/// A float as the integer that it is.
fn whole(it: f64) -> Option<i64> {
    // Beyond this a float no longer tells one integer from the next.
    let least = (1u64 << f64::MANTISSA_DIGITS) as f64;
    (it.fract() == 0.0 && it.abs() <= least).then_some(it as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Value;

    #[test]
    fn what_reads_as_a_type_is_taken() {
        assert_eq!(i64::coerce(ValueRef::Text(" 7 ")), Some(7));
        assert_eq!(i64::coerce(ValueRef::Decimal("-7.00")), Some(-7));
        assert_eq!(i32::coerce(ValueRef::Float(3.0)), Some(3));
        assert_eq!(f64::coerce(ValueRef::Text("1e3")), Some(1000.0));
        assert_eq!(bool::coerce(ValueRef::Text("True")), Some(true));
        assert_eq!(String::coerce(ValueRef::Int(5)), Some("5".into()));
        let at = Timestamp(1_000_000);
        assert_eq!(Timestamp::coerce(ValueRef::Int(1000)), Some(at));
        let text = ValueRef::Text("1970-01-01T00:00:01Z");
        assert_eq!(Timestamp::coerce(text), Some(at));
    }

    #[test]
    fn what_would_lose_something_is_not() {
        assert_eq!(i64::coerce(ValueRef::Float(1.5)), None);
        assert_eq!(i64::coerce(ValueRef::Float(1e300)), None);
        assert_eq!(i64::coerce(ValueRef::Float(f64::NAN)), None);
        assert_eq!(i64::coerce(ValueRef::Decimal("1.01")), None);
        assert_eq!(i32::coerce(ValueRef::Int(1 << 31)), None);
        assert_eq!(f64::coerce(ValueRef::Text("inf")), None);
        assert_eq!(bool::coerce(ValueRef::Int(2)), None);
        assert_eq!(String::coerce(ValueRef::Json("{}")), None);
        assert_eq!(Timestamp::coerce(ValueRef::Int(i64::MAX)), None);
    }

    proptest! {
        #[test]
        fn a_number_comes_back_from_its_text(it in any::<i64>()) {
            let text = Value::from(String::coerce(ValueRef::Int(it)));
            prop_assert_eq!(i64::coerce((&text).into()), Some(it));
        }

        #[test]
        fn a_float_comes_back_from_its_text(it in proptest::num::f64::NORMAL) {
            let text = Value::from(String::coerce(ValueRef::Float(it)));
            prop_assert_eq!(f64::coerce((&text).into()), Some(it));
        }
    }
}
