//! Kafka's built-in transforms and predicates: their options, and records.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Datum, Header, Properties, Record, Timestamp, Value};
use connect_runtime::config::parse_properties;
use connect_transforms::{predicate, transformation};

use super::primitive::built;
use crate::parts::Parts;
use crate::{Target, sound};

pub(super) const ANY: Target = Target {
    name: "transform",
    about: "A class, NUL, its options as properties, NUL, a key, NUL, a value, both of JSON with or \
            without schemas: a record that goes on is what its schemas say",
    memory: 8192,
    run: |data| {
        let mut parts = Parts::new(data);
        let (Some(class), Some(options)) = (parts.text(), parts.text()) else {
            return;
        };
        let Ok(options) = parse_properties(options) else {
            return;
        };
        let (key, value) = (parts.bytes(), parts.bytes());
        let (Some(key), Some(value)) = (read(key), read(value)) else {
            return;
        };
        apply(class, &options, record("topic", key, value));
    },
};

pub(super) const REGEX: Target = Target {
    name: "regex",
    about: "A regular expression of Java, NUL, a replacement, NUL, a topic: taken or refused, in \
            memory and time that are in proportion",
    // A compiled expression may take megabytes, by its own limit.
    memory: 16_384,
    run: |data| {
        let mut parts = Parts::new(data);
        let (Some(regex), Some(replacement)) = (parts.text(), parts.text()) else {
            return;
        };
        let Some(topic) = parts.text() else { return };
        let options = properties(&[("regex", regex), ("replacement", replacement)]);
        let record = || record(topic, Datum::NULL, Datum::NULL);
        apply("RegexRouter", &options, record());
        let options = properties(&[("pattern", regex)]);
        if let Some(class) = predicate("TopicNameMatches")
            && let Ok(config) = (class.config_def)().parse(&options)
            && let Ok(predicate) = (class.build)(&config)
        {
            let _ = predicate.test(&record());
        }
    },
};

pub(super) const DATES: Target = Target {
    name: "dates",
    about: "A pattern of SimpleDateFormat, NUL, a text: it is read as a time or refused, and the \
            time can be printed",
    memory: 4096,
    run: |data| {
        let mut parts = Parts::new(data);
        let (Some(pattern), Some(text)) = (parts.text(), parts.text()) else {
            return;
        };
        let options = |target| properties(&[("target.type", target), ("format", pattern)]);
        let given = Datum::schemaless(Value::from(text));
        let class = "TimestampConverter$Value";
        let read = apply(
            class,
            &options("Timestamp"),
            record("t", Datum::NULL, given),
        );
        let Some(read) = read else { return };
        assert!(matches!(read.value.value, Value::Timestamp(_)), "{read:?}");
        let printed = apply(class, &options("string"), read);
        let printed = printed.map(|record| record.value.value);
        assert!(matches!(printed, Some(Value::String(_))), "{printed:?}");
    },
};

fn properties(given: &[(&str, &str)]) -> Properties {
    given
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A key or a value, of an envelope or of plain JSON; nothing is null.
fn read(bytes: &[u8]) -> Option<Datum> {
    if bytes.is_empty() {
        return Some(Datum::NULL);
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let read = |enable| {
        let mut converter = built("JsonConverter", &[("schemas.enable", enable)]);
        converter.to_connect_data("topic", Some(&bytes)).ok()
    };
    read("true").or_else(|| read("false"))
}

fn record(topic: &str, key: Datum, value: Datum) -> Record {
    Record {
        topic: Arc::from(topic),
        partition: Some(0),
        key,
        value,
        headers: vec![Header {
            name: "a".into(),
            value: Datum::schemaless(Value::Int(1)),
        }],
        timestamp: Some(Timestamp(1_700_000_000_123)),
    }
}

/// The record as the transform leaves it, twice: plans are kept after the first.
fn apply(class: &str, options: &Properties, record: Record) -> Option<Record> {
    let class = transformation(class)?;
    let config = (class.config_def)().parse(options).ok()?;
    let mut transform = (class.build)(&config).ok()?;
    let mut applied = None;
    for _ in 0..2 {
        let mut record = record.clone();
        transform.apply(&mut record).ok()?;
        sound::check(&record.key);
        sound::check(&record.value);
        for header in &record.headers {
            sound::check(&header.value);
        }
        applied = Some(record);
    }
    applied
}
