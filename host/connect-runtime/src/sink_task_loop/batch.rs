//! Batches on their way through a sink task, and what bounds them.

use std::sync::Arc;

use connect_api::{Offset, RawRecord, RecordBatch, StateDelta, Timestamp, TopicPartition};

use crate::errors::Delivery;

/// Records of one partition as Kafka has them.
#[derive(Debug)]
pub struct RawBatch {
    /// The partition that they were read from.
    pub topic_partition: Arc<TopicPartition>,
    /// The records in the order of their offsets; offsets may be missing between them.
    pub records: Vec<RawRecord>,
    /// The offset that the batch starts from: where the one before it ended.
    pub first_offset: Offset,
    /// The offset to read from once the batch is durable.
    pub next_offset: Offset,
    /// Bytes of keys, values and headers.
    pub bytes: usize,
    /// Records whose bytes were not kept, as they are more than a record's data may take: a batch
    /// that is small as it is sent may have been unpacked to many times its size.
    pub left_out: Vec<LeftOut>,
}

/// A record whose bytes were not kept.
#[derive(Clone, Copy, Debug)]
pub struct LeftOut {
    /// Its offset.
    pub offset: Offset,
    /// Bytes of its key, value and headers.
    pub bytes: usize,
}

impl RawBatch {
    /// The timestamp of the record in front of where to go on.
    pub fn last_timestamp(&self) -> Option<Timestamp> {
        let last = self.records.last();
        last.filter(|record| record.offset.next() == self.next_offset)?
            .timestamp
    }

    /// How many bytes a record has, if they were not kept.
    pub fn left_out(&self, offset: Offset) -> Option<usize> {
        let mut left_out = self.left_out.iter();
        left_out
            .find(|left_out| left_out.offset == offset)
            .map(|left_out| left_out.bytes)
    }

    /// The part in front of the record at this index of `records`.
    #[must_use]
    pub fn before(mut self, at: usize) -> Self {
        if let Some(record) = self.records.get(at) {
            self.next_offset = record.offset;
        }
        self.records.truncate(at);
        self
    }
}

/// How much one poll may bring.
#[derive(Clone, Copy, Debug)]
pub struct PollLimits {
    /// Records.
    pub records: usize,
    /// Bytes; the record that passes the limit still counts in.
    pub bytes: usize,
}

/// A batch for the sink, with all that is owed for its records.
pub struct TaskBatch {
    /// What the sink gets.
    pub batch: RecordBatch,
    /// The records as Kafka has them, by offset.
    pub raw: Vec<RawRecord>,
    /// Dead letters on their way to the dead letter topic, to wait for before the batch is written.
    pub deliveries: Vec<Delivery>,
    /// Bytes of the raw records.
    pub bytes: usize,
    /// Bytes of memory that the data takes beside them.
    pub memory: usize,
}

impl TaskBatch {
    /// Adds the batch that follows this one.
    pub fn append(&mut self, mut next: Self) {
        debug_assert_eq!(self.batch.next_offset, next.batch.first_offset);
        self.batch.records.append(&mut next.batch.records);
        // A batch of the clock ends where this one does, and has no record there.
        if next.batch.next_offset != self.batch.next_offset {
            self.batch.last_timestamp = next.batch.last_timestamp;
        }
        self.batch.next_offset = next.batch.next_offset;
        StateDelta::append_all(&mut self.batch.state, next.batch.state);
        self.batch.dead_letters.append(&mut next.batch.dead_letters);
        self.raw.append(&mut next.raw);
        self.deliveries.append(&mut next.deliveries);
        self.bytes += next.bytes;
        self.memory = self.memory.saturating_add(next.memory);
    }
}
