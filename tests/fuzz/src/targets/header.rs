//! SimpleHeaderConverter, which guesses types from texts.

use std::borrow::Cow;

use bytes::Bytes;
use connect_api::{Datum, HeaderConverter, Properties, Value};
use connect_converters::build_header;

use crate::{Target, sound};

pub(super) const TARGET: Target = Target {
    name: "header",
    about: "Any bytes are a header; what is read is what its schema says, is written, and read \
            again is the same",
    memory: 1024,
    run: |data| {
        let converter = build_header("SimpleHeaderConverter", &Properties::new());
        let mut converter = converter.unwrap_or_else(|error| panic!("{error}"));
        let Some(first) = read(&mut *converter, data) else {
            return;
        };
        sound::check(&first);
        let written = converter.from_connect_header("topic", "name", &first);
        let Some(written) = sound::possible(written) else {
            return;
        };
        let Some(written) = written.map(Cow::into_owned) else {
            assert!(first.value.is_null(), "{first:?} cannot be written");
            return;
        };
        let Some(again) = read(&mut *converter, &written) else {
            return;
        };
        sound::check(&again);
        // Digits that a float does not hold are lost, as in Kafka: what is left may be whole.
        let holds = sound::same(&first.value, &again.value)
            || sound::same(&as_floats(&first.value), &as_floats(&again.value));
        assert!(holds, "{first:?} is read again as {again:?}");
    },
};

/// Any bytes are a header; none, when it takes too much memory.
fn read(converter: &mut dyn HeaderConverter, bytes: &[u8]) -> Option<Datum> {
    let bytes = Bytes::copy_from_slice(bytes);
    sound::possible(converter.to_connect_header("topic", "name", Some(&bytes)))
}

fn as_floats(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Float((*number as f32).into()),
        Value::Float(number) => Value::Float((*number as f32).into()),
        Value::Array(items) => Value::Array(items.iter().map(as_floats).collect()),
        Value::Map(entries) => {
            let entries = entries.iter();
            Value::Map(entries.map(|(k, v)| (as_floats(k), as_floats(v))).collect())
        }
        other => other.clone(),
    }
}
