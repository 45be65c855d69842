//! Stage 2: bytes to data.

use std::sync::Arc;

use connect_api::{
    Converter, Error, Header, HeaderConverter, Origin, RawHeader, RawRecord, Record, SinkRecord,
    TopicPartition,
};

use crate::errors::Stage;

/// The converters of a task.
pub struct Converters {
    /// For keys.
    pub key: Box<dyn Converter>,
    /// For values.
    pub value: Box<dyn Converter>,
    /// For headers.
    pub header: Box<dyn HeaderConverter>,
}

/// A conversion that failed, and where.
pub struct Failed {
    /// Which converter.
    pub stage: Stage,
    /// Its class.
    pub class: &'static str,
    /// Why.
    pub error: Error,
}

impl Converters {
    /// Converts one record.
    pub fn convert(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        raw: &RawRecord,
    ) -> Result<SinkRecord, Failed> {
        let Self { key, value, header } = self;
        let part = |stage, converter: &mut Box<dyn Converter>, bytes: Option<&bytes::Bytes>| {
            let converted = converter.to_connect_data(&topic_partition.topic, bytes);
            converted.map_err(|error| Failed {
                stage,
                class: converter.class_name(),
                error,
            })
        };
        let key = part(Stage::KeyConverter, key, raw.key.as_ref())?;
        let value = part(Stage::ValueConverter, value, raw.value.as_ref())?;
        let headers = raw.headers.iter().map(|raw| {
            let RawHeader { name, value } = raw;
            let converted = header.to_connect_header(&topic_partition.topic, name, value.as_ref());
            let value = converted.map_err(|error| Failed {
                stage: Stage::HeaderConverter,
                class: header.class_name(),
                error: error.context(format!("header {name}")),
            })?;
            let name = name.clone();
            Ok(Header { name, value })
        });
        let headers = headers.collect::<Result<_, Failed>>()?;
        Ok(SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(topic_partition.partition),
                key,
                value,
                headers,
                timestamp: raw.timestamp,
            },
            origin: Origin::new(topic_partition, raw.offset),
            timestamp_type: raw.timestamp_type,
        })
    }
}
