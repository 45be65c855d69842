//! Values as plain text: what StringConverter writes, and what stands in formats with schemas for a
//! value that no schema describes.

use std::borrow::Cow;

use connect_api::{Kind, Result, Value, json, memory};

/// The text of a value of a kind, where that is known: a string as it is, a number as it is
/// printed, a date or a time in ISO 8601, bytes in base64, nested data as JSON. NaN and infinities
/// have Java's names.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when something within nested data has no form in JSON.
pub(crate) fn text<'a>(kind: Option<&Kind>, value: &'a Value) -> Result<Cow<'a, str>> {
    Ok(match value {
        Value::String(text) | Value::Json(text) => Cow::Borrowed(text),
        Value::Float(number) => Cow::Owned(float(kind, *number)),
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) | Value::Bytes(_) => {
            Cow::Owned(unquoted(value)?)
        }
        value => Cow::Owned(as_json(value)?),
    })
}

/// The shortest digits that tell the number, of 32 bits where its kind says so.
pub(crate) fn float(kind: Option<&Kind>, number: f64) -> String {
    let infinite = match number {
        number if number.is_nan() => return "NaN".to_owned(),
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        number if kind == Some(&Kind::Float32) => return format!("{:?}", number as f32),
        number => return format!("{number:?}"),
    };
    infinite.to_owned()
}

/// A value that is a string in JSON, without the quotes.
pub(crate) fn unquoted(value: &Value) -> Result<String> {
    Ok(as_json(value)?.trim_matches('"').to_owned())
}

fn as_json(value: &Value) -> Result<String> {
    let mut text = String::new();
    json::write(value, &mut text)?;
    Ok(text)
}

/// Counts the memory of the tree of a JSON text, and of what is made of it, before it is parsed: an
/// object of one member takes a node for eleven, and becomes a schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the record has not so much left.
pub(crate) fn charge_tree(text: &str) -> Result<()> {
    const OBJECT: usize = 1024;
    const VALUE: usize = 128;
    let bytes = text.bytes().map(|byte| match byte {
        b'{' => OBJECT,
        b',' | b'[' => VALUE,
        _ => 1,
    });
    memory::charge(bytes.sum())
}

/// Appends items between brackets, with commas between them.
///
/// # Errors
/// The first one of `write`.
pub(crate) fn list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: &[T],
    mut write: impl FnMut(&T, &mut String) -> Result<()>,
) -> Result<()> {
    memory::charge(items.len().saturating_mul(8))?;
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(item, out)?;
    }
    out.push(close);
    Ok(())
}
