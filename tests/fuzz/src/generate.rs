//! Schemas and values of them, made of the fuzzer's bytes.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use connect_api::{Decimal, Field, Kind, Schema, Str, Struct, Value};

/// How deep schemas go.
const DEPTH: usize = 3;
/// Of a decimal: texts are read up to such an exponent.
const MAX_SCALE: i32 = 131_072;
const DAY_MICROS: i64 = 86_400_000_000;

/// What is kept of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Kafka Connect's own.
    Millis,
    /// Avro's finer one.
    Micros,
}

/// A schema and a value of it. Maps have texts for keys, names are good in every format, and
/// decimals have a fixed scale.
pub(crate) fn datum(
    u: &mut Unstructured<'_>,
    precision: Precision,
) -> Result<(Arc<Schema>, Value)> {
    let schema = Arc::new(schema(u, DEPTH)?);
    let value = value(u, &schema, precision)?;
    Ok((schema, value))
}

fn schema(u: &mut Unstructured<'_>, depth: usize) -> Result<Schema> {
    let most = if depth == 0 { 12 } else { 15 };
    let kind = match u.int_in_range(0..=most)? {
        0 => Kind::Int8,
        1 => Kind::Int16,
        2 => Kind::Int32,
        3 => Kind::Int64,
        4 => Kind::Float32,
        5 => Kind::Float64,
        6 => Kind::Boolean,
        7 => Kind::String,
        8 => Kind::Bytes,
        9 => Kind::Decimal(Some(u.int_in_range(0..=30)?)),
        10 => Kind::Date,
        11 => Kind::Time,
        12 => Kind::Timestamp,
        13 => Kind::Array(Arc::new(schema(u, depth - 1)?)),
        14 => {
            let item = schema(u, depth - 1)?;
            Kind::Map(Arc::new(Schema::new(Kind::String)), Arc::new(item))
        }
        _ => {
            let mut fields = Vec::new();
            for at in 0..u.int_in_range(0..=4)? {
                fields.push(Field::new(format!("f{at}"), schema(u, depth - 1)?));
            }
            Kind::Struct(fields)
        }
    };
    Ok(Schema {
        optional: u.arbitrary()?,
        ..Schema::new(kind)
    })
}

fn value(u: &mut Unstructured<'_>, schema: &Arc<Schema>, precision: Precision) -> Result<Value> {
    if schema.optional && u.ratio(1, 4)? {
        return Ok(Value::Null);
    }
    let unit = match precision {
        Precision::Millis => 1000,
        Precision::Micros => 1,
    };
    Ok(match &schema.kind {
        Kind::Int8 => Value::Int(u.arbitrary::<i8>()?.into()),
        Kind::Int16 => Value::Int(u.arbitrary::<i16>()?.into()),
        Kind::Int32 => Value::Int(u.arbitrary::<i32>()?.into()),
        Kind::Int64 => Value::Int(u.arbitrary()?),
        Kind::Float32 => Value::Float(u.arbitrary::<f32>()?.into()),
        Kind::Float64 => Value::Float(u.arbitrary()?),
        Kind::Boolean => Value::Boolean(u.arbitrary()?),
        Kind::String => Value::String(text(u)?),
        Kind::Bytes => Value::Bytes(u.arbitrary::<Vec<u8>>()?.into()),
        Kind::Decimal(scale) => decimal(u, scale.unwrap_or(0))?,
        Kind::Date => Value::Date(u.arbitrary()?),
        Kind::Time => Value::Time(u.int_in_range(0..=(DAY_MICROS - 1) / unit)? * unit),
        Kind::Timestamp => Value::Timestamp(u.arbitrary::<i64>()? / 1000 / unit * unit),
        Kind::Array(item) => {
            let mut items = Vec::new();
            for _ in 0..u.int_in_range(0..=4)? {
                items.push(value(u, item, precision)?);
            }
            Value::Array(items)
        }
        Kind::Map(_, item) => {
            let mut entries = Vec::new();
            for at in 0..u.int_in_range(0..=3)? {
                let name = format!("{at}{}", text(u)?);
                entries.push((Value::from(name.as_str()), value(u, item, precision)?));
            }
            Value::Map(entries)
        }
        Kind::Struct(fields) => {
            let values = fields
                .iter()
                .map(|field| value(u, &field.schema, precision));
            let values = values.collect::<Result<Vec<_>>>()?;
            Value::Struct(Box::new(Struct::new(Arc::clone(schema), values)))
        }
        Kind::Any => Value::Null,
    })
}

fn text(u: &mut Unstructured<'_>) -> Result<Str> {
    Ok(u.arbitrary::<&str>()?.into())
}

fn decimal(u: &mut Unstructured<'_>, scale: i32) -> Result<Value> {
    let size = u.int_in_range(0..=24)?;
    let decimal = Decimal::from_be_bytes(u.bytes(size)?, scale);
    Ok(Value::Decimal(Box::new(decimal)))
}

/// A value of any kind, without a schema.
///
/// # Errors
/// When the bytes are at their end.
pub(crate) fn any_value(u: &mut Unstructured<'_>) -> Result<Value> {
    nested(u, 2)
}

fn nested(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let most = if depth == 0 { 12 } else { 15 };
    Ok(match u.int_in_range(0..=most)? {
        0 => Value::Null,
        1 => Value::Boolean(u.arbitrary()?),
        2 => Value::Int(u.arbitrary()?),
        3 => Value::Int(u.arbitrary::<i8>()?.into()),
        4 => Value::Float(u.arbitrary()?),
        5..=7 => Value::String(text(u)?),
        8 => Value::Bytes(u.arbitrary::<Vec<u8>>()?.into()),
        9 => {
            let most = if u.ratio(1, 64)? { MAX_SCALE } else { 40 };
            let scale = u.int_in_range(-most..=most)?;
            decimal(u, scale)?
        }
        10 => Value::Date(u.arbitrary()?),
        11 => Value::Time(u.arbitrary()?),
        12 => Value::Timestamp(u.arbitrary()?),
        13 => {
            let text = text(u)?;
            match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
                Ok(json) if json.get().starts_with(['[', '{']) => Value::Json(json.get().into()),
                _ => Value::String(text),
            }
        }
        14 => {
            let mut items = Vec::new();
            for _ in 0..u.int_in_range(0..=4)? {
                items.push(nested(u, depth - 1)?);
            }
            Value::Array(items)
        }
        _ => {
            let mut entries = Vec::new();
            for _ in 0..u.int_in_range(0..=3)? {
                entries.push((Value::String(text(u)?), nested(u, depth - 1)?));
            }
            Value::Map(entries)
        }
    })
}
