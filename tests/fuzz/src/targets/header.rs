//! SimpleHeaderConverter, which guesses types from texts.

use bytes::Bytes;
use connect_api::{Datum, HeaderConverter, Properties, Value};
use connect_converters::build_header;

use crate::{Target, sound};

pub(super) const TARGET: Target = Target {
    name: "header",
    about: "Any bytes are a header; what is read is what its schema says, is written, and read \
            again is the same",
    memory: 4096,
    run: |data| {
        let converter = build_header("SimpleHeaderConverter", &Properties::new());
        let mut converter = converter.unwrap_or_else(|error| panic!("{error}"));
        let first = read(&mut *converter, data);
        sound::check(&first);
        let written = converter.from_connect_header("topic", "name", &first);
        let Ok(Some(written)) = written.map(|bytes| bytes.map(|it| it.into_owned())) else {
            assert!(first.value.is_null(), "{first:?} cannot be written");
            return;
        };
        let again = read(&mut *converter, &written);
        sound::check(&again);
        // A number that is smaller than any float is 0, as in Kafka, and a whole number then.
        let holds = has_zero(&first.value) || sound::same(&first.value, &again.value);
        assert!(holds, "{first:?} is read again as {again:?}");
    },
};

fn read(converter: &mut dyn HeaderConverter, bytes: &[u8]) -> Datum {
    let bytes = Bytes::copy_from_slice(bytes);
    let read = converter.to_connect_header("topic", "name", Some(&bytes));
    read.unwrap_or_else(|error| panic!("a header is refused: {}", error.chain()))
}

fn has_zero(value: &Value) -> bool {
    match value {
        Value::Float(number) => *number == 0.0,
        Value::Array(items) => items.iter().any(has_zero),
        Value::Map(entries) => entries.iter().any(|(k, v)| has_zero(k) || has_zero(v)),
        _ => false,
    }
}
