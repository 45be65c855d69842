//! Records, and the batches that carry them.

use std::collections::BTreeMap;
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

/// A place in the log of a partition: the number of a record, or of the one to go on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset of the record behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The offset of the record in front of this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, as Kafka has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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

/// A record as transforms and converters see it, whether it is on its way to a sink or from a
/// source.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The topic that it was read from or goes to; a transform may route it to another.
    pub topic: Arc<str>,
    /// The partition that it was read from. For a record of a source: the one that it is to go to;
    /// none where Kafka's partitioner chooses.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Datum,
    /// Its value.
    pub value: Datum,
    /// Its headers, in order. Names may repeat.
    pub headers: Vec<Header>,
    /// When it was made or appended, as its producer or Kafka says.
    pub timestamp: Option<Timestamp>,
}

/// Where a record was read: a partition of a topic, and its offset there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The partition.
    pub topic_partition: Arc<TopicPartition>,
    /// The record's offset in it.
    pub offset: Offset,
}

impl Origin {
    /// The place of one record.
    pub fn new(topic_partition: &Arc<TopicPartition>, offset: Offset) -> Self {
        Self {
            topic_partition: Arc::clone(topic_partition),
            offset,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.topic_partition, self.offset)
    }
}

/// A record on its way to a sink: the record, and where it came from.
///
/// A transform may change all of `record`. `origin` stays (KIP-793), so that the offset is counted
/// whatever becomes of the record (Invariant 3): it is the origin that a sink names in errors, and
/// that it keys by if it must know a record again.
///
/// ```
/// use std::sync::Arc;
/// use connect_api::{Datum, Offset, Origin, Record, SinkRecord, Timestamp, TimestampType};
/// use connect_api::{TopicPartition, Value};
///
/// let orders = Arc::new(TopicPartition::new("orders", 3));
/// let mut sink_record = SinkRecord {
///     record: Record {
///         topic: Arc::clone(&orders.topic),
///         partition: Some(orders.partition),
///         key: Datum::schemaless(Value::from("customer-7")),
///         value: Datum::schemaless(Value::Int(40)),
///         headers: Vec::new(),
///         timestamp: Some(Timestamp(1_700_000_000_000)),
///     },
///     origin: Origin::new(&orders, Offset(17)),
///     timestamp_type: TimestampType::CreateTime,
/// };
/// // What RegexRouter does; the origin is still orders-3.
/// sink_record.record.topic = "orders_v2".into();
/// assert_eq!(sink_record.origin.to_string(), "orders-3 at offset 17");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SinkRecord {
    /// The record, as the transforms have left it.
    pub record: Record,
    /// Where it was read.
    pub origin: Origin,
    /// Who set `record.timestamp`.
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
    pub offset: Offset,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<RawHeader>,
    /// When it was made or appended.
    pub timestamp: Option<Timestamp>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
}

/// An errant record as a sink keeps it: the very bytes, and why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition that it was read from.
    pub topic_partition: Arc<TopicPartition>,
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
/// The offset rides beside the records: those that were dropped or reported count as well. A batch
/// may have no records at all, and still move the offset. Batches of a partition follow each other
/// without a gap: each starts where the one before it ended.
///
/// ```
/// use std::sync::Arc;
/// use connect_api::{Datum, Offset, Origin, Record, RecordBatch, SinkRecord, TimestampType};
/// use connect_api::{TopicPartition, Value};
///
/// let orders = Arc::new(TopicPartition::new("orders", 3));
/// let record = |offset| SinkRecord {
///     record: Record {
///         topic: Arc::clone(&orders.topic),
///         partition: Some(orders.partition),
///         key: Datum::NULL,
///         value: Datum::schemaless(Value::Int(offset)),
///         headers: Vec::new(),
///         timestamp: None,
///     },
///     origin: Origin::new(&orders, Offset(offset)),
///     timestamp_type: TimestampType::None,
/// };
/// // A transform has dropped the records at 18 and 20: once the batch is durable, reading goes on
/// // at 21 all the same.
/// let batch = RecordBatch {
///     topic_partition: Arc::clone(&orders),
///     records: vec![record(17), record(19)],
///     first_offset: Offset(17),
///     next_offset: Offset(21),
///     last_timestamp: None,
///     dead_letters: Vec::new(),
///     state: Vec::new(),
/// };
/// assert_eq!(batch.position_of(&record(19)), Some(1));
/// ```
#[derive(Clone, Debug)]
pub struct RecordBatch {
    /// The partition that all of them were read from.
    pub topic_partition: Arc<TopicPartition>,
    /// Records in the order of their offsets; several may share one offset.
    pub records: Vec<SinkRecord>,
    /// The offset that the batch starts from: where the one before it ended.
    pub first_offset: Offset,
    /// The offset to go on from once the batch is durable.
    pub next_offset: Offset,
    /// The timestamp of the record in front of `next_offset`, where that is one of the batch: a
    /// sink that keeps it beside the offset lets the worker see whether the topic is still the one
    /// that was read.
    pub last_timestamp: Option<Timestamp>,
    /// Records of these offsets that failed before the sink, or in an earlier try of the same put,
    /// in the order of their offsets; only for a sink that
    /// [keeps dead letters](crate::SinkTask::dead_letters).
    pub dead_letters: Vec<DeadLetter>,
    /// What the transforms that made it changed of their state. A batch with changes becomes
    /// durable as a whole or not at all (Invariant 2): the state belongs to all of it. It may then
    /// have no records, and not move the offset.
    pub state: Vec<StateDelta>,
}

impl RecordBatch {
    /// Where in [`RecordBatch::records`] a record stands that a sink names: this very record, or
    /// the one that it is a copy of. None: it is not of this batch.
    pub fn position_of(&self, record: &SinkRecord) -> Option<usize> {
        let Origin {
            topic_partition,
            offset,
        } = &record.origin;
        if *topic_partition != self.topic_partition {
            return None;
        }
        let start = self
            .records
            .partition_point(|known| known.origin.offset < *offset);
        let end = self
            .records
            .partition_point(|known| known.origin.offset <= *offset);
        let same = &self.records[start..end];
        let found = match same {
            // A copy need not be equal: NaN never is.
            [_] => Some(0),
            _ => same
                .iter()
                .position(|known| std::ptr::eq(known, record))
                .or_else(|| same.iter().position(|known| known == record)),
        };
        found.map(|at| start + at)
    }

    /// Takes out records that a put has reported, by their positions, so that the batch can be put
    /// again: they count as done (Invariant 3). Their dead letters, where the sink keeps them, join
    /// those of the batch. The offsets stay as they are.
    pub fn take_out_reported(&mut self, reported: BTreeMap<usize, Option<DeadLetter>>) {
        let mut position = 0;
        self.records.retain(|_| {
            position += 1;
            !reported.contains_key(&(position - 1))
        });
        self.dead_letters.extend(reported.into_values().flatten());
        self.dead_letters
            .sort_by_key(|dead_letter| dead_letter.record.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn batch(records: &[(i64, Value)]) -> RecordBatch {
        let topic_partition = Arc::new(TopicPartition::new("t", 0));
        let record = |(offset, value): &(i64, Value)| SinkRecord {
            record: Record {
                topic: "t".into(),
                partition: Some(0),
                key: Datum::NULL,
                value: Datum::schemaless(value.clone()),
                headers: Vec::new(),
                timestamp: None,
            },
            origin: Origin::new(&topic_partition, Offset(*offset)),
            timestamp_type: TimestampType::None,
        };
        RecordBatch {
            records: records.iter().map(record).collect(),
            topic_partition: Arc::clone(&topic_partition),
            first_offset: Offset(0),
            next_offset: Offset(9),
            last_timestamp: None,
            dead_letters: Vec::new(),
            state: Vec::new(),
        }
    }

    fn dead_letter(offset: i64) -> DeadLetter {
        DeadLetter {
            topic_partition: Arc::new(TopicPartition::new("t", 0)),
            record: RawRecord {
                offset: Offset(offset),
                key: None,
                value: None,
                headers: Vec::new(),
                timestamp: None,
                timestamp_type: TimestampType::None,
            },
            stage: "TASK_PUT",
            class: "Test".into(),
            exception: "DataException",
            error: String::new(),
        }
    }

    #[test]
    fn a_record_is_found_among_those_of_its_offset() {
        let nan = Value::Float(f64::NAN);
        let given = batch(&[
            (1, Value::Int(7)),
            (3, Value::Int(8)),
            (3, Value::Int(8)),
            (3, Value::Int(9)),
            (4, nan),
        ]);
        for (position, record) in given.records.iter().enumerate() {
            assert_eq!(given.position_of(record), Some(position));
        }
        assert_eq!(given.position_of(&given.records[3].clone()), Some(3));
        assert_eq!(given.position_of(&given.records[4].clone()), Some(4));
        let mut other = given.records[0].clone();
        other.origin.offset = Offset(2);
        assert_eq!(given.position_of(&other), None);
        other.origin = Origin::new(&Arc::new(TopicPartition::new("t", 1)), Offset(1));
        assert_eq!(given.position_of(&other), None);
    }

    #[test]
    fn reported_records_leave_and_their_dead_letters_join() {
        let mut given = batch(&[(1, Value::Int(7)), (3, Value::Int(8)), (3, Value::Int(9))]);
        given.dead_letters = vec![dead_letter(2), dead_letter(5)];
        given.take_out_reported([(0, None), (2, Some(dead_letter(3)))].into());
        let left: Vec<_> = given
            .records
            .iter()
            .map(|r| &r.record.value.value)
            .collect();
        assert_eq!(left, [&Value::Int(8)]);
        let offsets = given.dead_letters.iter().map(|l| l.record.offset.0);
        assert_eq!(offsets.collect::<Vec<_>>(), [2, 3, 5]);
        assert_eq!(given.next_offset, Offset(9));
    }
}
