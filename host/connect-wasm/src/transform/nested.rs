//! Nested values: JSON text to the plugin, and back into what a schema describes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike as _};
use connect_api::{Kind, Schema, Struct, Value, json};
use serde_json::value::RawValue;

use super::digits::{self, MAX_DIGITS};

type Checked<T> = Result<T, Cow<'static, str>>;

/// Levels of arrays and objects in each other, as serde_json has it: whoever opens the text later
/// may do so by recursion.
const DEPTH: usize = 128;

/// Whether a value that is not null is of this kind. Arrays, maps and structs are not made here.
pub(super) fn fits(kind: &Kind, value: &Value) -> bool {
    let within =
        |least: i64, most: i64| matches!(value, Value::Int(n) if (least..=most).contains(n));
    match kind {
        Kind::Any => true,
        Kind::Int8 => within(i8::MIN.into(), i8::MAX.into()),
        Kind::Int16 => within(i16::MIN.into(), i16::MAX.into()),
        Kind::Int32 => within(i32::MIN.into(), i32::MAX.into()),
        Kind::Int64 => matches!(value, Value::Int(_)),
        Kind::Float32 | Kind::Float64 => matches!(value, Value::Float(_)),
        Kind::Boolean => matches!(value, Value::Boolean(_)),
        Kind::String => matches!(value, Value::String(_)),
        Kind::Bytes => matches!(value, Value::Bytes(_)),
        Kind::Decimal(scale) => {
            matches!(value, Value::Decimal(d) if scale.is_none_or(|scale| d.scale == scale))
        }
        Kind::Date => matches!(value, Value::Date(_)),
        Kind::Time => matches!(value, Value::Time(_)),
        Kind::Timestamp => matches!(value, Value::Timestamp(_)),
        Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => false,
    }
}

/// JSON text that no schema describes: arrays and objects stay text.
pub(super) fn free(text: &str) -> Checked<Value> {
    let trimmed = text.trim_ascii();
    let nested = trimmed.starts_with(['{', '[']);
    if (nested && depth(trimmed) > DEPTH) || (!nested && is_long_number(trimmed)) {
        return Err("a json value is too deep or too long".into());
    }
    if nested {
        let valid = serde_json::from_str::<serde::de::IgnoredAny>(trimmed);
        valid.map_err(|_| invalid())?;
        return Ok(Value::Json(trimmed.into()));
    }
    json::parse(trimmed).map_err(|_| invalid())
}

/// JSON text that a schema describes, and what it was before the plugin had it.
pub(super) fn lift(text: &str, schema: &Schema, before: Option<&Value>) -> Checked<Value> {
    if let Some(before) = before {
        let mut same = String::with_capacity(text.len());
        if json::write(before, &mut same).is_ok() && same == text {
            return Ok(before.clone());
        }
    }
    if depth(text) > DEPTH {
        return Err("a json value is too deep".into());
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| invalid())?;
    typed(raw.get(), schema)
}

fn typed(raw: &str, schema: &Schema) -> Checked<Value> {
    if raw == "null" {
        return match schema.optional || schema.kind == Kind::Any {
            true => Ok(Value::Null),
            false => Err("null in a nested field that is not optional".into()),
        };
    }
    match &schema.kind {
        Kind::Any => free(raw),
        Kind::Array(element) => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| mismatch(schema))?;
            let items = items.iter().map(|item| typed(item.get(), element));
            items.collect::<Checked<_>>().map(Value::Array)
        }
        Kind::Map(key, value) => {
            let entries = entries(raw, schema)?.into_iter().map(|(name, raw)| {
                let key = match key.kind {
                    Kind::String => Value::from(&*name),
                    _ => typed(&name, key)?,
                };
                Ok((key, typed(raw, value)?))
            });
            entries.collect::<Checked<_>>().map(Value::Map)
        }
        Kind::Struct(fields) => {
            let given = entries(raw, schema)?;
            if let Some((name, _)) = given.iter().find(|(n, _)| schema.index_of(n).is_none()) {
                return Err(format!("the schema has no nested field {name}").into());
            }
            let values = fields.iter().map(|field| {
                let raw = given.iter().rev().find(|(name, _)| field.name == **name);
                typed(raw.map_or("null", |(_, raw)| raw), &field.schema)
            });
            let values = values.collect::<Checked<_>>()?;
            let row = Struct::new(schema.clone().into(), values);
            Ok(Value::Struct(Box::new(row)))
        }
        _ => scalar(raw, schema),
    }
}

fn entries<'a>(raw: &'a str, schema: &Schema) -> Checked<Vec<(Cow<'a, str>, &'a str)>> {
    let mut all = Vec::new();
    let read = json::entries(raw.as_bytes(), |name, raw| {
        all.push((name, raw));
        Ok(())
    });
    read.map(|()| all).map_err(|_| mismatch(schema))
}

/// The inverse of [`json::write`].
fn scalar(raw: &str, schema: &Schema) -> Checked<Value> {
    if is_long_number(raw) {
        return Err("a number in a json value is too long".into());
    }
    if let (Kind::Decimal(_), false) = (&schema.kind, raw.starts_with('"')) {
        // The digits as they are: a float would lose their scale.
        let value = Value::Decimal(Box::new(digits::parse(raw)?));
        return fits(&schema.kind, &value)
            .then_some(value)
            .ok_or_else(|| mismatch(schema));
    }
    let value = json::parse(raw).map_err(|_| invalid())?;
    let text = value.as_str();
    let value = match (&schema.kind, text) {
        (Kind::Bytes, Some(text)) => BASE64.decode(text).ok().map(|b| Value::Bytes(b.into())),
        (Kind::Date, Some(text)) => date(text),
        (Kind::Time, Some(text)) => time(text),
        (Kind::Timestamp, Some(text)) => DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| Value::Timestamp(at.timestamp_micros())),
        // JSON does not tell 1 from 1.0.
        (Kind::Float32 | Kind::Float64, None) => match value {
            Value::Int(number) => Some(Value::Float(number as f64)),
            other => Some(other),
        },
        _ => Some(value),
    };
    value
        .filter(|value| fits(&schema.kind, value))
        .ok_or_else(|| mismatch(schema))
}

fn date(text: &str) -> Option<Value> {
    let days = text.parse::<NaiveDate>().ok()?.to_epoch_days();
    Some(Value::Date(days))
}

fn time(text: &str) -> Option<Value> {
    let time: NaiveTime = text.parse().ok()?;
    let micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000;
    Some(Value::Time(micros + i64::from(time.nanosecond() / 1000)))
}

fn is_long_number(raw: &str) -> bool {
    raw.len() > MAX_DIGITS && !raw.starts_with('"')
}

fn invalid() -> Cow<'static, str> {
    "a json value is not valid JSON".into()
}

fn mismatch(schema: &Schema) -> Cow<'static, str> {
    format!(
        "a nested value does not fit its type {}",
        schema.type_name()
    )
    .into()
}

/// How deep arrays and objects lie in each other, if the text is JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                most = most.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests;
