//! Google's and Confluent's own types: dates, times and decimals.

use connect_api::{Day, Decimal, Error, Result, Value};

use super::decode::Numbers;
use super::plan::Plan;
use crate::json::payload::rescale;

/// Seconds of 0001-01-01 and of 9999-12-31T23:59:59, between which a Timestamp is.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
const DAY: i64 = 86_400;

/// Whether a Date can be of a day, counted from 1970-01-01.
pub(super) fn has_date(days: i64) -> bool {
    (FIRST_SECOND / DAY..=LAST_SECOND / DAY).contains(&days)
}

/// Whether a Timestamp can be of a second, counted from 1970-01-01.
pub(super) fn has_timestamp(seconds: i64) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&seconds)
}

/// `confluent.type.Decimal`: digits, and their scale; rescaled to what the field says.
pub(super) fn decimal(found: &Numbers<'_>, scale: Option<i32>) -> Result<Value> {
    if found.bytes.is_empty() {
        return Err(Error::data("a decimal without digits"));
    }
    // Of 32 bits, as the type has it.
    let own = found.numbers[2] as i32;
    let decimal = Decimal::from_be_bytes(found.bytes, own);
    let decimal = match scale {
        Some(scale) if scale != own => {
            let why = || {
                Error::data(format!(
                    "a decimal with more than {scale} digits of fraction"
                ))
            };
            rescale(decimal, scale).ok_or_else(why)?
        }
        _ => decimal,
    };
    Ok(Value::Decimal(Box::new(decimal)))
}

/// `google.type.Date`. A date without a day or a month is none.
pub(super) fn date(found: &Numbers<'_>) -> Result<Value> {
    let [year, month, day, _] = found.numbers;
    let wrong = || Error::data("a google.type.Date that is no day of the calendar");
    let days = match year {
        1..=9999 => Day { year, month, day }.since_epoch(),
        _ => None,
    };
    let days = days.ok_or_else(wrong)?;
    i32::try_from(days).map(Value::Date).map_err(|_| wrong())
}

/// `google.type.TimeOfDay`.
pub(super) fn time(found: &Numbers<'_>) -> Result<Value> {
    let [hours, minutes, seconds, nanos] = found.numbers;
    let is_time = (0..24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..60).contains(&seconds)
        && (0..1_000_000_000).contains(&nanos);
    if !is_time {
        return Err(Error::data("a google.type.TimeOfDay beyond a day"));
    }
    let seconds = (hours * 60 + minutes) * 60 + seconds;
    Ok(Value::Time(seconds * 1_000_000 + nanos / 1000))
}

/// `google.protobuf.Timestamp`, to the microsecond.
pub(super) fn timestamp(found: &Numbers<'_>) -> Result<Value> {
    let [seconds, nanos, ..] = found.numbers;
    if !has_timestamp(seconds) || !(0..1_000_000_000).contains(&nanos) {
        return Err(Error::data(
            "a google.protobuf.Timestamp beyond the years 1 to 9999",
        ));
    }
    Ok(Value::Timestamp(seconds * 1_000_000 + nanos / 1000))
}

/// What a field stands for that is left out and has no presence.
pub(super) fn zero(plan: &Plan) -> Value {
    match plan {
        Plan::Float | Plan::Double => Value::Float(0.0),
        Plan::Boolean => Value::Boolean(false),
        Plan::String => Value::from(""),
        Plan::Bytes => Value::Bytes(bytes::Bytes::new()),
        Plan::Enum(symbols) => match symbols.by_number.get(&0) {
            Some(symbol) => Value::String(symbol.clone()),
            None => Value::Null,
        },
        plan if plan.is_message() => Value::Null,
        _ => Value::Int(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbers: [i64; 4]) -> Numbers<'static> {
        Numbers {
            numbers,
            ..Numbers::default()
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        for (day, expect) in [
            ([1970, 1, 1, 0], 0),
            ([1969, 12, 31, 0], -1),
            ([2000, 2, 29, 0], 11_016),
            ([1, 1, 1, 0], -719_162),
            ([9999, 12, 31, 0], 2_932_896),
        ] {
            assert_eq!(date(&numbers(day)).unwrap(), Value::Date(expect));
        }
        for wrong in [
            [2001, 2, 29, 0],
            [2020, 0, 1, 0],
            [0, 1, 1, 0],
            [i64::MAX, 1, 1, 0],
            [2020, 1, 0, 0],
        ] {
            assert!(date(&numbers(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_within_their_day() {
        let found = time(&numbers([14, 30, 0, 123_456_789])).unwrap();
        assert_eq!(found, Value::Time(52_200_123_456));
        for wrong in [
            [24, 0, 0, 0],
            [0, 60, 0, 0],
            [0, 0, 60, 0],
            [0, 0, 0, 1_000_000_000],
        ] {
            assert!(time(&numbers(wrong)).is_err(), "{wrong:?}");
        }
        let found = timestamp(&numbers([-1, 999_999_999, 0, 0])).unwrap();
        assert_eq!(found, Value::Timestamp(-1));
        for wrong in [
            [i64::MAX, 0, 0, 0],
            [0, -1, 0, 0],
            [LAST_SECOND + 1, 0, 0, 0],
        ] {
            assert!(timestamp(&numbers(wrong)).is_err(), "{wrong:?}");
        }
    }
}
