//! The texts and bytes of a reply, and the values that are made of them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Datum, Field, Kind, Schema, Str, Value};

use super::{Checked, in_field};
use crate::bindings::ferrule::transform::data::{Span, Value as WitValue};
use crate::transform::{digits, nested};

pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// What the spans of a reply are parts of.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) texts: &'a str,
    pub(super) bytes: &'a [u8],
}

impl<'a> Content<'a> {
    pub(super) fn text(self, span: Span) -> Checked<&'a str> {
        let part = range(span).and_then(|range| self.texts.get(range));
        part.ok_or_else(|| "a text is not within the texts of the reply".into())
    }

    fn bytes(self, span: Span) -> Checked<&'a [u8]> {
        let part = range(span).and_then(|range| self.bytes.get(range));
        part.ok_or_else(|| "bytes are not within those of the reply".into())
    }

    /// A scalar keeps the schema of the part that it replaces where it fits it. With `compared`,
    /// what is nested is compared with what it was.
    pub(super) fn scalar(self, (own, compared): (&Datum, bool), made: WitValue) -> Checked<Datum> {
        let Some(schema) = &own.schema else {
            return self.value(made).map(Datum::schemaless);
        };
        if let (WitValue::Json(text), true) = (made, is_nested(&schema.kind)) {
            let before = Some(&own.value).filter(|_| compared);
            if let Ok(value) = nested::lift(self.text(text)?, schema, before) {
                return Ok(Datum::new(Arc::clone(schema), value));
            }
        }
        let value = self.value(made)?;
        let fits = match value {
            Value::Null => schema.optional,
            _ => nested::fits(&schema.kind, &value),
        };
        Ok(if fits {
            Datum::new(Arc::clone(schema), value)
        } else {
            Datum::schemaless(value)
        })
    }

    /// A value for a field; `before` is what stands there.
    pub(super) fn typed(
        self,
        made: WitValue,
        field: &Field,
        before: Option<&Value>,
    ) -> Checked<Value> {
        let schema = &field.schema;
        let value = match made {
            WitValue::Json(text) if is_nested(&schema.kind) => {
                let text = self.text(text);
                text.and_then(|text| nested::lift(text, schema, before))
            }
            _ => self.value(made).and_then(|value| described(value, schema)),
        };
        value.map_err(|why| in_field(&field.name, &why))
    }

    /// A value that nothing describes.
    pub(super) fn value(self, made: WitValue) -> Checked<Value> {
        Ok(match made {
            WitValue::Null => Value::Null,
            WitValue::Boolean(flag) => Value::Boolean(flag),
            WitValue::Int(number) => Value::Int(number),
            WitValue::Float(number) => Value::Float(number),
            WitValue::Text(text) => Value::String(Str::from(self.text(text)?)),
            WitValue::Bytes(bytes) => Value::Bytes(Bytes::copy_from_slice(self.bytes(bytes)?)),
            WitValue::Decimal(text) => Value::Decimal(Box::new(digits::parse(self.text(text)?)?)),
            WitValue::Date(days) => Value::Date(days),
            WitValue::Time(micros) if (0..DAY_MICROS).contains(&micros) => Value::Time(micros),
            WitValue::Time(_) => return Err("a time is not within a day".into()),
            WitValue::Timestamp(micros) => Value::Timestamp(micros),
            WitValue::Json(text) => nested::free(self.text(text)?)?,
        })
    }
}

fn range(span: Span) -> Option<Range<usize>> {
    let start = span.start as usize;
    Some(start..start.checked_add(span.len as usize)?)
}

/// A value in a field of this schema.
pub(super) fn described(value: Value, schema: &Schema) -> Checked<Value> {
    if value.is_null() {
        // Only a schema can ask for a value.
        return if schema.optional || schema.kind == Kind::Any {
            Ok(value)
        } else {
            Err("null in a field that is not optional".into())
        };
    }
    if nested::fits(&schema.kind, &value) {
        return Ok(value);
    }
    let (value, field) = (value.type_name(), schema.type_name());
    Err(format!("a value of type {value} in a field of type {field}").into())
}

pub(super) fn is_nested(kind: &Kind) -> bool {
    matches!(kind, Kind::Array(_) | Kind::Map(..) | Kind::Struct(_))
}
