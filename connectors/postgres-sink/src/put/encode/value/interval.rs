//! Intervals: ISO 8601 durations, and counts.

use super::time::{self, digits_cut};
use super::{Misfit, Rules};

/// An interval as Postgres has it, in three parts: neither a month nor a day has a fixed length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    micros: i64,
    days: i32,
    months: i32,
}

impl Interval {
    pub fn of_micros(micros: i64) -> Self {
        Self {
            micros,
            ..Self::default()
        }
    }

    /// The same with so many digits of a second.
    pub fn precise(self, digits: u8, rules: Rules) -> Result<Self, Misfit> {
        Ok(Self {
            micros: time::precise(self.micros, digits, rules)?,
            ..self
        })
    }

    /// The binary form. Postgres 17 takes the extremes of all parts for infinities.
    pub fn to_bytes(self) -> Result<[u8; 16], Misfit> {
        let extremes = [
            (i64::MAX, i32::MAX, i32::MAX),
            (i64::MIN, i32::MIN, i32::MIN),
        ];
        if extremes.contains(&(self.micros, self.days, self.months)) {
            return Err(out_of_range());
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.micros.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.days.to_be_bytes());
        bytes[12..].copy_from_slice(&self.months.to_be_bytes());
        Ok(bytes)
    }
}

fn out_of_range() -> Misfit {
    Misfit::new("cannot hold a duration of that length")
}

fn malformed() -> Misfit {
    Misfit::new("cannot take a text that is not an ISO 8601 duration")
}

/// `P1Y2M3W4DT5H6M7.89S`; each number, and the whole, may have a sign.
pub(super) fn parse(text: &str, rules: Rules) -> Result<Interval, Misfit> {
    let (negative, rest) = match text.as_bytes() {
        [b'-', b'P', rest @ ..] => (true, rest),
        [b'P', rest @ ..] | [b'+', b'P', rest @ ..] => (false, rest),
        _ => return Err(malformed()),
    };
    let mut units: &[(u8, Unit)] = &DATE_UNITS;
    let mut rest = rest;
    let mut sum = [0_i128; 3];
    let (mut empty, mut timed) = (true, false);
    while !rest.is_empty() {
        if let ([b'T', after @ ..], false) = (rest, timed) {
            timed = true;
            units = &TIME_UNITS;
            rest = after;
            empty = true;
            continue;
        }
        let (number, after) = number(rest, rules)?;
        let [letter, after @ ..] = after else {
            return Err(malformed());
        };
        let at = units.iter().position(|(unit, _)| unit == letter);
        let (_, unit) = units[at.ok_or_else(malformed)?];
        units = &units[at.unwrap_or_default() + 1..];
        if number.fraction.is_some() && unit != Unit::Second {
            return Err(Misfit::new(
                "cannot take a fraction of anything but a second",
            ));
        }
        unit.add(&number, &mut sum).ok_or_else(out_of_range)?;
        rest = after;
        empty = false;
    }
    if empty {
        return Err(malformed());
    }
    let sum = if negative { sum.map(|part| -part) } else { sum };
    Ok(Interval {
        months: i32::try_from(sum[0]).map_err(|_| out_of_range())?,
        days: i32::try_from(sum[1]).map_err(|_| out_of_range())?,
        micros: i64::try_from(sum[2]).map_err(|_| out_of_range())?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

const DATE_UNITS: [(u8, Unit); 4] = [
    (b'Y', Unit::Year),
    (b'M', Unit::Month),
    (b'W', Unit::Week),
    (b'D', Unit::Day),
];
const TIME_UNITS: [(u8, Unit); 3] = [
    (b'H', Unit::Hour),
    (b'M', Unit::Minute),
    (b'S', Unit::Second),
];

impl Unit {
    /// Adds to months, days and microseconds.
    fn add(self, number: &Number, sum: &mut [i128; 3]) -> Option<()> {
        let (part, of) = match self {
            Self::Year => (0, 12),
            Self::Month => (0, 1),
            Self::Week => (1, 7),
            Self::Day => (1, 1),
            Self::Hour => (2, 3_600_000_000),
            Self::Minute => (2, 60_000_000),
            Self::Second => (2, 1_000_000),
        };
        let added = i128::from(number.whole).checked_mul(of)?;
        let added = added.checked_add(number.fraction.unwrap_or(0).into())?;
        sum[part] += if number.negative { -added } else { added };
        Some(())
    }
}

struct Number {
    negative: bool,
    whole: u64,
    /// In millionths.
    fraction: Option<i64>,
}

fn number(text: &[u8], rules: Rules) -> Result<(Number, &[u8]), Misfit> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (whole, mut rest) = digits(text);
    let whole = std::str::from_utf8(whole).map_err(|_| malformed())?;
    if whole.is_empty() {
        return Err(malformed());
    }
    let whole = whole.parse().map_err(|_| out_of_range())?;
    let mut fraction = None;
    if let [b'.' | b',', after @ ..] = rest {
        let (found, after) = digits(after);
        if found.is_empty() {
            return Err(malformed());
        }
        fraction = Some(digits_cut(found, rules)?);
        rest = after;
    }
    let number = Number {
        negative,
        whole,
        fraction,
    };
    Ok((number, rest))
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(i32, i32, i64)> {
        let interval = parse(text, Rules::default()).ok()?;
        Some((interval.months, interval.days, interval.micros))
    }

    #[test]
    fn durations_are_read() {
        for (text, expect) in [
            ("P1Y2M3DT4H5M6.789S", (14, 3, 14_706_789_000)),
            ("P0D", (0, 0, 0)),
            ("PT0S", (0, 0, 0)),
            ("P-1Y", (-12, 0, 0)),
            ("-P1M2D", (-1, -2, 0)),
            ("P2W", (0, 14, 0)),
            ("PT-0.5S", (0, 0, -500_000)),
            ("PT2562047788H", (0, 0, 9_223_372_036_800_000_000)),
        ] {
            assert_eq!(parsed(text), Some(expect), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1S",
            "PT1D",
            "P1M1Y",
            "1Y",
            "P1YT",
            "PT1ST1H",
            "P1.5Y",
            "PT1.S",
            "PTT1S",
            "P99999999999Y",
            "PT2562047789H",
            "PT0.0000001S",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
