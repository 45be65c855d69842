//! JSON with JSON Schemas: schemas as texts, and values.

use arbitrary::Unstructured;
use connect_api::json;
use connect_converters::fuzzing::{read_json_schema, write_json_schema};

use crate::generate::Precision;
use crate::parts::Parts;
use crate::{Target, generate, sound};

pub(super) const READ: Target = Target {
    name: "json_schema",
    about: "The text of a schema, NUL, and JSON: what is read is written, and read again by its \
            schema is the same",
    memory: 2048,
    run: |data| {
        let mut parts = Parts::new(data);
        let Some(text) = parts.text() else { return };
        let Ok(datum) = read_json_schema(text, parts.rest()) else {
            return;
        };
        // A field that is left out is null, whether it is required or not.
        let mut plain = String::new();
        let _ = json::write(&datum.value, &mut plain);
        let Some(schema) = datum.schema.as_deref() else {
            return;
        };
        let Ok((_, bytes)) = write_json_schema(schema, &datum.value) else {
            return;
        };
        let Some(again) = sound::possible(read_json_schema(text, &bytes)) else {
            return;
        };
        assert!(
            sound::same(&datum.value, &again.value),
            "{datum:?} is read again as {again:?}"
        );
    },
};

pub(super) const WRITTEN: Target = Target {
    name: "json_schema_written",
    about: "Any value of any schema is written as JSON with a JSON Schema, and read again is the \
            same",
    memory: 4096,
    run: |data| {
        let Ok((schema, value)) = generate::datum(&mut Unstructured::new(data), Precision::Millis)
        else {
            return;
        };
        let Some((text, bytes)) = sound::possible(write_json_schema(&schema, &value)) else {
            return;
        };
        let Some(again) = sound::possible(read_json_schema(&text, &bytes)) else {
            return;
        };
        sound::check(&again);
        assert!(
            sound::same(&value, &again.value),
            "{value:?} is read again as {again:?}"
        );
    },
};
