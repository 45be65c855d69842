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
    if is_jsonb && has_nul(text.as_bytes()) {
        return Err(Misfit::new("cannot take a JSON text with a NUL character"));
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Whether the JSON text holds the escape of a NUL character.
fn has_nul(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        rest = &rest[at + 1..];
        if rest.starts_with(b"u0000") {
            return true;
        }
        // Whatever is escaped is no escape itself.
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
