//! Where a record failed.

use std::sync::Arc;

use connect_api::{DeadLetter, Error, RawRecord, TopicPartition, mask};

/// A stage of a record's way, by Kafka Connect's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The key was converted.
    KeyConverter,
    /// The value was converted.
    ValueConverter,
    /// A header was converted.
    HeaderConverter,
    /// The record was transformed.
    Transformation,
    /// The sink was to write it.
    TaskPut,
    /// A source's record was to be written to Kafka.
    KafkaProduce,
}

impl Stage {
    /// The name in logs and dead letter headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::Transformation => "TRANSFORMATION",
            Self::TaskPut => "TASK_PUT",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// A record that failed, and all that a report says of it.
#[derive(Debug)]
pub struct Errant<'a> {
    /// The partition that it was read from.
    pub topic_partition: &'a Arc<TopicPartition>,
    /// The record as Kafka has it.
    pub raw: &'a RawRecord,
    /// Where it failed.
    pub stage: Stage,
    /// The class of the converter, the transform or the sink.
    pub class: &'a str,
    /// Why.
    pub error: &'a Error,
}

impl Errant<'_> {
    /// The dead letter for a sink that keeps them.
    pub fn letter(&self) -> DeadLetter {
        DeadLetter {
            topic_partition: Arc::clone(self.topic_partition),
            record: self.raw.clone(),
            stage: self.stage.name(),
            class: self.class.into(),
            exception: self.error.class_name(),
            error: self.message(),
        }
    }

    /// Why, without the secrets of any config (Invariant 9).
    pub fn message(&self) -> String {
        mask(self.error.chain()).into_owned()
    }
}
