//! JSON columns: nested data as it came, structs and maps as objects, and texts that are JSON.

use connect_api::{Value, json};
use serde::de::IgnoredAny;

use super::{Fit, Misfit, measured};

/// The only version of jsonb's binary form.
const JSONB_VERSION: u8 = 1;

pub(super) fn value(is_jsonb: bool, value: &Value, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        if is_jsonb {
            out.push(JSONB_VERSION);
        }
        match value {
            Value::Json(text) => append(is_jsonb, text, out),
            // The JDBC sinks cast a text to the column's type: it is taken as JSON, not as a JSON
            // string.
            Value::String(text) => {
                serde_json::from_str::<IgnoredAny>(text)
                    .map_err(|_| Misfit::new("cannot take a text that is not JSON"))?;
                append(is_jsonb, text, out)
            }
            _ => {
                let mut text = String::new();
                json::write(value, &mut text).map_err(|error| Misfit::new(error.to_string()))?;
                append(is_jsonb, &text, out)
            }
        }
    })
}

fn append(is_jsonb: bool, text: &str, out: &mut Vec<u8>) -> Fit {
    if is_jsonb {
        check_escapes(text.as_bytes())?;
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A json column keeps the text as it is; a jsonb column keeps characters, and has none for an
/// escaped NUL and for half of a surrogate pair.
fn check_escapes(text: &[u8]) -> Fit {
    let mut rest = text;
    let mut high = false;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        if high && at > 0 {
            return Err(lone_surrogate());
        }
        rest = &rest[at + 1..];
        let unit = match rest.split_first() {
            Some((b'u', digits)) => digits.get(..4).and_then(code_unit),
            _ => None,
        };
        match (high, unit) {
            (_, Some(0)) => {
                return Err(Misfit::new("cannot take a JSON text with a NUL character"));
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
    if high { Err(lone_surrogate()) } else { Ok(()) }
}

fn lone_surrogate() -> Misfit {
    Misfit::new("cannot take a JSON text with half of a surrogate pair")
}

fn code_unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit * 16 + char::from(digit).to_digit(16)?)
    })
}
