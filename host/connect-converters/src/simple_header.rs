//! SimpleHeaderConverter: the value of a header is text, and what the text looks like tells its
//! type.

use std::borrow::Cow;

use bytes::Bytes;
use connect_api::{ConfigDef, Datum, HeaderConverter, Kind, Result, Value, values};

use crate::{ConverterType, text};

/// `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    config_def: ConfigDef::default,
    build: None,
    build_header: Some(|_| Ok(Box::new(SimpleHeaderConverter))),
};

struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_header(&mut self, _: &str, _: &str, value: Option<&Bytes>) -> Result<Datum> {
        Ok(values::parse(value.map(|value| &value[..])))
    }

    /// The text of Kafka's `Values.convertToString`, but for two things that it would lose: bytes
    /// stay as they are, because those that are no text are read as bytes again, and times keep
    /// what is finer than a millisecond.
    fn from_connect_header<'a>(
        &mut self,
        _: &str,
        _: &str,
        value: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        Ok(Some(match &value.value {
            Value::Null => return Ok(None),
            Value::Bytes(bytes) => Cow::Borrowed(bytes),
            Value::String(text) | Value::Json(text) => Cow::Borrowed(text.as_bytes()),
            other => {
                let mut text = String::new();
                append(value.schema.as_ref().map(|s| &s.kind), other, &mut text)?;
                Cow::Owned(text.into_bytes())
            }
        }))
    }
}

/// Appends a value as it stands within an array, a map or a struct, where strings are quoted.
fn append(kind: Option<&Kind>, value: &Value, out: &mut String) -> Result<()> {
    match (kind, value) {
        (kind, Value::Float(number)) => out.push_str(&text::float(kind, *number)),
        (_, Value::String(text)) => quoted(text, out),
        (_, Value::Date(_)) => out.push_str(&text::unquoted(value)?),
        (_, Value::Time(_) | Value::Timestamp(_)) => out.push_str(&time(value)?),
        (kind, Value::Array(items)) => {
            let item = match kind {
                Some(Kind::Array(item)) => Some(&item.kind),
                _ => None,
            };
            text::list(out, ('[', ']'), items, |each, out| append(item, each, out))?;
        }
        (kind, Value::Map(entries)) => {
            let (key, item) = match kind {
                Some(Kind::Map(key, item)) => (Some(&key.kind), Some(&item.kind)),
                _ => (None, None),
            };
            text::list(out, ('{', '}'), entries, |(name, value), out| {
                append(key, name, out)?;
                out.push(':');
                append(item, value, out)
            })?;
        }
        (_, Value::Struct(row)) => {
            let fields = row.schema().fields().unwrap_or_default().iter();
            let pairs: Vec<_> = fields.zip(row.values()).collect();
            text::list(out, ('{', '}'), &pairs, |(field, value), out| {
                quoted(&field.name, out);
                out.push(':');
                append(Some(&field.schema.kind), value, out)
            })?;
        }
        (_, value) => connect_api::json::write(value, out)?,
    }
    Ok(())
}

/// A time or a timestamp as Java prints them, with milliseconds at least.
fn time(value: &Value) -> Result<String> {
    let mut text = text::unquoted(value)?;
    if text.ends_with('Z') {
        text.pop();
    }
    if !text.contains('.') {
        text.push_str(".000");
    }
    text.push('Z');
    Ok(text)
}

/// Only what ends the string is escaped: nothing else is unescaped by who reads it.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
