//! Google's and Confluent's own types: dates, times and decimals.

use connect_api::{Decimal, Error, Result, Value};

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
    let is_day = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day);
    if !is_day {
        return Err(wrong());
    }
    i32::try_from(days(year, month, day))
        .map(Value::Date)
        .map_err(|_| wrong())
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

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, by the Gregorian calendar: the year begins in March, so that the leap
/// day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub year: i64,
    pub month: i64,
    pub day: i64,
}

impl Day {
    /// The day so many days after 1970-01-01.
    pub(super) fn after_epoch(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * years + years / 4 - years / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = years + era * 400 + i64::from(month <= 2);
        Self { year, month, day }
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
            let found = Day::after_epoch(expect.into());
            assert_eq!([found.year, found.month, found.day, 0], day);
        }
        for day in -800_000..800_000 {
            let found = Day::after_epoch(day);
            assert_eq!(days(found.year, found.month, found.day), day);
        }
        for wrong in [
            [2001, 2, 29, 0],
            [2020, 0, 1, 0],
            [0, 1, 1, 0],
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
