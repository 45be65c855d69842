//! A value in the binary form of a column's type. Pure; a value that does not fit is an error.

mod array;
mod bits;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
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

use crate::config::{NulCharacters, Rules};
use crate::put::catalog::Type;

pub(crate) use meaning::Meaning;
use time::{Infinity, Moment};

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
    /// The same rules for dates and times that are not points in time: no zone changes them.
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
/// Nothing is coerced silently: a type takes values that Postgres gives back unchanged, and texts
/// of types that JSON has no values for. After an error, what was appended is incomplete.
///
/// # Errors
/// Why the column cannot take the value.
pub(crate) fn value(data_type: &Type, value: &Value, rules: Rules, out: &mut Vec<u8>) -> Fit {
    if value.is_null() {
        null(out);
        return Ok(());
    }
    if rules.reads_texts
        && let Value::String(text) = value
        && let Some(read) = text::read(data_type, text)
    {
        return self::value(data_type, &read?, rules, out);
    }
    let nul_characters = rules.nul_characters;
    // Without a wildcard: a new type does not compile until it has an encoder.
    match data_type {
        Type::Text(limit) => text::text(text_of(value)?, *limit, nul_characters, out),
        Type::Int8 => integer(value, rules, out, i64::to_be_bytes),
        Type::Int4 => integer(value, rules, out, i32::to_be_bytes),
        Type::Int2 => integer(value, rules, out, i16::to_be_bytes),
        Type::Bool => match value {
            Value::Boolean(flag) => fixed(out, [u8::from(*flag)]),
            _ => Err(Misfit::of_type(value)),
        },
        Type::Float8 => numeric::float8(value, out),
        Type::Float4 => numeric::float4(value, out),
        Type::Numeric(limits) => numeric::numeric(value, numeric::Column::new(*limits, rules), out),
        Type::Bytea => match value {
            Value::Bytes(bytes) => sized(out, bytes),
            _ => Err(Misfit::of_type(value)),
        },
        Type::Json => json::value(None, value, out),
        Type::Jsonb => json::value(Some(nul_characters), value, out),
        Type::Timestamptz(digits) => match infinity_of(value) {
            Some(end) => fixed(out, end.timestamp()),
            None => timestamptz(timestamp_of(value, rules)?, *digits, rules, out),
        },
        Type::Timestamp(digits) => match infinity_of(value) {
            Some(end) => fixed(out, end.timestamp()),
            None => timestamp(timestamp_of(value, rules)?, *digits, rules, out),
        },
        Type::Date => date(value, rules, out),
        Type::Time(digits) => time(value, *digits, rules, out),
        Type::Timetz(digits) => timetz(value, *digits, rules, out),
        Type::Interval(digits) => {
            let interval = interval::parse(text_of(value)?, rules)?;
            fixed(out, interval.precise(*digits, rules)?.to_bytes()?)
        }
        Type::Uuid => match value {
            Value::Bytes(bytes) => match <[u8; 16]>::try_from(bytes.as_ref()) {
                Ok(bytes) => fixed(out, bytes),
                Err(_) => Err(Misfit::new("cannot take bytes that are not 16")),
            },
            _ => fixed(out, text::uuid(text_of(value)?)?),
        },
        Type::Name => text::name(text_of(value)?, nul_characters, out),
        Type::Enum(labels) => text::label(text_of(value)?, labels, out),
        Type::Xml | Type::Input(_) => text::input(text_of(value)?, out),
        Type::Versioned => text::versioned(text_of(value)?, out),
        Type::Vector => input::vector(value, out),
        Type::Inet => net::inet(text_of(value)?, out),
        Type::Cidr => net::cidr(text_of(value)?, out),
        Type::Macaddr => fixed(out, net::macaddr(text_of(value)?)?),
        Type::Macaddr8 => fixed(out, net::macaddr8(text_of(value)?)?),
        Type::Bit(_) | Type::Varbit(_) => bits::value(data_type, value, out),
        Type::Hstore => hstore::value(value, nul_characters, out),
        Type::Array(element, oid) => {
            array::value(array::Elements::new(element, *oid, rules), value, out)
        }
        Type::Unsupported => Err(Misfit::of_type(value)),
    }
}

fn text_of(value: &Value) -> Result<&str, Misfit> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Misfit::of_type(value)),
    }
}

/// A logical date, time or timestamp is the number that Connect's schemas make of it: days since
/// 1970-01-01, milliseconds since midnight, milliseconds since 1970-01-01 in UTC.
fn integer<T: TryFrom<i64>, const N: usize>(
    value: &Value,
    rules: Rules,
    out: &mut Vec<u8>,
    to_be_bytes: impl Fn(T) -> [u8; N],
) -> Fit {
    let number = match value {
        Value::Int(number) => *number,
        Value::Decimal(decimal) => numeric::integer(decimal)?,
        Value::Date(days) => i64::from(*days),
        Value::Time(micros) | Value::Timestamp(micros) => {
            time::precise(*micros, 3, rules)?.div_euclid(1000)
        }
        _ => return Err(Misfit::of_type(value)),
    };
    let number = T::try_from(number).map_err(|_| Misfit::out_of_range())?;
    fixed(out, to_be_bytes(number))
}

/// A date or a time as a column without a time zone shows it, for a default. Other values are not
/// changed.
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

/// As [`value`], for a value that may still be JSON text: most need not become a [`Value`] first.
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
        (_, ValueRef::Null) => {
            null(out);
            Ok(())
        }
        (_, ValueRef::Value(value)) => self::value(data_type, value, rules, out),
        (Type::Text(limit), ValueRef::String(text)) => {
            text::text(text, *limit, rules.nul_characters, out)
        }
        (Type::Int8, ValueRef::Int(number)) => fixed(out, number.to_be_bytes()),
        (Type::Numeric(limits), ValueRef::Literal(number)) => {
            numeric::literal(number, numeric::Column::new(*limits, rules), out)
        }
        (Type::Timestamptz(digits), ValueRef::String(text)) => match Infinity::parse(text) {
            Some(end) => fixed(out, end.timestamp()),
            None => timestamptz(time::parse_timestamp(text, rules)?, *digits, rules, out),
        },
        (Type::Timestamp(digits), ValueRef::String(text)) => match Infinity::parse(text) {
            Some(end) => fixed(out, end.timestamp()),
            None => timestamp(time::parse_timestamp(text, rules)?, *digits, rules, out),
        },
        (Type::Json, ValueRef::Json(text)) => json::text(None, text, out),
        (Type::Jsonb, ValueRef::Json(text)) => json::text(Some(rules.nul_characters), text, out),
        (Type::Array(element, oid), ValueRef::Json(text)) => {
            array::text(array::Elements::new(element, *oid, rules), text, out)
        }
        _ => self::value(data_type, &value.to_value(), rules, out),
    }
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
    if let Type::Array(element, oid) = data_type {
        let mut elements = array::Elements::new(element, *oid, rules);
        elements.meaning = Some(meaning);
        return match value {
            Value::Null => self::value(data_type, value, rules, out),
            _ => array::value(elements, value, out),
        };
    }
    meaning::value(meaning, data_type, value, rules, out)
}

/// The end of time that a text names.
fn infinity_of(value: &Value) -> Option<Infinity> {
    match value {
        Value::String(text) => Infinity::parse(text),
        _ => None,
    }
}

fn timestamp_of(value: &Value, rules: Rules) -> Result<Moment, Misfit> {
    match value {
        Value::Timestamp(micros) => Ok(Moment {
            micros: *micros,
            is_point_in_time: true,
        }),
        Value::String(text) => time::parse_timestamp(text, rules),
        _ => Err(Misfit::of_type(value)),
    }
}

fn timestamptz(moment: Moment, digits: u8, rules: Rules, out: &mut Vec<u8>) -> Fit {
    let micros = time::precise(moment.micros, digits, rules)?;
    fixed(out, time::timestamp(micros)?.to_be_bytes())
}

/// A point in time is shown in the zone of the rules, as the column has none.
fn timestamp(moment: Moment, digits: u8, rules: Rules, out: &mut Vec<u8>) -> Fit {
    let zone = rules.zone.filter(|_| moment.is_point_in_time);
    let micros = time::precise(time::shown(moment.micros, zone)?, digits, rules)?;
    fixed(out, time::timestamp(micros)?.to_be_bytes())
}

fn date(value: &Value, rules: Rules, out: &mut Vec<u8>) -> Fit {
    if let Some(end) = infinity_of(value) {
        return fixed(out, end.date());
    }
    let days = match value {
        Value::Date(days) => time::shown_date(i64::from(*days), rules.date_zone),
        _ => time::parse_date(text_of(value)?)?,
    };
    fixed(out, time::date(days)?.to_be_bytes())
}

fn time(value: &Value, digits: u8, rules: Rules, out: &mut Vec<u8>) -> Fit {
    let micros = match value {
        Value::Time(micros) => time::shown_time(*micros, rules.zone)?,
        _ => time::parse_time(text_of(value)?, rules)?,
    };
    let micros = time::time(time::precise(micros, digits, rules)?)?;
    fixed(out, micros.to_be_bytes())
}

fn timetz(value: &Value, digits: u8, rules: Rules, out: &mut Vec<u8>) -> Fit {
    let (micros, east) = match value {
        Value::Time(micros) => (*micros, 0),
        _ => time::parse_timetz(text_of(value)?, rules)?,
    };
    let micros = time::time(time::precise(micros, digits, rules)?)?;
    fixed(out, time::timetz(micros, east))
}

fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) -> Fit {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
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

#[cfg(test)]
mod tests;
