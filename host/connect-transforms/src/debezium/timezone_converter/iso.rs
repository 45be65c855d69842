//! ISO 8601 texts with an offset, as Java's `ISO_OFFSET_DATE_TIME` and `ISO_OFFSET_TIME` read and
//! write them.

use std::fmt;

use connect_api::Day;

pub(super) const DAY: i64 = 86_400;

/// A date and time with an offset, or a time alone: then it is of the first day of 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OffsetTime {
    /// Seconds since 1970 that the clock shows.
    pub shown: i64,
    pub nanos: u32,
    /// Seconds that the clock is ahead of UTC.
    pub offset: i64,
}

/// Takes a text apart from its start.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn next_is(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(&byte) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<(usize, i64)> {
        let count = self.0.iter().take(most).take_while(|b| b.is_ascii_digit());
        let count = count.count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let number = digits
            .iter()
            .fold(0, |all, digit| all * 10 + i64::from(digit - b'0'));
        Some((count, number))
    }

    /// Two digits of at most so much.
    fn two(&mut self, most: i64) -> Option<i64> {
        let (_, number) = self.digits(2, 2)?;
        (number <= most).then_some(number)
    }

    /// Days since 1970 of `YYYY-MM-DD`.
    fn date(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => 0,
        };
        if sign != 0 {
            self.0 = &self.0[1..];
        }
        // A year of more digits has a sign.
        let (count, year) = self.digits(4, if sign == 0 { 4 } else { 9 })?;
        if sign > 0 && count == 4 || sign < 0 && year == 0 {
            return None;
        }
        let year = if sign < 0 { -year } else { year };
        let month = self.next_is(b'-').then(|| self.two(12))??;
        let day = self.next_is(b'-').then(|| self.two(31))??;
        Day { year, month, day }.since_epoch()
    }

    /// Seconds of the day, and nanoseconds.
    fn time(&mut self) -> Option<(i64, u32)> {
        let hour = self.two(23)?;
        let minute = self.next_is(b':').then(|| self.two(59))??;
        let mut second = 0;
        let mut nanos = 0;
        if self.next_is(b':') {
            second = self.two(59)?;
            if self.next_is(b'.') {
                let (count, number) = self.digits(0, 9)?;
                let missing = u32::try_from(9 - count).ok()?;
                nanos = u32::try_from(number * 10_i64.pow(missing)).ok()?;
            }
        }
        Some(((hour * 60 + minute) * 60 + second, nanos))
    }

    /// `Z`, `+hh`, `+hh:mm` or `+hh:mm:ss`, at the end.
    fn offset(&mut self) -> Option<i64> {
        if self.next_is(b'Z') {
            return self.0.is_empty().then_some(0);
        }
        let sign = match self.0.split_first()? {
            (b'+', _) => 1,
            (b'-', _) => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        let mut seconds = self.two(18)? * 3600;
        if self.next_is(b':') {
            seconds += self.two(59)? * 60;
            if self.next_is(b':') {
                seconds += self.two(59)?;
            }
        }
        (self.0.is_empty() && seconds <= 18 * 3600).then_some(sign * seconds)
    }
}

impl OffsetTime {
    /// A date and a time with an offset.
    pub(super) fn date_time(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let days = reader.date()?;
        let (seconds, nanos) = reader.next_is(b'T').then(|| reader.time())??;
        Some(Self {
            shown: days * DAY + seconds,
            nanos,
            offset: reader.offset()?,
        })
    }

    /// A time with an offset.
    pub(super) fn time(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let (shown, nanos) = reader.time()?;
        Some(Self {
            shown,
            nanos,
            offset: reader.offset()?,
        })
    }

    /// The same moment at another offset.
    pub(super) fn at(self, offset: i64) -> Self {
        Self {
            shown: self.shown - self.offset + offset,
            offset,
            ..self
        }
    }

    /// Its text with the date.
    pub(super) fn to_date_time(self) -> String {
        let Day { year, month, day } = Day::after_epoch(self.shown.div_euclid(DAY));
        let time = Clock(self);
        match year {
            0..=9999 => format!("{year:04}-{month:02}-{day:02}T{time}"),
            ..0 => format!("{year:05}-{month:02}-{day:02}T{time}"),
            _ => format!("+{year}-{month:02}-{day:02}T{time}"),
        }
    }

    /// Its text without the date.
    pub(super) fn to_time(self) -> String {
        Clock(self).to_string()
    }
}

/// The time of the day and the offset.
struct Clock(OffsetTime);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.shown.rem_euclid(DAY);
        let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{hour:02}:{minute:02}:{:02}", seconds % 60)?;
        if self.0.nanos != 0 {
            let digits = format!("{:09}", self.0.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        let offset = self.0.offset;
        if offset == 0 {
            return f.write_str("Z");
        }
        let sign = if offset < 0 { '-' } else { '+' };
        let seconds = offset.abs();
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        match seconds % 60 {
            0 => Ok(()),
            seconds => write!(f, ":{seconds:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TtZz:.+é-]{0,40}") {
            let _ = OffsetTime::date_time(&text);
            let _ = OffsetTime::time(&text);
        }

        #[test]
        fn what_is_written_is_read_again(
            shown in -400_000_000_000_i64..400_000_000_000,
            nanos in 0..1_000_000_000_u32,
            offset in -64_800..=64_800_i64,
        ) {
            let time = OffsetTime { shown, nanos, offset };
            prop_assert_eq!(OffsetTime::date_time(&time.to_date_time()), Some(time));
            let time = OffsetTime { shown: shown.rem_euclid(DAY), ..time };
            prop_assert_eq!(OffsetTime::time(&time.to_time()), Some(time));
        }
    }
}
