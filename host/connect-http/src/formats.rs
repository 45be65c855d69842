//! Forms of text: dates, times and UUIDs.

/// RFC 9562, in any version.
pub fn is_uuid(text: &str) -> bool {
    let text = text.as_bytes();
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The number that two digits are.
fn two(text: &[u8], at: usize) -> Option<u32> {
    match text.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

/// RFC 3339: `2025-01-06`, a day that there is.
pub fn is_date(text: &str) -> bool {
    is_day(text.as_bytes())
}

fn is_day(text: &[u8]) -> bool {
    let parse = || {
        if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
            return None;
        }
        let year = two(text, 0)? * 100 + two(text, 2)?;
        let (month, day) = (two(text, 5)?, two(text, 8)?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return None,
        };
        (1..=days).contains(&day).then_some(())
    };
    parse().is_some()
}

/// RFC 3339: a date, a time and an offset.
pub fn is_date_time(text: &str) -> bool {
    let text = text.as_bytes();
    let parse = || {
        if !is_day(text.get(..10)?) || !matches!(text.get(10)?, b'T' | b't' | b' ') {
            return None;
        }
        let time = &text[11..];
        let (hour, minute, second) = (two(time, 0)?, two(time, 3)?, two(time, 6)?);
        if time.get(2) != Some(&b':') || time.get(5) != Some(&b':') {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let rest = &time[8..];
        let rest = match rest.strip_prefix(b".") {
            None => rest,
            Some(fraction) => {
                let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
                fraction.get(digits..).filter(|_| digits > 0)?
            }
        };
        match rest {
            [b'Z' | b'z'] => Some(()),
            [b'+' | b'-', offset @ ..] if offset.len() == 5 && offset[2] == b':' => {
                (two(offset, 0)? <= 23 && two(offset, 3)? <= 59).then_some(())
            }
            _ => None,
        }
    };
    parse().is_some()
}
