//! Timestamps as ISO 8601 writes them.

use crate::Timestamp;

const SECOND: i64 = 1_000_000;

/// Reads `2025-01-06T14:30:00.123456+01:00` and its shorter forms. `T` may be `t` or a blank. The
/// time, the seconds, the fraction and the zone may be missing. The zone is `Z`, or `+` or `-` and
/// `hh`, `hhmm` or `hh:mm`. Without a zone it is UTC. A fraction is cut after microseconds.
///
/// ```
/// use ferrule_plugin::{Timestamp, iso8601};
/// assert_eq!(iso8601::parse("1970-01-01T01:00:01+01:00"), Some(Timestamp(1_000_000)));
/// assert_eq!(iso8601::parse("1970-02-30"), None);
/// ```
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    rest.byte(b'-')?;
    let month = rest.digits(2)?;
    rest.byte(b'-')?;
    let day = rest.digits(2)?;
    let days = days_from_civil(year, month, day)?;
    let mut micros = days * 86_400 * SECOND;
    if !rest.0.is_empty() {
        rest.byte(b'T')
            .or_else(|| rest.byte(b't'))
            .or_else(|| rest.byte(b' '))?;
        micros += rest.time_of_day()?;
        micros -= rest.zone()? * 60 * SECOND;
    }
    rest.0.is_empty().then_some(Timestamp(micros))
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == expected).then(|| self.0 = rest)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.0 = rest;
        Some(number)
    }

    /// Microseconds since midnight.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.digits(2).filter(|hour| *hour < 24)?;
        self.byte(b':')?;
        let minute = self.digits(2).filter(|minute| *minute < 60)?;
        let mut micros = (hour * 60 + minute) * 60 * SECOND;
        if self.byte(b':').is_some() {
            micros += self.digits(2).filter(|second| *second < 60)? * SECOND;
            if self.byte(b'.').or_else(|| self.byte(b',')).is_some() {
                micros += self.fraction()?;
            }
        }
        Some(micros)
    }

    fn fraction(&mut self) -> Option<i64> {
        let mut unit = SECOND / 10;
        let mut micros = self.digits(1)? * unit;
        while let Some(digit) = self.digits(1) {
            unit /= 10;
            micros += digit * unit;
        }
        Some(micros)
    }

    /// Minutes east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.byte(b'Z').or_else(|| self.byte(b'z')).is_some() {
            return Some(0);
        }
        let sign = match self.byte(b'+') {
            Some(()) => 1,
            None => self.byte(b'-').map(|()| -1)?,
        };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        let colon = self.byte(b':').is_some();
        let minutes = match self.digits(2) {
            Some(minutes) => Some(minutes).filter(|minutes| *minutes < 60)?,
            None if colon => return None,
            None => 0,
        };
        Some(sign * (hours * 60 + minutes))
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, from the year 1 on.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    // The year begins in March here, so that the day that comes and goes is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    Some(days - 719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        let cases = [
            ("1970-01-01", 0),
            ("1970-01-01T00:00", 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("2000-02-29T12:00:00Z", 951_825_600_000_000),
            ("2025-01-06T14:30:00Z", 1_736_173_800_000_000),
            ("2025-01-06 14:30:00", 1_736_173_800_000_000),
            ("2025-01-06t14:30:00.5z", 1_736_173_800_500_000),
            ("2025-01-06T14:30:00,123456789", 1_736_173_800_123_456),
            ("2025-01-06T15:30:00+01:00", 1_736_173_800_000_000),
            ("2025-01-06T09:00:00-0530", 1_736_173_800_000_000),
            ("2025-01-06T16:30:00+02", 1_736_173_800_000_000),
        ];
        for (text, micros) in cases {
            assert_eq!(parse(text), Some(Timestamp(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        let cases = [
            "",
            "2025",
            "2025-1-6",
            "2025-13-01",
            "2025-02-29",
            "1900-02-29",
            "0000-01-01",
            "2025-01-06T",
            "2025-01-06T14",
            "2025-01-06T24:00:00Z",
            "2025-01-06T14:60:00Z",
            "2025-01-06T14:30:60Z",
            "2025-01-06T14:30:00.Z",
            "2025-01-06T14:30:00+1",
            "2025-01-06T14:30:00+01:",
            "2025-01-06T14:30:00+24:00",
            "2025-01-06T14:30:00Z ",
            "2025-01-06T14:30:00 UTC",
            "２０２５-01-06",
        ];
        for text in cases {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// Another way from days to a date: counting.
    fn date_of(days: i64) -> (i64, i64, i64) {
        let (mut year, mut left) = (1970, days);
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        while left >= 365 + i64::from(leap(year)) {
            left -= 365 + i64::from(leap(year));
            year += 1;
        }
        let february = 28 + i64::from(leap(year));
        for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            if left < length {
                return (year, month, left + 1);
            }
            left -= length;
        }
        unreachable!("a year has 366 days at most")
    }

    proptest! {
        #[test]
        fn a_time_is_read_as_it_was_written(
            days in 0i64..200_000,
            of_day in 0..86_400 * SECOND,
            zone in -1439i64..1440,
        ) {
            let (year, month, day) = date_of(days);
            let (second, fraction) = (of_day / SECOND, of_day % SECOND);
            let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
            let (sign, ahead) = (if zone < 0 { '-' } else { '+' }, zone.abs());
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}\
                 {sign}{:02}:{:02}",
                ahead / 60,
                ahead % 60,
            );
            let micros = days * 86_400 * SECOND + of_day - zone * 60 * SECOND;
            prop_assert_eq!(parse(&text), Some(Timestamp(micros)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.+ -]{0,30}|.{0,12}") {
            parse(&text);
        }
    }
}
