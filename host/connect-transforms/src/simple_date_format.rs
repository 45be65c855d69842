//! `java.text.SimpleDateFormat` patterns in UTC and English, as Kafka Connect's users write them.

mod fields;
mod zone;

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::Day;

use fields::{Fields, Part};
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
/// pattern's end is left alone. Three things differ. Days before 15 October 1582 are of the
/// Gregorian calendar too, as Postgres has them. Numbers have no sign. A fraction of more than
/// three digits is refused: Java takes `.123456` for 123456 milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct SimpleDateFormat {
    elements: Vec<Element>,
    /// The first year that two digits may mean, and the milliseconds from which they do.
    century: (i64, i64),
}

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
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(0));
        Ok(Self {
            elements,
            century: fields::century(now),
        })
    }

    /// Whether texts tell what they seem to. With the year that weeks are counted in, and without a
    /// week, Java leaves months and days alone: each text is of the year's first week.
    pub(crate) fn is_for_parsing(&self) -> bool {
        let has = |letters: &str| {
            self.elements
                .iter()
                .any(|it| matches!(it, Element::Field(letter, ..) if letters.contains(*letter)))
        };
        !has("Y") || has("wy") || !has("MLdD")
    }

    /// The text for milliseconds since the epoch.
    pub(crate) fn format(&self, millis: i64) -> String {
        let mut out = String::with_capacity(32);
        let days = millis.div_euclid(DAY);
        let Day { year, month, day } = Day::after_epoch(days);
        let week = Week::of(days);
        let era = if year > 0 { "AD" } else { "BC" };
        // Java counts years within their era.
        let year = if year > 0 { year } else { 1 - year };
        let of_day = millis.rem_euclid(DAY);
        let hour = of_day / 3_600_000;
        for element in &self.elements {
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
                'D' => days - self::days(Day::after_epoch(days).year, 1, 1) + 1,
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
        let mut rest = text;
        let mut fields = Fields::default();
        for element in &self.elements {
            match element {
                Element::Literal(c) => rest = rest.strip_prefix(*c)?,
                Element::Field(letter, count, followed) => {
                    rest = rest.trim_start_matches([' ', '\t']);
                    if element.is_number() {
                        let found = number(rest, followed.then_some(*count))?;
                        rest = found.rest;
                        self.set(&mut fields, (*letter, *count), &found)?;
                    } else {
                        rest = read(&mut fields, *letter, *count, rest)?;
                    }
                }
            }
        }
        let millis = fields.millis()?;
        match fields.has_short_year && millis < self.century.1 {
            true => fields.next_century().millis(),
            false => Some(millis),
        }
    }

    fn set(&self, to: &mut Fields, (letter, count): (char, usize), found: &Number) -> Option<()> {
        let number = found.number;
        match letter {
            'y' | 'Y' => {
                let first = self.century.0;
                let mut year = number;
                if count <= 2 && found.digits == 2 {
                    to.has_short_year = number == first % 100;
                    year += first / 100 * 100 + if number < first % 100 { 100 } else { 0 };
                }
                let part = if letter == 'y' {
                    Part::Year
                } else {
                    Part::WeekYear
                };
                to.set(part, year)
            }
            'M' | 'L' => to.set(Part::Month, number - 1),
            'w' => to.set(Part::WeekOfYear, number),
            'W' => to.set(Part::WeekOfMonth, number),
            'D' => to.set(Part::DayOfYear, number),
            'd' => to.set(Part::DayOfMonth, number),
            'F' => to.set(Part::DayOfWeekInMonth, number),
            'u' => to.set(Part::DayOfWeek, fields::of_iso(number)),
            'H' => to.set(Part::HourOfDay, number),
            'k' => to.set(Part::HourOfDay, if number == 24 { 0 } else { number }),
            'h' => to.set(Part::Hour, if number == 12 { 0 } else { number }),
            'K' => to.set(Part::Hour, number),
            'm' => to.set(Part::Minute, number),
            's' => to.set(Part::Second, number),
            _ if number > 999 => None,
            _ => to.set(Part::Milli, number),
        }
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

/// Digits at the start of a text.
struct Number<'a> {
    digits: usize,
    number: i64,
    rest: &'a str,
}

/// The digits at the start, so many where that is known.
fn number(text: &str, exactly: Option<usize>) -> Option<Number<'_>> {
    let all = text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = match exactly {
        Some(count) if all < count => return None,
        Some(count) => count,
        None => all,
    };
    Some(Number {
        digits,
        number: text[..digits].parse().ok()?,
        rest: &text[digits..],
    })
}

/// Reads what is no number.
fn read<'a>(to: &mut Fields, letter: char, count: usize, text: &'a str) -> Option<&'a str> {
    let (part, at, rest) = match letter {
        'M' | 'L' => {
            let (at, rest) = name(&MONTHS, text)?;
            (Part::Month, at, rest)
        }
        'E' => {
            let (at, rest) = name(&DAYS, text)?;
            // They are listed from Thursday on; Sunday is 1.
            (Part::DayOfWeek, (at + 4) % 7 + 1, rest)
        }
        'G' => {
            let (at, rest) = one_of(&["BC", "AD"], text)?;
            (Part::Era, at, rest)
        }
        'a' => {
            let (at, rest) = one_of(&["AM", "PM"], text)?;
            (Part::Half, at, rest)
        }
        _ => {
            let (millis, rest) = zone(letter, count, text)?;
            to.zone = millis;
            return Some(rest);
        }
    };
    to.set(part, i64::try_from(at).ok()?)?;
    Some(rest)
}

/// The first of the words that the text starts with, in any case.
fn one_of<'a>(words: &[&str], text: &'a str) -> Option<(usize, &'a str)> {
    let mut found = words.iter().map(|word| strip(text, word)).enumerate();
    found.find_map(|(at, rest)| Some((at, rest?)))
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
        let Day { year, .. } = Day::after_epoch(sunday + 6);
        let first = days(year, 1, 1);
        let number = (sunday - (first - weekday(first))) / 7 + 1;
        Self { year, number }
    }
}

/// Days since 1970 of a day, which may lie beyond its month.
fn days(year: i64, month: i64, day: i64) -> i64 {
    Day { year, month, day }.since_epoch_leniently()
}

#[cfg(test)]
mod tests;
