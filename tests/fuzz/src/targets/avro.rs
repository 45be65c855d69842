//! Avro: schemas as texts, and values.

use arbitrary::Unstructured;
use connect_api::{Kind, Schema};
use connect_converters::fuzzing::{read_avro, write_avro};

use crate::generate::Precision;
use crate::parts::Parts;
use crate::{Target, generate, sound};

pub(super) const READ: Target = Target {
    name: "avro",
    about: "The text of a schema, NUL, and bytes: a value is what the schema says; what is read can \
            be written where Avro has a form for it, and read again is the same",
    memory: 1024,
    run: |data| {
        let mut parts = Parts::new(data);
        let Some(text) = parts.text() else { return };
        let Ok(datum) = read_avro(&[], text, parts.rest()) else {
            return;
        };
        sound::check(&datum);
        let Some(schema) = datum.schema.as_deref().filter(|schema| !holds_any(schema)) else {
            return;
        };
        let Ok((text, bytes)) = write_avro(schema, &datum.value) else {
            return;
        };
        let Some(again) = sound::possible(read_avro(&[], &text, &bytes)) else {
            return;
        };
        assert!(
            sound::same(&datum.value, &again.value),
            "{datum:?} is read again as {again:?}"
        );
    },
};

pub(super) const WRITTEN: Target = Target {
    name: "avro_written",
    about: "Any value of any schema is written as Avro, and read again is the same",
    memory: 4096,
    run: |data| {
        let Ok((schema, value)) = generate::datum(&mut Unstructured::new(data), Precision::Micros)
        else {
            return;
        };
        let Some((text, bytes)) = sound::possible(write_avro(&schema, &value)) else {
            return;
        };
        let Some(again) = sound::possible(read_avro(&[], &text, &bytes)) else {
            return;
        };
        sound::check(&again);
        assert!(
            sound::same(&value, &again.value),
            "{value:?} is read again as {again:?}"
        );
    },
};

/// Records within themselves have no schema there, and are written as text.
fn holds_any(schema: &Schema) -> bool {
    match &schema.kind {
        Kind::Any => true,
        Kind::Array(item) => holds_any(item),
        Kind::Map(key, item) => holds_any(key) || holds_any(item),
        Kind::Struct(fields) => fields.iter().any(|field| holds_any(&field.schema)),
        _ => false,
    }
}
