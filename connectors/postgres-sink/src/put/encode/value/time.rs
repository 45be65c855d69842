//! Dates, times and timestamps: ISO 8601 texts, and Postgres's count from 2000-01-01.

use super::{Misfit, Rules};
use crate::config::{EpochUnit, ExcessDigits, Zone};

const DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
/// Postgres's limits, in days from 1970-01-01: 4713-11-24 BC, and the days after 294276-12-31 and
/// 5874897-12-31.
const MIN_DAY: i64 = -2_440_588;
const END_TIMESTAMP_DAY: i64 = 106_762_940;
const END_DAY: i64 = 2_145_042_906;

/// An end of time: Postgres has two that lie beyond all dates and timestamps (manual, "Special
/// Values" of date/time types), and gives them back as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Infinity {
    Negative,
    Positive,
}

impl Infinity {
    /// What Debezium sends as a number: the milliseconds of `PGStatement.DATE_POSITIVE_INFINITY`
    /// and `DATE_NEGATIVE_INFINITY`, whatever the unit of the type, or a thousandth of them where
    /// they were taken for microseconds; and the ends of Java's types.
    const NUMBERS: [(Self, [i64; 3]); 2] = [
        (
            Self::Positive,
            [9_223_372_036_825_200_000, 9_223_372_036_825_200, i64::MAX],
        ),
        (
            Self::Negative,
            [-9_223_372_036_832_400_000, -9_223_372_036_832_400, i64::MIN],
        ),
    ];

    /// `infinity` or `-infinity`, as Postgres and Debezium's types write them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // All other dates and times begin with a digit, or with a sign and one.
        let (sign, word) = match text.as_bytes().first()? {
            b'-' => (Self::Negative, &text[1..]),
            b'+' => (Self::Positive, &text[1..]),
            b'i' | b'I' => (Self::Positive, text),
            _ => return None,
        };
        word.eq_ignore_ascii_case("infinity").then_some(sign)
    }

    /// The end of time that a count of one of Debezium's types without a zone stands for.
    pub(super) fn of_count(number: i64, unit: EpochUnit) -> Option<Self> {
        if unit == EpochUnit::Days {
            return match i32::try_from(number) {
                Ok(i32::MAX) => Some(Self::Positive),
                Ok(i32::MIN) => Some(Self::Negative),
                _ => None,
            };
        }
        let mut ends = Self::NUMBERS.iter();
        let found = ends.find(|(_, numbers)| numbers.contains(&number));
        found.map(|(end, _)| *end)
    }

    /// The binary form of a timestamp, with or without a time zone.
    pub(super) fn timestamp(self) -> [u8; 8] {
        match self {
            Self::Negative => i64::MIN.to_be_bytes(),
            Self::Positive => i64::MAX.to_be_bytes(),
        }
    }

    /// The binary form of a date.
    pub(super) fn date(self) -> [u8; 4] {
        match self {
            Self::Negative => i32::MIN.to_be_bytes(),
            Self::Positive => i32::MAX.to_be_bytes(),
        }
    }
}

/// Microseconds since 2000, from microseconds since 1970. Postgres takes the smallest and the
/// greatest number for infinities; both are out of range here.
pub(super) fn timestamp(micros: i64) -> Result<i64, Misfit> {
    let days = micros.div_euclid(DAY);
    if !(MIN_DAY..END_TIMESTAMP_DAY).contains(&days) {
        return Err(out_of_range());
    }
    micros
        .checked_sub(EPOCH_DAYS * DAY)
        .ok_or_else(out_of_range)
}

/// Microseconds, from a count of some unit.
pub(super) fn micros(number: i64, unit: EpochUnit, rules: Rules) -> Result<i64, Misfit> {
    let micros = match unit {
        EpochUnit::Days => DAY,
        EpochUnit::Seconds => 1_000_000,
        EpochUnit::Milliseconds => 1_000,
        EpochUnit::Microseconds => 1,
        EpochUnit::Nanoseconds => return Ok(cut(number, 1_000, rules)?.div_euclid(1_000)),
    };
    number.checked_mul(micros).ok_or_else(out_of_range)
}

/// The microseconds with so many digits of a second: Postgres would round the others silently.
pub(super) fn precise(micros: i64, digits: u8, rules: Rules) -> Result<i64, Misfit> {
    if digits >= 6 {
        return Ok(micros);
    }
    cut(micros, 10_i64.pow(6 - u32::from(digits)), rules)
}

fn cut(number: i64, unit: i64, rules: Rules) -> Result<i64, Misfit> {
    let excess = number.rem_euclid(unit);
    if excess != 0 && rules.excess_digits == ExcessDigits::Error {
        return Err(excess_digits());
    }
    // The smallest numbers have no multiple of the unit below them.
    number.checked_sub(excess).ok_or_else(out_of_range)
}

/// Millionths, from the digits after a point.
pub(super) fn digits_cut(digits: &[u8], rules: Rules) -> Result<i64, Misfit> {
    let (kept, excess) = digits.split_at(digits.len().min(6));
    if excess.iter().any(|&digit| digit != b'0') && rules.excess_digits == ExcessDigits::Error {
        return Err(excess_digits());
    }
    let micros = (0..6).map(|place| kept.get(place).map_or(0, |digit| i64::from(digit - b'0')));
    Ok(micros.fold(0, |micros, digit| micros * 10 + digit))
}

fn excess_digits() -> Misfit {
    Misfit::new(
        "cannot hold all digits of a second: timestamp.excess.digits=truncate cuts them off",
    )
}

/// Days from microseconds, both since 1970. A time of the day would be lost silently.
pub(super) fn midnight(micros: i64, zone: Option<Zone>) -> Result<i64, Misfit> {
    let micros = shown(micros, zone)?;
    if micros.rem_euclid(DAY) != 0 {
        return Err(Misfit::new(match zone {
            None => "cannot take a count that is not midnight in UTC",
            Some(_) => "cannot take a count that is not midnight in the time zone of dates",
        }));
    }
    Ok(micros.div_euclid(DAY))
}

/// What clocks of the zone show at a point in time, as if it were UTC.
pub(super) fn shown(micros: i64, zone: Option<Zone>) -> Result<i64, Misfit> {
    let Some(zone) = zone else {
        return Ok(micros);
    };
    let ahead = zone.offset(micros.div_euclid(1_000_000)) * 1_000_000;
    micros.checked_add(ahead).ok_or_else(out_of_range)
}

/// The date that the zone has at a midnight of UTC: west of Greenwich the day before.
pub(super) fn shown_date(days: i64, zone: Option<Zone>) -> i64 {
    let Some(zone) = zone else {
        return days;
    };
    let seconds = days * 86_400;
    (seconds + zone.offset(seconds)).div_euclid(86_400)
}

/// What clocks of the zone showed at a time of 1970-01-01 in UTC.
pub(super) fn shown_time(micros: i64, zone: Option<Zone>) -> Result<i64, Misfit> {
    match zone {
        None => Ok(micros),
        Some(_) => Ok(shown(time(micros)?, zone)?.rem_euclid(DAY)),
    }
}

/// Days since 2000, from days since 1970.
pub(super) fn date(days: i64) -> Result<i32, Misfit> {
    if !(MIN_DAY..END_DAY).contains(&days) {
        return Err(out_of_range());
    }
    i32::try_from(days - EPOCH_DAYS).map_err(|_| out_of_range())
}

/// Microseconds since midnight; Postgres has a 24:00.
pub(super) fn time(micros: i64) -> Result<i64, Misfit> {
    if !(0..=DAY).contains(&micros) {
        return Err(Misfit::new("cannot take a time of more than a day"));
    }
    Ok(micros)
}

pub(super) fn out_of_range() -> Misfit {
    Misfit::new("cannot hold a date that far away")
}

/// A time of the day and its zone, which Postgres counts west of UTC.
pub(super) fn timetz(micros: i64, east: i32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&micros.to_be_bytes());
    bytes[8..].copy_from_slice(&(-east).to_be_bytes());
    bytes
}

/// A date and a time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Microseconds since 1970, as if it were UTC where no offset is given.
    pub micros: i64,
    /// Whether its offset from UTC is known.
    pub is_point_in_time: bool,
}

/// Reads `2024-02-29T12:34:56.789+02:00`: a blank may stand for the T, and seconds, fraction and
/// offset may be left out.
pub(super) fn parse_timestamp(text: &str, rules: Rules) -> Result<Moment, Misfit> {
    let mut rest = Cursor::new(text);
    let parsed = rest.timestamp();
    rest.checked(parsed, rules, "timestamp")
}

/// Days since 1970 of `2024-02-29`; a Z may follow.
pub(super) fn parse_date(text: &str) -> Result<i64, Misfit> {
    let mut rest = Cursor::new(text);
    let parsed = rest.date().filter(|_| rest.utc());
    rest.checked(parsed, Rules::default(), "date")
}

/// Microseconds since midnight of `12:34:56.789`; a Z may follow.
pub(super) fn parse_time(text: &str, rules: Rules) -> Result<i64, Misfit> {
    let mut rest = Cursor::new(text);
    let parsed = rest.time().filter(|_| rest.utc());
    rest.checked(parsed, rules, "time")
}

/// Microseconds since midnight and seconds east of UTC of `12:34:56.789+02:00`.
pub(super) fn parse_timetz(text: &str, rules: Rules) -> Result<(i64, i32), Misfit> {
    let mut rest = Cursor::new(text);
    let parsed = rest.time().zip(rest.offset());
    let parsed = parsed.filter(|_| rest.is_empty());
    let (micros, east) = rest.checked(parsed, rules, "time")?;
    Ok((micros, i32::try_from(east).map_err(|_| out_of_range())?))
}

struct Cursor<'a> {
    rest: &'a [u8],
    /// Digits beyond microseconds.
    excess: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.as_bytes(),
            excess: &[],
        }
    }

    fn checked<T>(&self, parsed: Option<T>, rules: Rules, what: &str) -> Result<T, Misfit> {
        let parsed = parsed.ok_or_else(|| {
            Misfit::new(format!("cannot take a text that is not an ISO 8601 {what}"))
        })?;
        if rules.excess_digits == ExcessDigits::Error
            && self.excess.iter().any(|&digit| digit != b'0')
        {
            return Err(excess_digits());
        }
        Ok(parsed)
    }

    /// Whether nothing is left, or only the mark of UTC.
    fn utc(&mut self) -> bool {
        self.any_of(b"Zz");
        self.is_empty()
    }

    fn timestamp(&mut self) -> Option<Moment> {
        let days = self.date()?;
        if self.is_empty() {
            return Some(Moment {
                micros: days.checked_mul(DAY)?,
                is_point_in_time: false,
            });
        }
        self.any_of(b"Tt ")?;
        let micros = self.time()?;
        let is_point_in_time = !self.is_empty();
        let offset = self.offset()?;
        self.is_empty().then_some(())?;
        let seconds = micros.checked_sub(offset * 1_000_000)?;
        Some(Moment {
            micros: days.checked_mul(DAY)?.checked_add(seconds)?,
            is_point_in_time,
        })
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn any_of<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        bytes.contains(&first).then(|| {
            self.rest = rest;
            first
        })
    }

    /// A number of so many digits.
    fn fixed<const N: usize>(&mut self) -> Option<i64> {
        let digits: &[u8; N] = self.rest.first_chunk()?;
        let mut number = 0;
        for byte in digits {
            number = number * 10 + i64::from(byte.wrapping_sub(b'0'));
        }
        digits.iter().all(u8::is_ascii_digit).then(|| {
            self.rest = &self.rest[N..];
            number
        })
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let mut number = 0;
        for &byte in self.rest.get(..digits)? {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i64::from(byte - b'0');
        }
        self.rest = &self.rest[digits..];
        Some(number)
    }

    /// ISO 8601's years of more than four digits carry a sign.
    fn date(&mut self) -> Option<i64> {
        let year = match self.any_of(b"+-") {
            None => self.fixed::<4>()?,
            Some(sign) => {
                let digits = self.digits();
                if !(4..=7).contains(&digits) {
                    return None;
                }
                let year = self.number(digits)?;
                if sign == b'-' { -year } else { year }
            }
        };
        self.any_of(b"-")?;
        let month = self.fixed::<2>()?;
        self.any_of(b"-")?;
        let day = self.fixed::<2>()?;
        let exists = (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
        exists.then(|| days(year, month, day))
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.fixed::<2>()?;
        self.any_of(b":")?;
        let minute = self.fixed::<2>()?;
        let mut second = 0;
        let mut micros = 0;
        if self.any_of(b":").is_some() {
            second = self.fixed::<2>()?;
            if self.any_of(b".,").is_some() {
                micros = self.fraction()?;
            }
        }
        // As in Postgres, a leap second is the first of the next minute.
        let exists = hour < 24 && minute < 60 && second <= 60;
        let ends_day = (hour, minute, second, micros) == (24, 0, 0, 0);
        (exists || ends_day).then(|| ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
    }

    fn digits(&self) -> usize {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        digits.count()
    }

    fn fraction(&mut self) -> Option<i64> {
        let digits = self.digits();
        let kept = digits.min(6);
        let micros = self.number(kept).filter(|_| digits > 0)?;
        (self.excess, self.rest) = self.rest.split_at(digits - kept);
        Some(micros * 10_i64.pow(6 - u32::try_from(kept).ok()?))
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.is_empty() || self.any_of(b"Zz").is_some() {
            return Some(0);
        }
        let sign = if self.any_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.fixed::<2>()?;
        let colon = self.any_of(b":").is_some();
        let minutes = if colon || !self.is_empty() {
            self.fixed::<2>()?
        } else {
            0
        };
        // Offsets from before the time zones may have seconds.
        let seconds = match self.any_of(b":") {
            Some(_) => self.fixed::<2>()?,
            None => 0,
        };
        let exists = hours < 16 && minutes < 60 && seconds < 60;
        exists.then_some(sign * ((hours * 60 + minutes) * 60 + seconds))
    }
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's days_from_civil: years start in March, in cycles of 400.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
