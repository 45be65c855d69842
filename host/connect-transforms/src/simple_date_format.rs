//! `java.text.SimpleDateFormat` patterns in UTC and English, as Kafka Connect's users write them.

mod zone;

use std::fmt::Write as _;

use zone::zone;

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
/// Weeks are those of Java in English: they begin on a Sunday, and the one that has January 1st is
/// the first.
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
            Self::Field('M' | 'L', count, _) => *count <= 2,
            Self::Field(letter, ..) => "yYwWDdFuHhkKmsS".contains(*letter),
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
                    if !"yYMLwWDdFuGHhkKmsSazZXE".contains(c) {
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

    /// Whether it can be parsed by: what tells a week, or no more than a day of something, does not
    /// tell a date.
    pub(crate) fn is_for_parsing(&self) -> bool {
        let is_partial = |element: &Element| match element {
            Element::Literal(_) => false,
            Element::Field(letter, ..) => "YwWDFuG".contains(*letter),
        };
        !self.0.iter().any(is_partial)
    }

    /// The text for milliseconds since the epoch.
    pub(crate) fn format(&self, millis: i64) -> String {
        let mut out = String::with_capacity(32);
        let days = millis.div_euclid(DAY);
        let (year, month, day) = civil(days);
        let week = Week::of(days);
        let era = if year > 0 { "AD" } else { "BC" };
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
                'M' | 'L' if count <= 2 => month,
                'Y' if count == 2 => week.year.rem_euclid(100),
                'Y' => week.year,
                'w' => week.number,
                'W' => (day + weekday(days - day + 1) - 1) / 7 + 1,
                'D' => days - self::days(civil(days).0, 1, 1) + 1,
                'F' => (day - 1) / 7 + 1,
                'u' => (weekday(days) + 6) % 7 + 1,
                'G' => {
                    out.push_str(era);
                    continue;
                }
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
        if !self.is_for_parsing() {
            return None;
        }
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
        'M' | 'L' => MONTHS[(month - 1) as usize % 12],
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

impl Parsed {
    fn set(&mut self, letter: char, count: usize, digits: usize, number: i64) -> Option<()> {
        match letter {
            'y' if count <= 2 && digits == 2 => {
                self.year = number + if number < 50 { 2000 } else { 1900 };
            }
            'y' => self.year = number,
            'M' | 'L' => self.month = number,
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
            'M' | 'L' => name(&MONTHS, text)?,
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

/// Days since the Sunday that is the day or was before it.
fn weekday(days: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (days + 4).rem_euclid(7)
}

/// A week, and the year that it is counted in.
struct Week {
    year: i64,
    number: i64,
}

impl Week {
    /// That of a day. Its year is the one in which its Saturday is.
    fn of(day: i64) -> Self {
        let sunday = day - weekday(day);
        let year = civil(sunday + 6).0;
        let first = days(year, 1, 1);
        let number = (sunday - (first - weekday(first))) / 7 + 1;
        Self { year, number }
    }
}

/// The inverse; the day may lie beyond its month.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468 + day - 1
}

#[cfg(test)]
mod tests;
