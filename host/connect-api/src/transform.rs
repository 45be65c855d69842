//! The contract of transforms and predicates.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    Offset, Origin, Record, Result, SinkRecord, StateChanges, StoredState, Timestamp,
    TopicPartition,
};

/// What becomes of a record that was transformed in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It goes on.
    Keep,
    /// It goes no further; its offset counts as done.
    Drop,
}

/// A transform that looks at one record at a time, as all of Kafka's built-in ones do. It serves
/// sinks and sources alike.
///
/// ```
/// use connect_api::{Disposition, Record, RecordTransformation, Result};
///
/// /// Routes each record to an archive topic, and drops tombstones.
/// struct Archive;
///
/// impl RecordTransformation for Archive {
///     fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
///         if record.value.value.is_null() {
///             return Ok(Disposition::Drop);
///         }
///         record.topic = format!("archive.{}", record.topic).into();
///         Ok(Disposition::Keep)
///     }
/// }
/// ```
pub trait RecordTransformation: Send {
    /// Changes the record in place.
    ///
    /// # Errors
    /// Any error makes the record errant; what it left in the record is not used.
    fn apply(&mut self, record: &mut Record) -> Result<Disposition>;

    /// The same for a transform that looks at where the record was read. `origin` is none for a
    /// record of a source.
    ///
    /// # Errors
    /// As for [`RecordTransformation::apply`].
    fn apply_from(&mut self, record: &mut Record, origin: Option<&Origin>) -> Result<Disposition> {
        let _ = origin;
        self.apply(record)
    }
}

/// What becomes of one record of a batch.
#[derive(Debug)]
pub enum Outcome {
    /// It goes on as it is.
    Keep,
    /// It goes on as the transform has left it in its place.
    Change,
    /// It goes no further.
    Drop,
    /// These take its place. They keep its origin.
    Replace(Vec<Record>),
    /// It becomes an errant record.
    Fail(crate::Error),
}

/// Where a partition has come to when a transform is ticked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The offset to go on from.
    pub next_offset: Offset,
    /// Why it is ticked, and by which clock.
    pub reason: TickReason,
}

/// Why a transform is ticked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickReason {
    /// A batch is done: the clock is the partition's record time.
    Batch,
    /// The partition is quiet: the wall clock.
    Quiet(Timestamp),
    /// The task ends in order, and what waits is to be emitted now; with the wall clock.
    Flush(Timestamp),
}

impl TickReason {
    /// The wall clock, if the tick goes by it.
    #[must_use]
    pub fn wall(self) -> Option<Timestamp> {
        match self {
            Self::Batch => None,
            Self::Quiet(wall) | Self::Flush(wall) => Some(wall),
        }
    }
}

/// A transform that takes a batch of one partition.
pub trait Transformation: Send {
    /// One outcome for each record, in order. Errors of records are outcomes. A record that is not
    /// kept may be taken apart: but for its origin it is then as the transform has left it.
    ///
    /// # Errors
    /// When no record is at fault and the batch cannot be worked on at all: the task fails.
    fn apply(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
    ) -> Result<Vec<Outcome>>;

    /// Called after each batch of a partition, and as [`Transformation::tick_interval`] says:
    /// records that the transform makes of its own accord. Their offset is the last one before
    /// [`Tick::next_offset`].
    ///
    /// # Errors
    /// As for `apply`.
    fn tick(&mut self, partition: &Arc<TopicPartition>, tick: Tick) -> Result<Vec<Record>>;

    /// How long a partition is quiet before the transform is ticked by wall time, and then again.
    /// None: it is not.
    fn tick_interval(&self) -> Option<Duration> {
        None
    }

    /// Whether the transform is ticked a last time, for [`TickReason::Flush`], when the task ends
    /// in
    /// order.
    fn flushes_on_stop(&self) -> bool {
        false
    }

    /// What it was loaded from, for the log and the status: name, version, digest. None: it is
    /// built in.
    fn provenance(&self) -> Option<String> {
        None
    }

    /// The most bytes of its state for a partition. None: it has no state that is to last.
    fn state_limit(&self) -> Option<u64> {
        None
    }

    /// What the partition's calls since the last time this was asked have changed of its state.
    fn state_changes(&mut self, partition: &TopicPartition) -> Option<StateChanges>;

    /// Everything up to `next_offset` of the partition is durable.
    fn durable(&mut self, partition: &TopicPartition, next_offset: Offset);

    /// The partition goes back to what is durable: whatever was kept of it beyond that is void.
    fn reset(&mut self, partition: &TopicPartition);

    /// The partition's state is this, whatever was kept of it before.
    fn restore(&mut self, partition: &TopicPartition, state: StoredState);

    /// The partition goes to another task, or comes from one: nothing kept of it holds any more.
    fn forget(&mut self, partition: &TopicPartition);
}

/// Decides whether a transform applies to a record.
pub trait Predicate: Send + Sync {
    /// Whether it holds for the record.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] where that cannot be told of this record.
    fn test(&self, record: &Record) -> Result<bool>;
}
