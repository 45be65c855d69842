//! Values as Avro's binary encoding, by the schema that they are written under.

use connect_api::{Error, Kind, Result, Schema, Value};

use super::schema::is_union;
use crate::text::text;

/// Appends a value.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is not of the schema.
pub(super) fn value(schema: &Schema, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    if is_union(schema) {
        if value.is_null() {
            long(0, out);
            return Ok(());
        }
        long(1, out);
    }
    match (&schema.kind, value) {
        (Kind::Any | Kind::Decimal(None), value) if !value.is_null() => {
            bytes(text(None, value)?.as_bytes(), out);
        }
        (Kind::Int8, Value::Int(number)) if i8::try_from(*number).is_ok() => long(*number, out),
        (Kind::Int16, Value::Int(number)) if i16::try_from(*number).is_ok() => long(*number, out),
        (Kind::Int32, Value::Int(number)) if i32::try_from(*number).is_ok() => long(*number, out),
        (Kind::Int64, Value::Int(number))
        | (Kind::Time, Value::Time(number))
        | (Kind::Timestamp, Value::Timestamp(number)) => long(*number, out),
        (Kind::Date, Value::Date(days)) => long((*days).into(), out),
        (Kind::Float32, Value::Float(number)) => out.extend((*number as f32).to_le_bytes()),
        (Kind::Float64, Value::Float(number)) => out.extend(number.to_le_bytes()),
        (Kind::Boolean, Value::Boolean(flag)) => out.push((*flag).into()),
        (Kind::String, Value::String(text)) => bytes(text.as_bytes(), out),
        (Kind::Bytes, Value::Bytes(given)) => bytes(given, out),
        (Kind::Decimal(Some(scale)), Value::Decimal(decimal)) if decimal.scale == *scale => {
            bytes(&decimal.unscaled.to_signed_bytes_be(), out);
        }
        (Kind::Array(item), Value::Array(items)) => {
            blocks(items, out, |each, out| self::value(item, each, out))?;
        }
        (Kind::Map(_, item), Value::Map(entries)) => {
            blocks(entries, out, |(name, each), out| {
                let name = name.as_str().ok_or_else(|| unfit(schema, value))?;
                bytes(name.as_bytes(), out);
                self::value(item, each, out)
            })?;
        }
        (Kind::Struct(fields), Value::Struct(row)) if row.values().len() == fields.len() => {
            for (field, each) in fields.iter().zip(row.values()) {
                let written = self::value(&field.schema, each, out);
                written.map_err(|e| e.context(format!("field {}", field.name)))?;
            }
        }
        (_, value) => return Err(unfit(schema, value)),
    }
    Ok(())
}

fn unfit(schema: &Schema, value: &Value) -> Error {
    Error::data(format!(
        "a value of type {} is not of its schema {}",
        value.type_name(),
        schema.type_name()
    ))
}

/// One block of items, and the empty one that ends them.
fn blocks<T>(
    items: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    if !items.is_empty() {
        long(i64::try_from(items.len()).unwrap_or(i64::MAX), out);
        for item in items {
            write(item, out)?;
        }
    }
    long(0, out);
    Ok(())
}

fn bytes(given: &[u8], out: &mut Vec<u8>) {
    long(i64::try_from(given.len()).unwrap_or(i64::MAX), out);
    out.extend(given);
}

/// Zigzag, seven bits a byte.
fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
