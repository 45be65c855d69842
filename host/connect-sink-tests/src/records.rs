//! Records and batches, as the worker gives them to a sink.

use std::sync::Arc;

use connect_api::{
    Datum, Offset, Origin, Record, RecordBatch, SinkRecord, TimestampType, TopicPartition,
};

use crate::TOPIC;

/// A partition of [`TOPIC`].
#[must_use]
pub fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, number)
}

/// A record without key, headers and timestamp.
#[must_use]
pub fn record(number: i32, offset: i64, value: Datum) -> SinkRecord {
    SinkRecord {
        record: Record {
            topic: TOPIC.into(),
            partition: Some(number),
            key: Datum::NULL,
            value,
            headers: Vec::new(),
            timestamp: None,
        },
        origin: Origin::new(&Arc::new(partition(number)), Offset(offset)),
        timestamp_type: TimestampType::None,
    }
}

/// A batch that brings a partition from one offset to another.
#[must_use]
pub fn batch(number: i32, offsets: std::ops::Range<i64>, records: Vec<SinkRecord>) -> RecordBatch {
    RecordBatch {
        topic_partition: Arc::new(partition(number)),
        records,
        first_offset: Offset(offsets.start),
        next_offset: Offset(offsets.end),
        last_timestamp: None,
        dead_letters: Vec::new(),
        state: Vec::new(),
    }
}
