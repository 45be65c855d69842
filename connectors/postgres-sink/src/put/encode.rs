//! A value as the binary form of a column's type. Pure; what does not fit is an error.

mod array;
mod json;
mod net;
mod numeric;
mod text;
mod time;

use std::borrow::Cow;

use connect_api::Value;

use super::catalog::Type;
use crate::config::EpochUnit;

/// Why a value does not fit a column; never the value (Invariant 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub Cow<'static, str>);

impl Misfit {
    fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self(why.into())
    }

    fn out_of_range() -> Self {
        Self::new("cannot hold a number of that size")
    }
}

type Fit = Result<(), Misfit>;

/// The length that stands for null.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Appends a null.
pub(crate) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&NULL);
}

/// Appends the length of the value and the value.
///
/// Nothing is coerced silently: a type takes the values that it can give back as they were, and
/// texts of types that JSON has no values for. What a failed call has appended is of no use.
///
/// # Errors
/// Why the column cannot take the value.
pub(crate) fn value(data_type: &Type, value: &Value, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (_, Value::Null) => null(out),
        (Type::Text(limit), Value::String(text)) => return text::text(text, *limit, out),
        (Type::Int8, Value::Int(number)) => fixed(out, number.to_be_bytes()),
        (Type::Int4, Value::Int(number)) => fixed(out, narrow::<i32>(*number)?.to_be_bytes()),
        (Type::Int2, Value::Int(number)) => fixed(out, narrow::<i16>(*number)?.to_be_bytes()),
        (Type::Int2 | Type::Int4 | Type::Int8, Value::Decimal(decimal)) => {
            return self::value(data_type, &Value::Int(numeric::integer(decimal)?), out);
        }
        (Type::Bool, Value::Boolean(flag)) => fixed(out, [u8::from(*flag)]),
        (Type::Float8, Value::Float(number)) => fixed(out, number.to_be_bytes()),
        (Type::Float8, Value::Int(number)) => {
            fixed(
                out,
                numeric::exact(*number, f64::MANTISSA_DIGITS)?.to_be_bytes(),
            );
        }
        (Type::Float4, Value::Float(number)) => {
            fixed(out, numeric::single(*number)?.to_be_bytes());
        }
        (Type::Float4, Value::Int(number)) => {
            let exact = numeric::exact(*number, f32::MANTISSA_DIGITS)?;
            fixed(out, (exact as f32).to_be_bytes());
        }
        (Type::Numeric(limits), Value::Int(number)) => {
            return numeric::from_integer(*number, *limits, out);
        }
        (Type::Numeric(limits), Value::Float(number)) => {
            return numeric::from_float(*number, *limits, out);
        }
        (Type::Numeric(limits), Value::Decimal(decimal)) => {
            return numeric::from_decimal(decimal, *limits, out);
        }
        (Type::Bytea, Value::Bytes(bytes)) => return sized(out, bytes),
        (Type::Json | Type::Jsonb, _) => {
            return json::value(*data_type == Type::Jsonb, value, out);
        }
        (Type::Array(of, number), _) => return array::value(of, *number, value, out),
        _ => return less_common(data_type, value, out),
    }
    Ok(())
}

/// Appends an integer that counts from 1970 on as a timestamp or a date.
///
/// # Errors
/// As [`value`].
pub(crate) fn epoch(data_type: &Type, number: i64, unit: EpochUnit, out: &mut Vec<u8>) -> Fit {
    let micros = match (data_type, unit) {
        // A date reaches further than a timestamp.
        (Type::Date, EpochUnit::Days) => {
            fixed(out, time::date(number)?.to_be_bytes());
            return Ok(());
        }
        _ => time::since_epoch(number, unit)?,
    };
    if *data_type == Type::Date {
        fixed(out, time::midnight(micros)?.to_be_bytes());
    } else {
        fixed(out, time::timestamp(micros)?.to_be_bytes());
    }
    Ok(())
}

fn less_common(data_type: &Type, value: &Value, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (Type::Timestamptz | Type::Timestamp, Value::Timestamp(micros)) => {
            fixed(out, time::timestamp(*micros)?.to_be_bytes());
        }
        (Type::Timestamptz | Type::Timestamp, Value::String(text)) => {
            let micros = time::timestamp(time::parse_timestamp(text)?)?;
            fixed(out, micros.to_be_bytes());
        }
        (Type::Date, Value::Date(days)) => {
            fixed(out, time::date(i64::from(*days))?.to_be_bytes());
        }
        (Type::Date, Value::String(text)) => {
            fixed(out, time::date(time::parse_date(text)?)?.to_be_bytes());
        }
        (Type::Time, Value::Time(micros)) => fixed(out, time::time(*micros)?.to_be_bytes()),
        (Type::Time, Value::String(text)) => {
            fixed(out, time::time(time::parse_time(text)?)?.to_be_bytes());
        }
        (Type::Uuid, Value::String(text)) => fixed(out, text::uuid(text)?),
        (Type::Uuid, Value::Bytes(bytes)) => match <[u8; 16]>::try_from(bytes.as_ref()) {
            Ok(bytes) => fixed(out, bytes),
            Err(_) => return Err(Misfit::new("cannot take bytes that are not 16")),
        },
        (Type::Name, Value::String(text)) => return text::name(text, out),
        (Type::Enum(labels), Value::String(text)) => return text::label(text, labels, out),
        (Type::Inet, Value::String(text)) => return net::inet(text, out),
        (Type::Cidr, Value::String(text)) => return net::cidr(text, out),
        _ => {
            return Err(Misfit::new(format!(
                "cannot take a value of type {}",
                value.type_name()
            )));
        }
    }
    Ok(())
}

fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// The longest value that Postgres takes.
const MAX_LENGTH: usize = 0x3fff_ffff;

fn sized(out: &mut Vec<u8>, bytes: &[u8]) -> Fit {
    out.extend_from_slice(&length(bytes.len())?);
    out.extend_from_slice(bytes);
    Ok(())
}

fn length(length: usize) -> Result<[u8; 4], Misfit> {
    match i32::try_from(length) {
        Ok(length) if length as usize <= MAX_LENGTH => Ok(length.to_be_bytes()),
        _ => Err(Misfit::new("cannot take a value of 1 GiB or more")),
    }
}

/// Appends what `write` does, with its length before it.
fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Fit) -> Fit {
    let start = out.len();
    out.extend_from_slice(&NULL);
    write(out)?;
    let length = length(out.len() - start - 4)?;
    out[start..start + 4].copy_from_slice(&length);
    Ok(())
}

fn narrow<T: TryFrom<i64>>(number: i64) -> Result<T, Misfit> {
    T::try_from(number).map_err(|_| Misfit::out_of_range())
}
