//! Records, and the batches that carry them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Datum, StateDelta, Str};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Who set the timestamp of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// There is none.
    #[default]
    None,
    /// The producer.
    CreateTime,
    /// The broker.
    LogAppendTime,
}

/// A header of a record. Names may repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its name.
    pub name: Str,
    /// Its value.
    pub value: Datum,
}

/// A record on its way to the sink.
///
/// A transform may change anything but `source` and `offset`: where the record came from stays
/// (KIP-793), so that its offset is counted whatever becomes of it (Invariant 3).
#[derive(Clone, Debug, PartialEq)]
pub struct SinkRecord {
    /// Where it was read.
    pub source: Arc<TopicPartition>,
    /// Its offset there.
    pub offset: i64,
    /// Its topic; a transform may route it to another.
    pub topic: Arc<str>,
    /// Its key.
    pub key: Datum,
    /// Its value.
    pub value: Datum,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
}

/// A header as Kafka has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawHeader {
    /// Its name.
    pub name: Str,
    /// Its value; Kafka allows null.
    pub value: Option<Bytes>,
}

/// A record as Kafka has it. It is kept until the record's fate is sealed: a dead letter carries
/// the very bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<RawHeader>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
}

/// An errant record as a sink keeps it: the very bytes, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its partition.
    pub source: Arc<TopicPartition>,
    /// The record as Kafka has it.
    pub record: RawRecord,
    /// Where it failed, by Kafka Connect's name of the stage.
    pub stage: &'static str,
    /// The class of the converter, the transform or the sink that it failed in.
    pub class: Str,
    /// The class that Kafka Connect would have thrown.
    pub exception: &'static str,
    /// Why. It holds no value of the record (Invariant 6).
    pub error: String,
}

/// Records of one partition for the sink, with the offset that they bring the partition to.
///
/// The offset rides beside the records: those that were dropped or reported count as well.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    /// The partition.
    pub source: Arc<TopicPartition>,
    /// Records in the order of their offsets; several may share one offset.
    pub records: Vec<SinkRecord>,
    /// The offset that the batch starts from: where the one before it ended.
    pub first_offset: i64,
    /// The offset to go on from once the batch is durable.
    pub next_offset: i64,
    /// The timestamp of the record in front of `next_offset`, where that is one of the batch: a
    /// sink that keeps it beside the offset lets the worker see whether the topic is still the one
    /// that was read.
    pub last_timestamp: Option<i64>,
    /// Records of these offsets that failed before the sink, in the order of their offsets; only
    /// for a sink that [keeps dead letters](crate::SinkTask::keeps_dead_letters).
    pub dead_letters: Vec<DeadLetter>,
    /// What the transforms that made it changed of their state. A batch with changes becomes
    /// durable as a whole or not at all (Invariant 2): the state belongs to all of it. It may then
    /// have no records, and not move the offset.
    pub state: Vec<StateDelta>,
}
