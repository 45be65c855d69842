//! JSON columns: nested data as it came, structs and maps as objects, and texts that are JSON.

use connect_api::{Value, json};
use memchr::memchr;
use serde::de::IgnoredAny;

use super::{Fit, Misfit, NulCharacters, measured};

/// The only version of jsonb's binary form.
const JSONB_VERSION: u8 = 1;

/// What U+FFFD is where `\u0000` was.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// `jsonb` is what becomes of NUL characters in a jsonb column; None: it is a json column.
pub(super) fn value(jsonb: Option<NulCharacters>, value: &Value, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        if jsonb.is_some() {
            out.push(JSONB_VERSION);
        }
        match value {
            Value::Json(text) => append(jsonb, text, out),
            // The JDBC sinks cast a text to the column's type: it is taken as JSON, not as a JSON
            // string.
            Value::String(text) => {
                serde_json::from_str::<IgnoredAny>(text)
                    .map_err(|_| Misfit::new("cannot take a text that is not JSON"))?;
                append(jsonb, text, out)
            }
            _ => {
                let mut text = String::new();
                json::write(value, &mut text).map_err(|error| Misfit::new(error.to_string()))?;
                append(jsonb, &text, out)
            }
        }
    })
}

/// Appends nested JSON as it came; `jsonb` as in [`value`].
pub(super) fn text(jsonb: Option<NulCharacters>, text: &str, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        if jsonb.is_some() {
            out.push(JSONB_VERSION);
        }
        append(jsonb, text, out)
    })
}

/// A json column keeps the text as it is; a jsonb column keeps characters, and has none for an
/// escaped NUL and for half of a surrogate pair.
fn append(jsonb: Option<NulCharacters>, text: &str, out: &mut Vec<u8>) -> Fit {
    match jsonb {
        None => out.extend_from_slice(text.as_bytes()),
        Some(nul_characters) => append_checked(nul_characters, text.as_bytes(), out)?,
    }
    Ok(())
}

fn append_checked(nul_characters: NulCharacters, text: &[u8], out: &mut Vec<u8>) -> Fit {
    let mut rest = text;
    // Where what is yet to be written begins.
    let mut pending = text;
    let mut high = false;
    while let Some(at) = memchr(b'\\', rest) {
        if high && at > 0 {
            return Err(lone_surrogate());
        }
        rest = &rest[at + 1..];
        let unit = match rest.split_first() {
            Some((b'u', digits)) => digits.get(..4).and_then(code_unit),
            _ => None,
        };
        match (high, unit) {
            (false, Some(0)) => {
                let before = pending.len() - rest.len() - 1;
                out.extend_from_slice(&pending[..before]);
                pending = &rest[5..];
                match nul_characters {
                    NulCharacters::Error => return Err(nul_character()),
                    NulCharacters::Strip => {}
                    NulCharacters::Replace => out.extend_from_slice(REPLACEMENT),
                }
            }
            (false, Some(0xd800..=0xdbff)) => high = true,
            (true, Some(0xdc00..=0xdfff)) => high = false,
            (true, _) | (false, Some(0xdc00..=0xdfff)) => return Err(lone_surrogate()),
            (false, _) => {}
        }
        // Whatever is escaped is no escape itself.
        rest = rest
            .get(if unit.is_some() { 5 } else { 1 }..)
            .unwrap_or_default();
    }
    if high {
        return Err(lone_surrogate());
    }
    out.extend_from_slice(pending);
    Ok(())
}

fn nul_character() -> Misfit {
    Misfit::new(
        "cannot take a JSON text with a NUL character: nul.characters strips or replaces it",
    )
}

fn lone_surrogate() -> Misfit {
    Misfit::new("cannot take a JSON text with half of a surrogate pair")
}

fn code_unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit * 16 + char::from(digit).to_digit(16)?)
    })
}
