//! Texts, names, labels of enums, and UUIDs.

use std::borrow::Cow;

use memchr::memchr;

use super::{Fit, Misfit, NulCharacters, measured, sized};

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
