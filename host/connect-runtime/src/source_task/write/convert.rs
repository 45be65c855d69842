//! The first half: data becomes bytes.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Converter, Error, MemoryLimit, RawHeader, Record, Timestamp, panics};

use crate::errors::Stage;
use crate::sink_task::Converters;

/// A record as Kafka takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerRecord {
    /// The topic that it goes to.
    pub topic: Arc<str>,
    /// Its partition; none where the partitioner chooses by the key.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<RawHeader>,
    /// When it was made; none: when it is sent.
    pub timestamp: Option<Timestamp>,
}

impl ProducerRecord {
    /// What it counts for while it waits for Kafka: its bytes, here and in the client's queue.
    pub fn bytes(&self) -> usize {
        let part = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let header =
            |header: &RawHeader| header.name.len() + header.value.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(header).sum();
        2 * (part(&self.key) + part(&self.value) + headers)
    }
}

/// A conversion that failed, and where.
pub(super) struct Unconverted {
    pub(super) stage: Stage,
    pub(super) class: &'static str,
    pub(super) error: Error,
}

/// The bytes of one record.
pub(super) fn convert(
    converters: &mut Converters,
    record: &Record,
) -> Result<ProducerRecord, Unconverted> {
    let Converters { key, value, header } = converters;
    let topic = &record.topic;
    let part = |stage, converter: &mut Box<dyn Converter>, datum| {
        let class = converter.class_name();
        let limit = MemoryLimit::of_record();
        let write = || converter.from_connect_data(topic, datum);
        match limit.measure(|| panics::caught(write)).made {
            Ok(bytes) => Ok(bytes.map(std::borrow::Cow::into_owned)),
            Err(error) => Err(Unconverted {
                stage,
                class,
                error,
            }),
        }
    };
    let key = part(Stage::KeyConverter, key, &record.key)?;
    let value = part(Stage::ValueConverter, value, &record.value)?;
    let mut headers = Vec::with_capacity(record.headers.len());
    for one in &record.headers {
        let class = header.class_name();
        let write = || header.from_connect_header(topic, &one.name, &one.value);
        let bytes = MemoryLimit::of_record()
            .measure(|| panics::caught(write))
            .made;
        let bytes = bytes.map_err(|error| Unconverted {
            stage: Stage::HeaderConverter,
            class,
            error: error.context(format!("header {}", one.name)),
        })?;
        headers.push(RawHeader {
            name: one.name.clone(),
            value: bytes.map(|bytes| bytes.into_owned().into()),
        });
    }
    Ok(ProducerRecord {
        topic: Arc::clone(topic),
        // A plugin is shown a negative one.
        partition: record.partition.filter(|partition| *partition >= 0),
        key,
        value,
        headers,
        timestamp: record.timestamp,
    })
}
