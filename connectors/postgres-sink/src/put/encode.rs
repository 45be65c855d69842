//! A value as the binary form of a column's type. Pure; what does not fit is an error.

mod array;
mod bits;
mod hstore;
mod input;
mod interval;
mod json;
mod meaning;
mod net;
mod numeric;
mod text;
mod time;

use std::borrow::Cow;

use connect_api::{Value, ValueRef};

use super::catalog::Type;
use crate::config::{NulCharacters, Rules};

pub(crate) use meaning::Meaning;

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

    fn of_type(value: &Value) -> Self {
        Self::new(format!("cannot take a value of type {}", value.type_name()))
    }
}

type Fit = Result<(), Misfit>;

impl Rules {
    /// The same for values that are no points in time: they stay what they are.
    fn local(self) -> Self {
        Self {
            zone: None,
            date_zone: None,
            ..self
        }
    }
}

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
pub(crate) fn value(data_type: &Type, value: &Value, rules: Rules, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (_, Value::Null) => null(out),
        (Type::Text(limit), Value::String(text)) => {
            return text::text(text, *limit, rules.nul_characters, out);
        }
        (Type::Int8, Value::Int(number)) => fixed(out, number.to_be_bytes()),
        (Type::Int4, Value::Int(number)) => fixed(out, narrow::<i32>(*number)?.to_be_bytes()),
        (Type::Int2, Value::Int(number)) => fixed(out, narrow::<i16>(*number)?.to_be_bytes()),
        (Type::Int2 | Type::Int4 | Type::Int8, Value::Decimal(decimal)) => {
            let number = Value::Int(numeric::integer(decimal)?);
            return self::value(data_type, &number, rules, out);
        }
        (Type::Bool, Value::Boolean(flag)) => fixed(out, [u8::from(*flag)]),
        (Type::Float8 | Type::Float4, _) => return numeric::float(data_type, value, out),
        (Type::Numeric(limits), _) => {
            return numeric::numeric(value, *limits, rules.rounds_decimals, out);
        }
        (Type::Bytea, Value::Bytes(bytes)) => return sized(out, bytes),
        (Type::Json | Type::Jsonb, _) => {
            let nul_characters = (*data_type == Type::Jsonb).then_some(rules.nul_characters);
            return json::value(nul_characters, value, out);
        }
        (Type::Array(of, number), _) => {
            let of = array::Of {
                data_type: of,
                number: *number,
                meaning: None,
                rules,
            };
            return array::value(of, value, out);
        }
        (
            Type::Timestamptz(_)
            | Type::Timestamp(_)
            | Type::Date
            | Type::Time(_)
            | Type::Timetz(_)
            | Type::Interval(_),
            _,
        ) => return temporal(data_type, value, rules, out),
        _ => return less_common(data_type, value, rules, out),
    }
    Ok(())
}

/// A date or a time as a column without a time zone shows it, for a default; any other as it is.
///
/// # Errors
/// When it is out of range.
pub(crate) fn shown(value: &Value, rules: Rules) -> Result<Value, Misfit> {
    match value {
        Value::Date(days) => {
            let days = time::shown_date(i64::from(*days), rules.date_zone);
            let days = i32::try_from(days).map_err(|_| time::out_of_range());
            days.map(Value::Date)
        }
        Value::Time(micros) => time::shown_time(*micros, rules.zone).map(Value::Time),
        other => Ok(other.clone()),
    }
}

/// The same for a value that may still be JSON text: most need not become values first.
///
/// # Errors
/// As [`value`].
pub(crate) fn value_ref(
    data_type: &Type,
    value: ValueRef<'_>,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Fit {
    match (data_type, value) {
        (_, ValueRef::Null) => null(out),
        (_, ValueRef::Value(value)) => return self::value(data_type, value, rules, out),
        (Type::Text(limit), ValueRef::String(text)) => {
            return text::text(text, *limit, rules.nul_characters, out);
        }
        (Type::Int8, ValueRef::Int(number)) => fixed(out, number.to_be_bytes()),
        (Type::Numeric(limits), ValueRef::Literal(number)) => {
            return numeric::literal(number, *limits, rules.rounds_decimals, out);
        }
        (Type::Timestamptz(digits) | Type::Timestamp(digits), ValueRef::String(text)) => {
            let point = time::parse_timestamp(text, rules)?;
            fixed(
                out,
                timestamp(data_type, point, *digits, rules)?.to_be_bytes(),
            );
        }
        (Type::Json | Type::Jsonb, ValueRef::Json(text)) => {
            let nul_characters = (*data_type == Type::Jsonb).then_some(rules.nul_characters);
            return json::text(nul_characters, text, out);
        }
        (Type::Array(of, number), ValueRef::Json(text)) => {
            let of = array::Of {
                data_type: of,
                number: *number,
                meaning: None,
                rules,
            };
            return array::text(of, text, out);
        }
        _ => return self::value(data_type, &value.to_value(), rules, out),
    }
    Ok(())
}

/// Appends a value whose schema tells more of it than its type.
///
/// # Errors
/// As [`value`].
pub(crate) fn meant(
    meaning: Meaning,
    data_type: &Type,
    value: &Value,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Fit {
    if let Type::Array(of, number) = data_type {
        let of = array::Of {
            data_type: of,
            number: *number,
            meaning: Some(meaning),
            rules,
        };
        return match value {
            Value::Null => self::value(data_type, value, rules, out),
            _ => array::value(of, value, out),
        };
    }
    meaning::value(meaning, data_type, value, rules, out)
}

fn temporal(data_type: &Type, value: &Value, rules: Rules, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (Type::Timestamptz(digits) | Type::Timestamp(digits), _) => {
            let point = match value {
                Value::Timestamp(micros) => (*micros, true),
                Value::String(text) => time::parse_timestamp(text, rules)?,
                _ => return Err(Misfit::of_type(value)),
            };
            let micros = timestamp(data_type, point, *digits, rules)?;
            fixed(out, micros.to_be_bytes());
        }
        (Type::Date, Value::Date(days)) => {
            let days = time::shown_date(i64::from(*days), rules.date_zone);
            fixed(out, time::date(days)?.to_be_bytes());
        }
        (Type::Date, Value::String(text)) => {
            fixed(out, time::date(time::parse_date(text)?)?.to_be_bytes());
        }
        (Type::Time(digits), _) => {
            let micros = match value {
                Value::Time(micros) => time::shown_time(*micros, rules.zone)?,
                Value::String(text) => time::parse_time(text, rules)?,
                _ => return Err(Misfit::of_type(value)),
            };
            let micros = time::time(time::precise(micros, *digits, rules)?)?;
            fixed(out, micros.to_be_bytes());
        }
        (Type::Timetz(digits), _) => {
            let (micros, east) = match value {
                Value::Time(micros) => (*micros, 0),
                Value::String(text) => time::parse_timetz(text, rules)?,
                _ => return Err(Misfit::of_type(value)),
            };
            let micros = time::time(time::precise(micros, *digits, rules)?)?;
            fixed(out, time::timetz(micros, east));
        }
        (Type::Interval(digits), Value::String(text)) => {
            let interval = interval::parse(text, rules)?;
            fixed(out, interval.precise(*digits, rules)?.to_bytes()?);
        }
        _ => return Err(Misfit::of_type(value)),
    }
    Ok(())
}

/// Microseconds since 2000, with so many digits of a second. A point in time is shown in the zone
/// of the rules where the column has none.
fn timestamp(
    data_type: &Type,
    (micros, is_point): (i64, bool),
    digits: u8,
    rules: Rules,
) -> Result<i64, Misfit> {
    let has_zone = matches!(data_type, Type::Timestamptz(_));
    let zone = rules.zone.filter(|_| is_point && !has_zone);
    let micros = time::shown(micros, zone)?;
    time::timestamp(time::precise(micros, digits, rules)?)
}

fn less_common(data_type: &Type, value: &Value, rules: Rules, out: &mut Vec<u8>) -> Fit {
    let nul_characters = rules.nul_characters;
    match (data_type, value) {
        (Type::Uuid, Value::String(text)) => fixed(out, text::uuid(text)?),
        (Type::Uuid, Value::Bytes(bytes)) => match <[u8; 16]>::try_from(bytes.as_ref()) {
            Ok(bytes) => fixed(out, bytes),
            Err(_) => return Err(Misfit::new("cannot take bytes that are not 16")),
        },
        (Type::Name, Value::String(text)) => return text::name(text, nul_characters, out),
        (Type::Enum(labels), Value::String(text)) => return text::label(text, labels, out),
        (Type::Xml | Type::Input(_), Value::String(text)) => return text::input(text, out),
        (Type::Versioned, Value::String(text)) => return text::versioned(text, out),
        (Type::Vector, _) => return input::vector(value, out),
        (Type::Inet, Value::String(text)) => return net::inet(text, out),
        (Type::Cidr, Value::String(text)) => return net::cidr(text, out),
        (Type::Macaddr, Value::String(text)) => fixed(out, net::macaddr(text)?),
        (Type::Macaddr8, Value::String(text)) => fixed(out, net::macaddr8(text)?),
        (Type::Bit(_) | Type::Varbit(_), _) => return bits::value(data_type, value, out),
        (Type::Hstore, _) => return hstore::value(value, nul_characters, out),
        _ => return Err(Misfit::of_type(value)),
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

#[cfg(test)]
mod tests;
