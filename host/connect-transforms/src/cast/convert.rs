//! Java's conversions between primitive values, as `Cast` uses them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connect_api::{Decimal, Error, Kind, Result, Schema, Value};

use super::Target;
use crate::rows;
use crate::simple_date_format::{DAY, SimpleDateFormat};

/// What the value alone does not tell.
#[derive(Clone, Copy, Default)]
pub(super) enum Source {
    #[default]
    Other,
    /// Its text has fewer digits than that of a FLOAT64.
    Float32,
}

impl Source {
    pub(super) fn of(schema: &Schema) -> Self {
        match schema.kind {
            Kind::Float32 => Self::Float32,
            _ => Self::Other,
        }
    }
}

/// A number, as Java's `Number` has it.
enum Number<'a> {
    Int(i64),
    Float(f64),
    Decimal(&'a Decimal),
}

/// The value as the target type. Numbers that are too large are cut off, as Java does.
pub(super) fn cast(value: Value, source: Source, target: Target) -> Result<Value> {
    if target == Target::String {
        return to_string(value, source);
    }
    let number = match &value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => return parse(text, target),
        Value::Boolean(flag) => Number::Int(i64::from(*flag)),
        Value::Int(number) => Number::Int(*number),
        Value::Float(number) => Number::Float(*number),
        Value::Decimal(decimal) => Number::Decimal(decimal),
        // Logical types count in Kafka Connect's units.
        Value::Date(days) => Number::Int(i64::from(*days)),
        Value::Time(micros) | Value::Timestamp(micros) => Number::Int(micros.div_euclid(1000)),
        other => return Err(unsupported(other)),
    };
    Ok(match target {
        Target::Int8 => Value::Int(i64::from(number.to_i32()? as i8)),
        Target::Int16 => Value::Int(i64::from(number.to_i32()? as i16)),
        Target::Int32 => Value::Int(i64::from(number.to_i32()?)),
        Target::Int64 => Value::Int(number.to_i64()?),
        Target::Float32 => Value::Float(f64::from(number.to_f32()?)),
        Target::Boolean => Value::Boolean(number.to_i64()? != 0),
        Target::Float64 | Target::String => Value::Float(number.to_f64()?),
    })
}

impl Number<'_> {
    fn to_i32(&self) -> Result<i32> {
        Ok(match self {
            // Java takes the low bits of integers, and the nearest integer to a float.
            Self::Int(number) => *number as i32,
            Self::Float(number) => *number as i32,
            Self::Decimal(decimal) => decimal.low_bits()? as i32,
        })
    }

    fn to_i64(&self) -> Result<i64> {
        match self {
            Self::Int(number) => Ok(*number),
            Self::Float(number) => Ok(*number as i64),
            Self::Decimal(decimal) => decimal.low_bits(),
        }
    }

    fn to_f64(&self) -> Result<f64> {
        match self {
            Self::Int(number) => Ok(*number as f64),
            Self::Float(number) => Ok(*number),
            Self::Decimal(decimal) => decimal.to_f64(),
        }
    }

    fn to_f32(&self) -> Result<f32> {
        match self {
            Self::Int(number) => Ok(*number as f32),
            Self::Float(number) => Ok(*number as f32),
            Self::Decimal(decimal) => decimal.to_f32(),
        }
    }
}

fn unsupported(value: &Value) -> Error {
    let kind = match rows::java_class(value, None) {
        "java.nio.HeapByteBuffer" => {
            return Error::data(
                "Unexpected type in Cast transformation: class java.nio.HeapByteBuffer",
            );
        }
        "java.util.ArrayList" => "ARRAY",
        _ if matches!(value, Value::Struct(_)) => "STRUCT",
        _ => "MAP",
    };
    Error::data(format!(
        "Cast transformation does not support casting from {kind}; supported types are [INT8, \
         INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]"
    ))
}

fn parse(text: &str, target: Target) -> Result<Value> {
    let value = match target {
        Target::Int8 => text.parse::<i8>().ok().map(|n| Value::Int(n.into())),
        Target::Int16 => text.parse::<i16>().ok().map(|n| Value::Int(n.into())),
        Target::Int32 => text.parse::<i32>().ok().map(|n| Value::Int(n.into())),
        Target::Int64 => text.parse::<i64>().ok().map(Value::Int),
        Target::Float32 => {
            let number = java_float(text).and_then(|text| text.parse::<f32>().ok());
            number.map(|n| Value::Float(n.into()))
        }
        Target::Float64 => java_float(text)
            .and_then(|t| t.parse().ok())
            .map(Value::Float),
        Target::Boolean => Some(Value::Boolean(text.eq_ignore_ascii_case("true"))),
        Target::String => Some(Value::from(text)),
    };
    value.ok_or_else(|| {
        let name = target.name();
        Error::data(format!(
            "Value was out of range for requested data type {name}"
        ))
    })
}

/// The text of a float in Java's syntax as Rust reads it: blanks around it, `f` or `d` at its end.
fn java_float(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c| c <= ' ');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(digits, "NaN" | "Infinity") {
        return Some(text);
    }
    let number = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    number
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
        .then_some(number)
}

fn to_string(value: Value, source: Source) -> Result<Value> {
    let text = match &value {
        Value::Null | Value::String(_) => return Ok(value),
        Value::Boolean(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => java_text(*number, source),
        Value::Decimal(decimal) => decimal.to_plain()?,
        Value::Bytes(bytes) => BASE64.encode(bytes),
        Value::Date(days) => format("yyyy-MM-dd", i64::from(*days) * DAY)?,
        Value::Time(micros) => format("HH:mm:ss.SSS'Z'", micros.div_euclid(1000))?,
        Value::Timestamp(micros) => {
            // Kafka Connect goes by the number alone; before 1970 it would lose the date.
            let millis = micros.div_euclid(1000);
            let pattern = match millis {
                0..DAY => "HH:mm:ss.SSS'Z'",
                _ if millis % DAY == 0 => "yyyy-MM-dd",
                _ => "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            };
            format(pattern, millis)?
        }
        other => return Err(unsupported(other)),
    };
    Ok(Value::String(text.into()))
}

fn format(pattern: &str, millis: i64) -> Result<String> {
    let format = SimpleDateFormat::new(pattern).map_err(Error::fatal)?;
    Ok(format.format(millis))
}

/// `Double.toString` and `Float.toString`.
fn java_text(number: f64, source: Source) -> String {
    if !number.is_finite() {
        let text = if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return if number.is_nan() { "NaN" } else { text }.into();
    }
    let scientific = !(1e-3..1e7).contains(&number.abs()) && number != 0.0;
    let text = match (source, scientific) {
        (Source::Float32, true) => format!("{:E}", number as f32),
        (Source::Float32, false) => format!("{:?}", number as f32),
        (Source::Other, true) => format!("{number:E}"),
        (Source::Other, false) => format!("{number:?}"),
    };
    match text.split_once('E') {
        // At least one digit stands behind the point.
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}
