//! JsonConverter, with and without schemas.

use arbitrary::Unstructured;
use bytes::Bytes;
use connect_api::{Converter, Datum};

use super::primitive::built;
use crate::generate::Precision;
use crate::{Target, generate, sound};

pub(super) const PLAIN: Target = Target {
    name: "json",
    about: "JSON without schemas: what is read is written, and read again is the same; a row that \
            stays text has the values of one that does not",
    memory: 1024,
    run: |data| {
        let mut converter = json(&[("schemas.enable", "false")]);
        let bytes = Bytes::copy_from_slice(data);
        let Ok(first) = converter.to_connect_data("topic", Some(&bytes)) else {
            return;
        };
        // The shape is known now, and the row stays text.
        if let Some(second) = read(&mut *converter, &bytes) {
            assert!(sound::same(&first.value, &second.value));
            round_trip(&mut *converter, &first);
        }
    },
};

pub(super) const ENVELOPE: Target = Target {
    name: "json_envelope",
    about: "JSON with schemas: a value is what its schema says; what is read is written, and read \
            again is the same",
    memory: 1024,
    run: |data| {
        let mut converter = json(&[]);
        let bytes = Bytes::copy_from_slice(data);
        let Ok(first) = converter.to_connect_data("topic", Some(&bytes)) else {
            return;
        };
        if let Some(second) = read(&mut *converter, &bytes) {
            assert!(sound::same(&first.value, &second.value));
            round_trip(&mut *converter, &first);
        }
    },
};

pub(super) const WRITTEN: Target = Target {
    name: "json_written",
    about: "Any value of any schema is written as JSON with schemas, and read again is the same",
    memory: 1024,
    run: |data| {
        let mut u = Unstructured::new(data);
        let numeric = u.arbitrary().unwrap_or(false);
        let Ok((schema, value)) = generate::datum(&mut u, Precision::Millis) else {
            return;
        };
        let format = if numeric { "NUMERIC" } else { "BASE64" };
        let mut converter = json(&[("decimal.format", format)]);
        round_trip(&mut *converter, &Datum::new(schema, value));
    },
};

fn json(options: &[(&str, &str)]) -> Box<dyn Converter> {
    built("JsonConverter", options)
}

/// What was read or written before; none, when it takes too much memory.
fn read(converter: &mut dyn Converter, bytes: &Bytes) -> Option<Datum> {
    sound::possible(converter.to_connect_data("topic", Some(bytes)))
}

fn round_trip(converter: &mut dyn Converter, datum: &Datum) {
    sound::check(datum);
    let Some(written) = sound::possible(converter.from_connect_data("topic", datum)) else {
        return;
    };
    let Some(written) = written.map(|bytes| Bytes::copy_from_slice(&bytes)) else {
        assert!(datum.value.is_null());
        return;
    };
    let Some(again) = read(converter, &written) else {
        return;
    };
    sound::check(&again);
    assert!(
        sound::same(&datum.value, &again.value),
        "{datum:?} is read again as {again:?}"
    );
}
