//! Texts, names, labels of enums, and UUIDs.

use std::borrow::Cow;

use connect_api::Value;
use memchr::memchr;

use super::{Fit, Misfit, NulCharacters, measured, sized};
use crate::put::catalog::Type;

/// The longest name that Postgres keeps whole.
const MAX_NAME: usize = 63;

/// The version of the binary forms that are a text.
const VERSION: u8 = 1;

impl NulCharacters {
    fn applied(self, text: &str) -> Result<Cow<'_, str>, Misfit> {
        if memchr(0, text.as_bytes()).is_none() {
            return Ok(text.into());
        }
        match self {
            Self::Error => Err(Misfit::new(
                "cannot take a text with a NUL character: nul.characters strips or replaces it",
            )),
            Self::Strip => Ok(text.replace('\0', "").into()),
            Self::Replace => Ok(text.replace('\0', "\u{fffd}").into()),
        }
    }
}

/// A text of data.
pub(super) fn text(
    text: &str,
    limit: Option<usize>,
    nul_characters: NulCharacters,
    out: &mut Vec<u8>,
) -> Fit {
    let text = nul_characters.applied(text)?;
    // A character has at least one byte, so most texts need not be counted.
    if let Some(limit) = limit.filter(|&limit| text.len() > limit) {
        let characters = text.chars().count();
        if characters > limit {
            return Err(Misfit::new(format!(
                "cannot take a text of {characters} characters"
            )));
        }
    }
    sized(out, text.as_bytes())
}

/// What Postgres's input function reads of a text (`stringtype=unspecified`), for the types that
/// take no texts otherwise; none for the others.
pub(super) fn read(data_type: &Type, text: &str) -> Option<Result<Value, Misfit>> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (read, what) = match data_type {
        Type::Int2 | Type::Int4 | Type::Int8 => (text.parse().ok().map(Value::Int), "an integer"),
        Type::Float4 | Type::Float8 => (text.parse().ok().map(Value::Float), "a number"),
        Type::Bool => (boolean(text).map(Value::Boolean), "a boolean"),
        Type::Bytea => (
            hexadecimal(text).map(|bytes| Value::Bytes(bytes.into())),
            "\\x and bytes",
        ),
        _ => return None,
    };
    Some(read.ok_or_else(|| Misfit::new(format!("cannot take a text that is not {what}"))))
}

/// The beginnings of `true`, `yes`, `on`, `1` and their opposites that are not ambiguous.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&*text);
    if begins("true", 1) || begins("yes", 1) || text == "on" || text == "1" {
        return Some(true);
    }
    let is_false = begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0";
    is_false.then_some(false)
}

/// `\x` and pairs of hexadecimal digits.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// A text that Postgres reads as a value of some type.
pub(super) fn input(text: &str, out: &mut Vec<u8>) -> Fit {
    no_nul(text)?;
    sized(out, text.as_bytes())
}

pub(super) fn name(text: &str, nul_characters: NulCharacters, out: &mut Vec<u8>) -> Fit {
    let text = nul_characters.applied(text)?;
    if text.len() > MAX_NAME {
        return Err(Misfit::new("cannot take a name of more than 63 bytes"));
    }
    sized(out, text.as_bytes())
}

pub(super) fn versioned(text: &str, out: &mut Vec<u8>) -> Fit {
    no_nul(text)?;
    measured(out, |out| {
        out.push(VERSION);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    })
}

pub(super) fn label(text: &str, labels: &[String], out: &mut Vec<u8>) -> Fit {
    if labels.iter().any(|label| label == text) {
        return sized(out, text.as_bytes());
    }
    Err(Misfit::new("has no such label"))
}

fn no_nul(text: &str) -> Fit {
    if text.as_bytes().contains(&0) {
        return Err(Misfit::new("cannot take a text with a NUL character"));
    }
    Ok(())
}

/// 32 hexadecimal digits, in groups of 8, 4, 4, 4 and 12 or without hyphens.
pub(super) fn uuid(text: &str) -> Result<[u8; 16], Misfit> {
    let misfit = || Misfit::new("cannot take a text that is not a UUID");
    let bytes = text.as_bytes();
    let hyphens = match bytes.len() {
        36 => true,
        32 => false,
        _ => return Err(misfit()),
    };
    let mut uuid = [0; 16];
    let mut at = 0;
    for (i, byte) in uuid.iter_mut().enumerate() {
        if hyphens && matches!(i, 4 | 6 | 8 | 10) {
            if bytes[at] != b'-' {
                return Err(misfit());
            }
            at += 1;
        }
        let (high, low) = (hex(bytes[at]), hex(bytes[at + 1]));
        *byte = high
            .zip(low)
            .map(|(high, low)| high << 4 | low)
            .ok_or_else(misfit)?;
        at += 2;
    }
    Ok(uuid)
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_postgres_reads_them() {
        for (data_type, text, expect) in [
            (Type::Int4, " 42 ", Some(Value::Int(42))),
            (Type::Int8, "-7", Some(Value::Int(-7))),
            (Type::Int2, "4.0", None),
            (Type::Int4, "", None),
            (Type::Float8, "1.5e3", Some(Value::Float(1500.0))),
            (
                Type::Float4,
                "-Infinity",
                Some(Value::Float(f64::NEG_INFINITY)),
            ),
            (Type::Bool, "t", Some(Value::Boolean(true))),
            (Type::Bool, "OFF", Some(Value::Boolean(false))),
            (Type::Bool, "0", Some(Value::Boolean(false))),
            (Type::Bool, "o", None),
            (Type::Bool, "truth", None),
            (
                Type::Bytea,
                "\\xDEad",
                Some(Value::Bytes(vec![0xde, 0xad].into())),
            ),
            (
                Type::Bytea,
                "\\x",
                Some(Value::Bytes(Vec::<u8>::new().into())),
            ),
            (Type::Bytea, "\\xabc", None),
        ] {
            let read = read(&data_type, text).unwrap();
            assert_eq!(read.ok(), expect, "{data_type:?} {text}");
        }
        assert!(read(&Type::Text(None), "1").is_none());
    }
}
