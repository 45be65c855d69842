//! Writing Protobuf: the values of a row in the order of their numbers, as Java's messages are.

mod names;
mod out;
pub(super) mod plan;
mod text;

use connect_api::{Day, Error, Result, Value, memory};

use super::types::{has_date, has_timestamp};
use out::{FieldOut, Label, MessageOut, Out, Target};
use plan::Written;

/// Nanoseconds of a microsecond.
const NANOS: i64 = 1000;

/// Appends a message.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the value is not of the schema.
pub(super) fn message(written: &Written, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    row(&written.message, value, out)
}

/// The list of indexes that stands behind the schema's id.
pub(super) fn indexes(indexes: &[usize]) -> Vec<u8> {
    // The first message of the text is told by one zero.
    if indexes == [0] {
        return vec![0];
    }
    let mut out = Vec::new();
    let number = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    varint(zigzag(number(indexes.len())), &mut out);
    for index in indexes {
        varint(zigzag(number(*index)), &mut out);
    }
    out
}

fn row(message: &MessageOut, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let values = match (value, message.is_wrapper) {
        // A value that stands alone is the only field of its message.
        (value, true) => std::slice::from_ref(value),
        (Value::Struct(row), false) => row.values(),
        (other, false) => return Err(unfit(other, "a struct")),
    };
    for target in &message.fields {
        let value = values.get(target.slot);
        let value = match (value, target.member) {
            (Some(Value::Struct(union)), Some(member)) => union.values().get(member),
            (value, None) => value,
            (Some(Value::Null) | None, Some(_)) => None,
            (Some(other), Some(_)) => return Err(unfit(other, "a struct of a union")),
        };
        let value = match value {
            // A union has one value, and no default beside it.
            None | Some(Value::Null) if target.member.is_some() => None,
            None | Some(Value::Null) => target.default.as_ref(),
            value => value,
        };
        if let Some(value) = value {
            field(target, value, out).map_err(|e| e.context(format!("field {}", target.name)))?;
        }
    }
    Ok(())
}

fn field(target: &Target, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let FieldOut {
        number,
        label,
        out: kind,
    } = &target.field;
    match (label, kind, value) {
        (Label::Repeated, Out::Entry(entry), Value::Map(entries)) => {
            for (key, item) in entries {
                tag(*number, 2, out);
                sized(out, |out| {
                    for (target, value) in entry.iter().zip([key, item]) {
                        if !value.is_null() {
                            field(target, value, out)?;
                        }
                    }
                    Ok(())
                })?;
            }
            Ok(())
        }
        (Label::Repeated, kind, Value::Array(items)) if kind.is_packed() => {
            if items.is_empty() {
                return Ok(());
            }
            tag(*number, 2, out);
            sized(out, |out| {
                items.iter().try_for_each(|item| scalar(kind, item, out))
            })
        }
        (Label::Repeated, kind, Value::Array(items)) => {
            for item in items {
                tag(*number, kind.wire(), out);
                scalar(kind, item, out)?;
            }
            Ok(())
        }
        (Label::Repeated, _, other) => Err(unfit(other, "an array or a map")),
        (Label::Implicit, kind, value) if kind.is_zero(value) => Ok(()),
        (_, kind, value) => {
            tag(*number, kind.wire(), out);
            scalar(kind, value, out)
        }
    }
}

fn scalar(kind: &Out, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (kind, value) {
        (Out::Int(range), Value::Int(number)) if range.contains(number) => {
            varint(number.cast_unsigned(), out);
        }
        // Numbers without a sign are Java's with one, and are written as those bits.
        (Out::Unsigned32, Value::Int(number)) if u32::try_from(*number).is_ok() => {
            varint(number.cast_unsigned(), out);
        }
        (Out::Zigzag(range), Value::Int(number)) if range.contains(number) => {
            varint(zigzag(*number), out);
        }
        (Out::Fixed32(range), Value::Int(number)) if range.contains(number) => {
            out.extend((*number as u32).to_le_bytes());
        }
        (Out::Fixed64, Value::Int(number)) => out.extend(number.to_le_bytes()),
        (Out::Float, Value::Float(number)) => out.extend((*number as f32).to_le_bytes()),
        (Out::Double, Value::Float(number)) => out.extend(number.to_le_bytes()),
        (Out::Boolean, Value::Boolean(flag)) => out.push((*flag).into()),
        (Out::String, Value::String(text)) => bytes(text.as_bytes(), out),
        (Out::Text, value) if !value.is_null() => {
            bytes(crate::text::text(None, value)?.as_bytes(), out);
        }
        (Out::Bytes, Value::Bytes(given)) => bytes(given, out),
        (Out::Enum(symbols), Value::String(symbol)) => {
            let number = symbols
                .get(&**symbol)
                .ok_or_else(|| Error::data("a string that is none of the symbols of its enum"))?;
            varint(i64::from(*number).cast_unsigned(), out);
        }
        (Out::Wrapper(inner), value) => sized(out, |out| {
            if inner.is_zero(value) {
                return Ok(());
            }
            tag(1, inner.wire(), out);
            scalar(inner, value, out)
        })?,
        (Out::Message(message), value) => sized(out, |out| row(message, value, out))?,
        (kind @ (Out::Decimal | Out::Date | Out::Time | Out::Timestamp), value) => {
            sized(out, |out| known(kind, value, out))?;
        }
        (_, other) => return Err(unfit(other, "what its schema says")),
    }
    Ok(())
}

/// One of Google's or Confluent's own types.
fn known(kind: &Out, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match (kind, value) {
        (Out::Decimal, Value::Decimal(decimal)) => {
            tag(1, 2, out);
            bytes(&decimal.unscaled.to_signed_bytes_be(), out);
            let text = decimal.unscaled.to_string();
            let precision = text.trim_start_matches('-').len();
            number(2, i64::try_from(precision).unwrap_or(i64::MAX), out);
            number(3, decimal.scale.into(), out);
        }
        (Out::Date, Value::Date(days)) => {
            if !has_date((*days).into()) {
                return Err(Error::data("a date beyond the years 1 to 9999"));
            }
            let day = Day::after_epoch((*days).into());
            number(1, day.year, out);
            number(2, day.month, out);
            number(3, day.day, out);
        }
        (Out::Time, Value::Time(micros)) => {
            let seconds = micros.div_euclid(1_000_000);
            if !(0..86_400).contains(&seconds) {
                return Err(Error::data("a time beyond a day"));
            }
            number(1, seconds / 3600, out);
            number(2, seconds / 60 % 60, out);
            number(3, seconds % 60, out);
            number(4, micros.rem_euclid(1_000_000) * NANOS, out);
        }
        (Out::Timestamp, Value::Timestamp(micros)) => {
            let seconds = micros.div_euclid(1_000_000);
            if !has_timestamp(seconds) {
                return Err(Error::data("a timestamp beyond the years 1 to 9999"));
            }
            number(1, seconds, out);
            number(2, micros.rem_euclid(1_000_000) * NANOS, out);
        }
        (_, other) => return Err(unfit(other, "what its schema says")),
    }
    Ok(())
}

/// A number that is left out where it is zero.
fn number(field: u32, number: i64, out: &mut Vec<u8>) {
    if number != 0 {
        tag(field, 0, out);
        varint(number.cast_unsigned(), out);
    }
}

fn unfit(value: &Value, expected: &str) -> Error {
    Error::data(format!(
        "a value of type {} is not {expected}",
        value.type_name()
    ))
}

fn tag(number: u32, wire: u32, out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | wire), out);
}

fn bytes(given: &[u8], out: &mut Vec<u8>) {
    varint(given.len() as u64, out);
    out.extend_from_slice(given);
}

/// Writes something behind its length.
fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let start = out.len();
    // Most lengths take one byte.
    out.push(0);
    write(out)?;
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return Ok(());
    }
    memory::charge(length.min(1024))?;
    let mut head = Vec::with_capacity(10);
    varint(length as u64, &mut head);
    out.splice(start..=start, head);
    Ok(())
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn varint(mut rest: u64, out: &mut Vec<u8>) {
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
