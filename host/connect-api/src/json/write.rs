//! Values as JSON text.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Day, Error, Result, Value, memory};

/// Appends the JSON text of a value. Bytes become base64; dates and times ISO 8601 text.
///
/// # Errors
/// [`crate::ErrorKind::Data`] for what JSON cannot say: NaN, infinities, keys that are not scalar.
pub fn write(value: &Value, out: &mut String) -> Result<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => push(out, number),
        Value::Float(number) if number.is_finite() => push(out, format_args!("{number:?}")),
        Value::Float(_) => return Err(Error::data("JSON cannot hold NaN or an infinity")),
        Value::Decimal(decimal) => out.push_str(&decimal.to_plain()?),
        Value::String(text) => {
            memory::charge(text.len())?;
            write_str(text, out);
        }
        Value::Bytes(bytes) => {
            memory::charge(bytes.len().saturating_mul(2))?;
            push(out, format_args!("\"{}\"", BASE64.encode(bytes)));
        }
        Value::Date(days) => push(out, format_args!("\"{}\"", IsoDate(i64::from(*days)))),
        Value::Time(micros) if *micros < 0 => {
            return Err(Error::data("JSON cannot hold a time before midnight"));
        }
        Value::Time(micros) => push(out, format_args!("\"{}\"", IsoTime(*micros))),
        Value::Timestamp(micros) => push(out, format_args!("\"{}\"", IsoTimestamp(*micros))),
        Value::Json(text) => {
            memory::charge(text.len())?;
            out.push_str(text);
        }
        Value::Array(items) => {
            return write_list(out, '[', ']', items, write);
        }
        Value::Map(entries) => {
            return write_list(out, '{', '}', entries, |(key, value), out| {
                write_str(&key_text(key)?, out);
                out.push(':');
                write(value, out)
            });
        }
        Value::Struct(row) => {
            let fields = row.schema().fields().unwrap_or_default().iter();
            let pairs: Vec<_> = fields.zip(row.values()).collect();
            return write_list(out, '{', '}', &pairs, |(field, value), out| {
                memory::charge(field.name.len())?;
                write_str(&field.name, out);
                out.push(':');
                write(value, out)
            });
        }
    }
    Ok(())
}

fn push(out: &mut String, what: impl fmt::Display) {
    // Writing to a String never fails.
    let _ = write!(out, "{what}");
}

fn write_list<T>(
    out: &mut String,
    open: char,
    close: char,
    items: &[T],
    mut each: impl FnMut(&T, &mut String) -> Result<()>,
) -> Result<()> {
    out.push(open);
    // A sign between two, and what a short item takes.
    memory::charge(items.len().saturating_mul(8))?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out)?;
    }
    out.push(close);
    Ok(())
}

fn key_text(key: &Value) -> Result<Cow<'_, str>> {
    match key {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Boolean(_) | Value::Int(_) | Value::Float(_) | Value::Decimal(_) => {
            let mut text = String::new();
            write(key, &mut text)?;
            Ok(Cow::Owned(text))
        }
        _ => Err(Error::data(format!(
            "a JSON object cannot have a key of type {}",
            key.type_name()
        ))),
    }
}

fn write_str(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[clean..i]);
        clean = i + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => push(out, format_args!("\\u{byte:04x}")),
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

/// Days since the epoch as `YYYY-MM-DD` of the proleptic Gregorian calendar.
struct IsoDate(i64);

impl fmt::Display for IsoDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Day { year, month, day } = Day::after_epoch(self.0);
        match year {
            0..=9999 => write!(f, "{year:04}-{month:02}-{day:02}"),
            // ISO 8601's expanded years carry a sign.
            _ => write!(f, "{year:+07}-{month:02}-{day:02}"),
        }
    }
}

/// Microseconds since midnight as `HH:MM:SS[.ffffff]`.
struct IsoTime(i64);

impl fmt::Display for IsoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        write!(
            f,
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )?;
        match micros {
            0 => Ok(()),
            _ if micros % 1000 == 0 => write!(f, ".{:03}", micros / 1000),
            _ => write!(f, ".{micros:06}"),
        }
    }
}

/// Microseconds since the epoch as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`.
pub struct IsoTimestamp(pub i64);

impl fmt::Display for IsoTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400_000_000;
        write!(
            f,
            "{}T{}Z",
            IsoDate(self.0.div_euclid(DAY)),
            IsoTime(self.0.rem_euclid(DAY))
        )
    }
}
