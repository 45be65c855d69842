//! Protobuf: `.proto` texts, and values.

use arbitrary::Unstructured;
use connect_api::json;
use connect_converters::fuzzing::{read_protobuf, write_protobuf};

use crate::generate::Precision;
use crate::parts::Parts;
use crate::{Target, generate, sound};

pub(super) const READ: Target = Target {
    name: "protobuf",
    about: "A byte of settings, the text of a schema, NUL, and bytes that begin with the indexes \
            of a message: whatever is read is a value, which can be told as JSON",
    memory: 8192,
    run: |data| {
        let Some((choice, rest)) = data.split_first() else {
            return;
        };
        let mut parts = Parts::new(rest);
        let Some(text) = parts.text() else { return };
        let Ok(datum) = read_protobuf(*choice, text, parts.rest()) else {
            return;
        };
        let mut plain = String::new();
        let _ = json::write(&datum.value, &mut plain);
        let Some(schema) = datum.schema.as_deref() else {
            return;
        };
        // What is read is mostly written, and always read then.
        if let Ok((text, bytes)) = write_protobuf(*choice, schema, &datum.value) {
            let _ = read_protobuf(*choice, &text, &bytes);
        }
    },
};

pub(super) const WRITTEN: Target = Target {
    name: "protobuf_written",
    about: "Any value of any schema that Protobuf has a form for is written, and read again by the \
            text that is registered for it",
    memory: 16384,
    run: |data| {
        let Ok((schema, value)) = generate::datum(&mut Unstructured::new(data), Precision::Micros)
        else {
            return;
        };
        // Arrays of arrays, and values that are no struct, have none.
        let Ok((text, bytes)) = write_protobuf(0, &schema, &value) else {
            return;
        };
        let _ = sound::possible(read_protobuf(0, &text, &bytes));
    },
};
