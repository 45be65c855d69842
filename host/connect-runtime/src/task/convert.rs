//! Stage 2: bytes to data.

use std::sync::Arc;

use connect_api::{
    Converter, Datum, Error, Header, Origin, RawRecord, Record, Result, Schema, SinkRecord,
    TopicPartition, Value,
};

use crate::errors::Stage;

/// How header values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderConverter {
    /// `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
    Simple,
    /// `org.apache.kafka.connect.storage.StringConverter`.
    String,
    /// `org.apache.kafka.connect.converters.ByteArrayConverter`.
    Bytes,
}

impl HeaderConverter {
    /// The converter of a class.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for any other class.
    pub fn new(class: &str) -> Result<Self> {
        match class.rsplit('.').next() {
            Some("SimpleHeaderConverter") => Ok(Self::Simple),
            Some("StringConverter") => Ok(Self::String),
            Some("ByteArrayConverter") => Ok(Self::Bytes),
            _ => Err(Error::config(format!(
                "header.converter: class {class} could not be found"
            ))),
        }
    }

    fn convert(self, value: Option<&bytes::Bytes>) -> Datum {
        match (self, value) {
            (Self::Simple, value) => connect_api::values::parse(value.map(|v| &v[..])),
            (_, None) => Datum::NULL,
            (Self::String, Some(value)) => {
                let text = String::from_utf8_lossy(value);
                let schema = Schema::optional(connect_api::Kind::String);
                Datum::new(schema, Value::from(text.as_ref()))
            }
            (Self::Bytes, Some(value)) => {
                let schema = Schema::optional(connect_api::Kind::Bytes);
                Datum::new(schema, Value::Bytes(value.clone()))
            }
        }
    }
}

/// The converters of a task.
pub struct Converters {
    /// For keys.
    pub key: Box<dyn Converter>,
    /// For values.
    pub value: Box<dyn Converter>,
    /// For headers.
    pub header: HeaderConverter,
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
    ) -> std::result::Result<SinkRecord, Failed> {
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
        let headers = raw.headers.iter().map(|raw| Header {
            name: raw.name.clone(),
            value: header.convert(raw.value.as_ref()),
        });
        Ok(SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(topic_partition.partition),
                key,
                value,
                headers: headers.collect(),
                timestamp: raw.timestamp,
            },
            origin: Origin::new(topic_partition, raw.offset),
            timestamp_type: raw.timestamp_type,
        })
    }
}
