//! Texts as numbers: decimal commas, units behind the number, texts that say that there is none.

use crate::settings::Numbers;

/// What a text says.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading<'a> {
    /// That there is no value.
    None,
    /// A number, and the unit that stands behind it.
    Number(f64, Option<&'a str>),
    /// Digits of which no float is large enough.
    TooLarge,
    /// Nothing that is known.
    Unknown,
}

impl Numbers {
    /// What a text says.
    pub(crate) fn read<'a>(&self, text: &'a str) -> Reading<'a> {
        let text = text.trim();
        if text.is_empty() || self.none.iter().any(|none| none.eq_ignore_ascii_case(text)) {
            return Reading::None;
        }
        match self.number(text) {
            Reading::Unknown if self.unit_suffix => self.with_unit(text),
            reading => reading,
        }
    }

    fn with_unit<'a>(&self, text: &'a str) -> Reading<'a> {
        let (number, unit) = text.split_at(self.length(text.as_bytes()));
        let unit = unit.trim_start();
        // 12 34, 1.2.3 and 0x1F are no numbers with a unit.
        let is_unit = unit
            .chars()
            .all(|c| !c.is_ascii_digit() && c != '.' && c != ',');
        match self.number(number) {
            Reading::Number(number, _) if is_unit => Reading::Number(number, Some(unit)),
            Reading::TooLarge if is_unit => Reading::TooLarge,
            _ => Reading::Unknown,
        }
    }

    /// How many bytes the number at the beginning of a text has.
    fn length(&self, text: &[u8]) -> usize {
        let digits_from = |start: usize| {
            let digits = text
                .iter()
                .skip(start)
                .take_while(|byte| byte.is_ascii_digit());
            start + digits.count()
        };
        let mut end = usize::from(matches!(text.first(), Some(b'+' | b'-')));
        end = digits_from(end);
        while let Some(mark) = text.get(end)
            && (*mark == b'.' || *mark == b',' && self.decimal_comma)
        {
            end = digits_from(end + 1);
        }
        // 5e3 is a number, 5eV is one with a unit.
        if let Some(b'e' | b'E') = text.get(end) {
            let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
            let power = digits_from(end + 1 + sign);
            if power > end + 1 + sign {
                end = power;
            }
        }
        end
    }

    fn number(&self, text: &str) -> Reading<'static> {
        let parsed = match text.split_once(',') {
            Some((whole, fraction)) if self.decimal_comma => with_comma(whole, fraction),
            _ => text.parse().ok(),
        };
        match parsed {
            None => Reading::Unknown,
            // `inf` is a number that was meant; digits that overflow to it are not.
            Some(it) if it.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
                Reading::TooLarge
            }
            Some(it) => Reading::Number(it, None),
        }
    }
}

/// A number of the digits before and after its comma; before it dots may part the thousands.
fn with_comma(whole: &str, fraction: &str) -> Option<f64> {
    let (sign, digits) = match whole.strip_prefix(['+', '-']) {
        Some(digits) => (&whole[..1], digits),
        None => ("", whole),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = digits.split('.');
    let first = groups.next()?;
    if !all_digits(first) || first.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut joined = format!("{sign}{first}");
    for group in groups {
        if group.len() != 3 || !all_digits(group) || !(1..=3).contains(&first.len()) {
            return None;
        }
        joined.push_str(group);
    }
    joined.push('.');
    joined.push_str(fraction);
    // A second comma is no number for Rust either.
    joined.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::Unparsable;

    fn numbers(decimal_comma: bool, unit_suffix: bool) -> Numbers {
        Numbers {
            none: vec!["N/A".to_owned(), "-".to_owned()],
            decimal_comma,
            unit_suffix,
            unparsable: Unparsable::Fail,
        }
    }

    #[test]
    fn a_comma_and_a_unit_are_read_where_they_are_asked_for() {
        let number = |it| Reading::Number(it, None);
        let cases = [
            ("21.5", number(21.5), number(21.5)),
            (" -7 ", number(-7.0), number(-7.0)),
            ("1.234", number(1.234), number(1.234)),
            ("21,5", Reading::Unknown, number(21.5)),
            ("-,5", Reading::Unknown, number(-0.5)),
            ("1.234.567,25", Reading::Unknown, number(1_234_567.25)),
            ("1,5e3", Reading::Unknown, number(1500.0)),
            ("1,234.5", Reading::Unknown, Reading::Unknown),
            ("12.34,5", Reading::Unknown, Reading::Unknown),
            ("1,2,3", Reading::Unknown, Reading::Unknown),
            (",", Reading::Unknown, Reading::Unknown),
            ("21.5 C", Reading::Unknown, Reading::Number(21.5, Some("C"))),
            (
                "21,5°C",
                Reading::Unknown,
                Reading::Number(21.5, Some("°C")),
            ),
            ("45%", Reading::Unknown, Reading::Number(45.0, Some("%"))),
            ("5eV", Reading::Unknown, Reading::Number(5.0, Some("eV"))),
            (
                "5e3 V",
                Reading::Unknown,
                Reading::Number(5000.0, Some("V")),
            ),
            ("0x1F", Reading::Unknown, Reading::Unknown),
            ("12 34", Reading::Unknown, Reading::Unknown),
            ("1.2.3", Reading::Unknown, Reading::Unknown),
            ("C 21.5", Reading::Unknown, Reading::Unknown),
            ("1e999", Reading::TooLarge, Reading::TooLarge),
            ("1e999 V", Reading::Unknown, Reading::TooLarge),
            ("n/a", Reading::None, Reading::None),
            ("-", Reading::None, Reading::None),
            ("  ", Reading::None, Reading::None),
        ];
        for (text, plain, lenient) in cases {
            assert_eq!(numbers(false, false).read(text), plain, "{text}");
            assert_eq!(numbers(true, true).read(text), lenient, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_a_number_stays_the_same_whatever_is_asked_for(number in any::<f64>()) {
            let text = format!("{number:e}");
            let read = numbers(true, true).read(&text);
            prop_assert_eq!(&read, &numbers(false, false).read(&text));
            if !number.is_nan() {
                prop_assert_eq!(read, Reading::Number(number, None));
            }
        }

        #[test]
        fn a_comma_for_the_dot_and_a_unit_behind_it_change_nothing(
            number in -1e12f64..1e12,
            unit in "[a-df-zA-DF-Z°%µ/][a-zA-Z°%µ/ ]{0,4}[a-z]",
        ) {
            let text = format!("{number:.6}");
            let expected = text.parse::<f64>().unwrap();
            let given = format!("{} {unit}", text.replace('.', ","));
            prop_assert_eq!(
                numbers(true, true).read(&given),
                Reading::Number(expected, Some(unit.as_str()))
            );
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,12}", digits in "[-+0-9.,eE °C]{0,12}") {
            for text in [text, digits] {
                numbers(true, true).read(&text);
                numbers(false, true).read(&text);
            }
        }
    }
}
