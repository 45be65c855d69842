//! Writing JSON, as Confluent's JsonSchemaData does.

pub(super) mod schema;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connect_api::{Error, Kind, Result, Schema, Value, json};

use super::Settings;
use crate::json::payload::union::is_union;
use crate::json::{DecimalFormat, millis};
use crate::text::{float, list};

/// Appends a value of a schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is not of the schema, or JSON cannot hold it.
pub(super) fn value(
    schema: &Schema,
    value: &Value,
    settings: Settings,
    out: &mut String,
) -> Result<()> {
    let unfit = || {
        Err(Error::data(format!(
            "a value of type {} is not of its schema {}",
            value.type_name(),
            schema.type_name()
        )))
    };
    match (&schema.kind, value) {
        (_, Value::Null) => match &schema.default {
            Some(default) if !settings.ignore_default && !default.is_null() => {
                self::value(schema, default, settings, out)?;
            }
            _ => out.push_str("null"),
        },
        (Kind::Any, value) => json::write(value, out)?,
        (kind @ (Kind::Float32 | Kind::Float64), Value::Float(number)) => {
            let digits = float(Some(kind), *number);
            match number.is_finite() {
                true => out.push_str(&digits),
                // As Java has it: the name, as a string.
                false => json::write(&Value::from(&*digits), out)?,
            }
        }
        (Kind::Date, Value::Date(days)) => json::write(&Value::Int((*days).into()), out)?,
        (Kind::Time, Value::Time(micros)) | (Kind::Timestamp, Value::Timestamp(micros)) => {
            json::write(&Value::Int(millis(*micros)?), out)?;
        }
        (Kind::Decimal(Some(_)), Value::Decimal(decimal)) => match settings.decimals {
            DecimalFormat::Base64 => {
                let digits = BASE64.encode(decimal.unscaled.to_signed_bytes_be());
                json::write(&Value::from(&*digits), out)?;
            }
            DecimalFormat::Numeric => out.push_str(&decimal.to_plain()?),
        },
        (Kind::Decimal(None), Value::Decimal(_))
        | (Kind::Boolean, Value::Boolean(_))
        | (Kind::String, Value::String(_))
        | (Kind::Bytes, Value::Bytes(_))
        | (Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64, Value::Int(_)) => {
            json::write(value, out)?;
        }
        (Kind::Array(item), Value::Array(items)) => {
            list(out, ('[', ']'), items, |each, out| {
                self::value(item, each, settings, out)
            })?;
        }
        (Kind::Map(key, item), Value::Map(entries)) => map(key, item, entries, settings, out)?,
        (Kind::Struct(fields), Value::Struct(own)) if own.values().len() == fields.len() => {
            row(schema, own.values(), settings, out)?;
        }
        _ => return unfit(),
    }
    Ok(())
}

/// A row, or the only value of a union.
fn row(schema: &Schema, values: &[Value], settings: Settings, out: &mut String) -> Result<()> {
    let fields = schema.fields().unwrap_or_default();
    if is_union(schema) {
        let mut set = fields.iter().zip(values).filter(|(_, v)| !v.is_null());
        return match set.next() {
            Some((field, each)) => value(&field.schema, each, settings, out),
            None => {
                out.push_str("null");
                Ok(())
            }
        };
    }
    // What is required and null has no property.
    let pairs = fields.iter().zip(values).filter(|(field, value)| {
        let schema = &field.schema;
        !value.is_null()
            || schema.optional
            || (schema.default.is_some() && !settings.ignore_default)
    });
    let pairs: Vec<_> = pairs.collect();
    list(out, ('{', '}'), &pairs, |(field, each), out| {
        json::write(&Value::String(field.name.clone()), out)?;
        out.push(':');
        let written = value(&field.schema, each, settings, out);
        written.map_err(|e| e.context(format!("field {}", field.name)))
    })
}

fn map(
    key: &Schema,
    item: &Schema,
    entries: &[(Value, Value)],
    settings: Settings,
    out: &mut String,
) -> Result<()> {
    if key.kind == Kind::String && !key.optional {
        return list(out, ('{', '}'), entries, |(name, each), out| {
            value(key, name, settings, out)?;
            out.push(':');
            value(item, each, settings, out)
        });
    }
    list(out, ('[', ']'), entries, |(name, each), out| {
        out.push_str("{\"key\":");
        value(key, name, settings, out)?;
        out.push_str(",\"value\":");
        value(item, each, settings, out)?;
        out.push('}');
        Ok(())
    })
}
