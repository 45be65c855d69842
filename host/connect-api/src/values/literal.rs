//! Literals of headers: dates and times.

use crate::{Day, Kind, Value};

use super::Typed;

/// A date, a time or a timestamp, by the exact length of its text.
pub(super) fn temporal(token: &str) -> Option<Typed> {
    let text = token.as_bytes();
    match text.len() {
        10 => Some(Typed::new(
            Kind::Date,
            Value::Date(i32::try_from(date(text)?).ok()?),
        )),
        13 => Some(Typed::new(Kind::Time, Value::Time(time(text)?))),
        24 if text[10] == b'T' => {
            let micros = date(&text[..10])? * 86_400_000_000 + time(&text[11..])?;
            Some(Typed::new(Kind::Timestamp, Value::Timestamp(micros)))
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i64::from(byte - b'0'))
    })
}

/// Days since the epoch of `yyyy-MM-dd`.
fn date(text: &[u8]) -> Option<i64> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *text else {
        return None;
    };
    let (year, month, day) = (
        digits(&[y0, y1, y2, y3])?,
        digits(&[m0, m1])?,
        digits(&[d0, d1])?,
    );
    Day { year, month, day }.since_epoch()
}

/// Microseconds of `HH:mm:ss.SSSZ`.
fn time(text: &[u8]) -> Option<i64> {
    let [h0, h1, b':', m0, m1, b':', s0, s1, b'.', f0, f1, f2, b'Z'] = *text else {
        return None;
    };
    let (hour, minute, second) = (digits(&[h0, h1])?, digits(&[m0, m1])?, digits(&[s0, s1])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = digits(&[f0, f1, f2])?;
    Some(((hour * 3600 + minute * 60 + second) * 1000 + millis) * 1000)
}
