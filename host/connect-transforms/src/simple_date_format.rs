//! `java.text.SimpleDateFormat` patterns in UTC and English, as Kafka Connect's users write them.

use std::fmt::Write as _;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From the first day of 1970 on.
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// A pattern that formats and parses.
///
/// Parsing is lenient, as Java's: a 13th month is January of the next year, and text after the
/// pattern's end is left alone. Three things differ. Years of two digits are those from 1950 to
/// 2049, where Java goes by its clock. Numbers have no sign. A fraction of more than three digits
/// is refused: Java takes `.123456` for 123456 milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct SimpleDateFormat(Vec<Element>);

#[derive(Clone, Debug, PartialEq)]
enum Element {
    Literal(char),
    /// A letter, how often it stands there, and whether a number follows at once.
    Field(char, usize, bool),
}

impl Element {
    fn is_number(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Field('M', count, _) => *count <= 2,
            Self::Field(letter, ..) => "yYdHhkKmsS".contains(*letter),
        }
    }
}

/// What a text held, field by field.
struct Parsed {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    half: Option<i64>,
    twelve: bool,
    minute: i64,
    second: i64,
    milli: i64,
    zone: i64,
}

impl SimpleDateFormat {
    /// The pattern's meaning, or what is wrong with it.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let mut elements = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.next_if_eq(&'\'').is_some() => elements.push(Element::Literal('\'')),
                '\'' => loop {
                    match chars.next() {
                        None => return Err("Unterminated quote".into()),
                        Some('\'') if chars.next_if_eq(&'\'').is_none() => break,
                        Some(c) => elements.push(Element::Literal(c)),
                    }
                },
                c if c.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if !"yMdHhkKmsSazZXE".contains(c) {
                        return Err(format!("pattern letter '{c}' is not supported"));
                    }
                    if c == 'X' && count > 3 {
                        return Err(format!("invalid ISO 8601 format: length={count}"));
                    }
                    if count > 19 {
                        return Err(format!("pattern letter '{c}' stands there too often"));
                    }
                    elements.push(Element::Field(c, count, false));
                }
                c => elements.push(Element::Literal(c)),
            }
        }
        for i in 1..elements.len() {
            let number = elements[i].is_number();
            if let Element::Field(.., followed) = &mut elements[i - 1] {
                *followed = number;
            }
        }
        Ok(Self(elements))
    }

    /// The text for milliseconds since the epoch.
    pub(crate) fn format(&self, millis: i64) -> String {
        let mut out = String::with_capacity(32);
        let days = millis.div_euclid(DAY);
        let (year, month, day) = civil(days);
        // Java counts years within their era.
        let year = if year > 0 { year } else { 1 - year };
        let of_day = millis.rem_euclid(DAY);
        let hour = of_day / 3_600_000;
        for element in &self.0 {
            let (letter, count) = match element {
                Element::Literal(c) => {
                    out.push(*c);
                    continue;
                }
                Element::Field(letter, count, _) => (*letter, *count),
            };
            let number = match letter {
                'y' if count == 2 => year % 100,
                'y' => year,
                'M' if count <= 2 => month,
                'd' => day,
                'H' => hour,
                'k' => (hour + 23) % 24 + 1,
                'K' => hour % 12,
                'h' => (hour + 11) % 12 + 1,
                'm' => of_day / 60_000 % 60,
                's' => of_day / 1000 % 60,
                'S' => of_day % 1000,
                _ => {
                    out.push_str(word(letter, count, (days, month, hour)));
                    continue;
                }
            };
            // Writing to a String never fails.
            let _ = write!(out, "{number:0count$}");
        }
        out
    }

    /// The milliseconds since the epoch that a text means, if it matches.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        let mut rest = text;
        let mut parsed = Parsed {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            half: None,
            twelve: false,
            minute: 0,
            second: 0,
            milli: 0,
            zone: 0,
        };
        for element in &self.0 {
            match element {
                Element::Literal(c) => rest = rest.strip_prefix(*c)?,
                Element::Field(letter, count, followed) => {
                    rest = rest.trim_start_matches([' ', '\t']);
                    if element.is_number() {
                        let (digits, number);
                        (digits, number, rest) = self::number(rest, followed.then_some(*count))?;
                        parsed.set(*letter, *count, digits, number)?;
                    } else {
                        rest = parsed.read(*letter, *count, rest)?;
                    }
                }
            }
        }
        parsed.millis()
    }
}

fn word(letter: char, count: usize, (days, month, hour): (i64, i64, i64)) -> &'static str {
    let name = match letter {
        'M' => MONTHS[(month - 1) as usize % 12],
        'E' => DAYS[days.rem_euclid(7) as usize],
        'a' if hour < 12 => return "AM",
        'a' => return "PM",
        'z' if count >= 4 => return "Coordinated Universal Time",
        'z' => return "UTC",
        'Z' => return "+0000",
        _ => return "Z",
    };
    if count >= 4 { name } else { &name[..3] }
}

/// The digits at the start: how many, their number, and what follows.
fn number(text: &str, exactly: Option<usize>) -> Option<(usize, i64, &str)> {
    let all = text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = match exactly {
        Some(count) if all < count => return None,
        Some(count) => count,
        None => all,
    };
    Some((digits, text[..digits].parse().ok()?, &text[digits..]))
}

/// Takes the first of the words that the text starts with, in any case.
fn strip<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

fn name<'a>(names: &[&str], text: &'a str) -> Option<(usize, &'a str)> {
    let full = names.iter().map(|n| strip(text, n));
    let short = names.iter().map(|n| strip(text, &n[..3]));
    full.enumerate()
        .chain(short.enumerate())
        .find_map(|(i, rest)| Some((i, rest?)))
}

/// The offset of a zone in milliseconds, and what follows.
fn zone(letter: char, count: usize, text: &str) -> Option<(i64, &str)> {
    let mut rest = text;
    let mut colon = letter == 'X' && count == 3;
    if letter == 'X' {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some((0, rest));
        }
    } else if let Some(after) = ["Coordinated Universal Time", "UTC", "GMT", "UT"]
        .iter()
        .find_map(|name| strip(text, name))
    {
        if !after.starts_with(['+', '-']) {
            return Some((0, after));
        }
        rest = after;
        colon = true;
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (_, hours, mut rest) = number(&rest[1..], Some(2))?;
    let mut minutes = 0;
    if letter != 'X' || count > 1 {
        if colon {
            rest = rest.strip_prefix(':')?;
        }
        (_, minutes, rest) = number(rest, Some(2))?;
    }
    (hours < 24 && minutes < 60).then(|| (sign * (hours * 60 + minutes) * 60_000, rest))
}

impl Parsed {
    fn set(&mut self, letter: char, count: usize, digits: usize, number: i64) -> Option<()> {
        match letter {
            'y' if count <= 2 && digits == 2 => {
                self.year = number + if number < 50 { 2000 } else { 1900 };
            }
            'y' => self.year = number,
            'M' => self.month = number,
            'd' => self.day = number,
            'H' => (self.hour, self.twelve) = (number, false),
            'k' => (self.hour, self.twelve) = (if number == 24 { 0 } else { number }, false),
            'h' => (self.hour, self.twelve) = (if number == 12 { 0 } else { number }, true),
            'K' => (self.hour, self.twelve) = (number, true),
            'm' => self.minute = number,
            's' => self.second = number,
            _ if number > 999 => return None,
            _ => self.milli = number,
        }
        Some(())
    }

    fn read<'a>(&mut self, letter: char, count: usize, text: &'a str) -> Option<&'a str> {
        let (at, rest) = match letter {
            'M' => name(&MONTHS, text)?,
            // The day of the month says it; Java does not compare the two either.
            'E' => return Some(name(&DAYS, text)?.1),
            'a' => {
                let am = strip(text, "AM");
                self.half = Some(if am.is_some() { 0 } else { 12 });
                return am.or_else(|| strip(text, "PM"));
            }
            _ => {
                let rest;
                (self.zone, rest) = zone(letter, count, text)?;
                return Some(rest);
            }
        };
        self.month = at as i64 + 1;
        Some(rest)
    }

    fn millis(&self) -> Option<i64> {
        // Any larger number overflows below; here it could do so before it is checked.
        let limit = 1_000_000_000_000;
        let all = [
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
        ];
        if all.iter().any(|n| *n > limit) {
            return None;
        }
        let year = self.year + (self.month - 1).div_euclid(12);
        let month = (self.month - 1).rem_euclid(12) + 1;
        let days = days(year, month, self.day);
        let half = if self.twelve {
            self.half.unwrap_or(0)
        } else {
            0
        };
        let seconds = ((self.hour + half) * 60 + self.minute) * 60 + self.second;
        let of_day = seconds
            .checked_mul(1000)?
            .checked_add(self.milli - self.zone)?;
        days.checked_mul(DAY)?.checked_add(of_day)
    }
}

/// Year, month and day of a day since the epoch (Howard Hinnant's civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// The inverse; the day may lie beyond its month.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468 + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2024-01-15T13:05:09.042Z, a Monday.
    const MOMENT: i64 = 1_705_323_909_042;

    #[test]
    fn formats_as_java_does() {
        for (pattern, expect) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2024-01-15T13:05:09.042Z"),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "2024-01-15T13:05:09Z"),
            (
                "EEE, d MMM yyyy hh:mm:ss a z",
                "Mon, 15 Jan 2024 01:05:09 PM UTC",
            ),
            ("EEEE MMMM yy H K k Z", "Monday January 24 13 1 13 +0000"),
            ("yyyyMMddHHmmss", "20240115130509"),
            ("ss.SSSSSS", "09.000042"),
            ("h 'o''clock' ''", "1 o'clock '"),
        ] {
            assert_eq!(
                SimpleDateFormat::new(pattern).unwrap().format(MOMENT),
                expect,
                "{pattern}"
            );
        }
    }

    #[test]
    fn parses_as_java_does() {
        let day = 1_705_276_800_000;
        for (pattern, text, expect) in [
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
                "2024-01-15T13:05:09.042Z",
                Some(MOMENT),
            ),
            (
                "yyyy-MM-dd HH:mm:ss z",
                "2024-01-15 14:05:09 GMT+01:00",
                Some(MOMENT - 42),
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ssXXX",
                "2024-01-15T15:05:09+02:00",
                Some(MOMENT - 42),
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ssZ",
                "2024-01-15T08:05:09-0500",
                Some(MOMENT - 42),
            ),
            ("d MMM yyyy hh:mm a", "15 january 2024 12:00 am", Some(day)),
            ("EEE d MMM yy", "Mon 15 Jan 24", Some(day)),
            ("yyyyMMdd", "20240115", Some(day)),
            ("yyyy-MM-dd", "2023-13-15", Some(day)),
            ("yyyy-MM-dd", "2024-01-15T10:00", Some(day)),
            ("yyyy-MM-dd", "2024-01", None),
            ("yyyy-MM-dd", "2024/01/15", None),
            ("yyyy-MM-dd", "", None),
            ("HH:mm", "01:30", Some(5_400_000)),
            ("ss.SSSSSS", "01.123456", None),
            ("yyyy", "99999999999999999999", None),
            ("yyyy", "999999999999", None),
        ] {
            let format = SimpleDateFormat::new(pattern).unwrap();
            assert_eq!(format.parse(text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn a_bad_pattern_is_named() {
        for (pattern, expect) in [
            ("yyyy-ww", "pattern letter 'w' is not supported"),
            ("YYYY", "pattern letter 'Y' is not supported"),
            ("'T", "Unterminated quote"),
            ("XXXX", "invalid ISO 8601 format: length=4"),
        ] {
            assert_eq!(SimpleDateFormat::new(pattern).unwrap_err(), expect);
        }
    }

    proptest! {
        #[test]
        fn what_is_formatted_parses_back(millis in -62_135_596_800_000..253_402_300_800_000i64) {
            for pattern in [
                "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                "yyyyMMddHHmmssSSS",
                "EEE d MMMM yyyy hh:mm:ss.S a z",
                "kk:mm:ss.SSS MM/dd/yyyy Z",
            ] {
                let format = SimpleDateFormat::new(pattern).unwrap();
                prop_assert_eq!(format.parse(&format.format(millis)), Some(millis), "{}", pattern);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(
            pattern in "[yMdHhkKmsSazZXE' :+-]{0,12}",
            text in ".{0,24}",
        ) {
            if let Ok(format) = SimpleDateFormat::new(&pattern) {
                let _ = format.parse(&text);
                let _ = format.parse("99999999999 99999999999 9999999999");
            }
        }

        #[test]
        fn any_moment_is_formatted(millis: i64) {
            let format = SimpleDateFormat::new("yyyy MMMM EEE HH:mm:ss.SSS").unwrap();
            prop_assert!(!format.format(millis).is_empty());
        }
    }
}
