//! The contract of sinks.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Config, Connector, DeadLetter, Error, Offset, RecordBatch, Result, SinkRecord, StateQuery,
    StateRow, StateStore, StoredState, Timestamp, TopicPartition,
};

/// Tells a task who it is, or a connector as a whole, which is task 0 then.
#[derive(Clone, Debug)]
pub struct TaskContext {
    /// The connector's name.
    pub connector: String,
    /// The number of the task.
    pub task: u32,
    /// What the worker lends to a sink that writes to the worker's own Kafka cluster. Its type is
    /// that sink's: this contract names no client library.
    pub clients: Option<Arc<dyn Any + Send + Sync>>,
}

/// The membership of a task's consumer in its group (KIP-447), in the client library's own type.
pub type GroupMembership = Arc<dyn Any + Send + Sync>;

/// Where a sink says that a partition is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedPartition {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// None: the sink has never stored an offset for it.
    pub next_offset: Option<Offset>,
    /// The timestamp of the record in front of that, where the sink knows it.
    pub last_timestamp: Option<Timestamp>,
    /// What it keeps of the state of transforms for it.
    pub state: Vec<StoredState>,
}

/// How offsets of a connector are to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetChange {
    /// These partitions go on from there; none: as if they had never been read.
    Alter(Vec<(TopicPartition, Option<Offset>)>),
    /// All partitions are as if they had never been read.
    Reset,
}

/// A connector whose tasks take records out of Kafka.
#[async_trait]
pub trait SinkConnector: Connector {
    /// Makes a task. It connects only when it is first used.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the configuration cannot be used.
    fn task(&self, config: &Config, context: &TaskContext) -> Result<Box<dyn SinkTask>>;

    /// Entries of the state that tasks of the connector have made durable, in the order of
    /// transform, topic, partition and key.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the sink keeps none.
    async fn state(
        &self,
        _config: &Config,
        _context: &TaskContext,
        _query: &StateQuery,
    ) -> Result<Vec<StateRow>> {
        Err(Error::config("the sink keeps no state of transforms"))
    }

    /// Changes the offsets that the sink keeps for a stopped connector, and fences what may still
    /// write for it. False: it keeps none.
    ///
    /// # Errors
    /// When the target is away or refuses: then nothing has changed.
    async fn alter_offsets(
        &self,
        config: &Config,
        context: &TaskContext,
        change: &OffsetChange,
    ) -> Result<bool> {
        let _ = (config, context, change);
        Ok(false)
    }
}

/// Takes records that cannot be written, while a sink writes their batch.
#[async_trait]
pub trait ErrantRecordReporter: Send {
    /// Reports the record, by `errors.tolerance`. `Ok` means that the report is durable, and that
    /// the record counts as done; but for a letter, which a sink that keeps dead letters writes
    /// together with the record's offset. No other sink is given one.
    ///
    /// # Errors
    /// The record may not be passed over: `put` is to end with this error.
    async fn report(&mut self, record: &SinkRecord, error: Error) -> Result<Option<DeadLetter>>;
}

/// A task of a sink. All calls come one after another.
#[async_trait]
pub trait SinkTask: Send {
    /// Whether the sink writes dead letters itself, by the transaction of the rows and offsets, so
    /// that they too are there exactly once (Invariant 2).
    fn keeps_dead_letters(&self) -> bool {
        false
    }

    /// Told before all else which transforms have a state that is to be kept: from then on `open`
    /// gives it back, and `put` writes the changes that come with the batches.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the sink keeps none.
    fn keep_state(&mut self, stores: Vec<StateStore>) -> Result<()> {
        let transforms = stores.iter().map(|store| &*store.transform);
        let transforms = transforms.collect::<Vec<_>>().join(", ");
        Err(Error::config(format!(
            "the sink keeps no state, and these transforms need it: {transforms}"
        )))
    }

    /// Begins the task: called once, before any other call.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away; the call is repeated.
    async fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes the partitions over: from now on no former owner can write them (Invariant 5).
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away; the call is repeated.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>>;

    /// Sets the offset of partitions for which [`OpenedPartition::next_offset`] was none.
    ///
    /// # Errors
    /// As for `open`.
    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Writes the batches, at most one for a partition. `Ok` means that all of them are durable,
    /// with their offsets and the dead letters that the sink keeps, and that each record was either
    /// written or reported (Invariants 1 to 4).
    ///
    /// After [`crate::ErrorKind::Retriable`] the call is repeated with the same batches; what had
    /// become durable of them is not written again, also when the answer to a COMMIT was lost.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Fenced`] when a partition has another owner or its offset is no longer
    /// what this task knew: the task opens its partitions anew and reads again from there.
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()>;

    /// Whether `put` moves the offsets of the group itself, with the records. The worker then moves
    /// none, and calls [`SinkTask::joined`].
    fn commits_offsets(&self) -> bool {
        false
    }

    /// The membership that the batches of the next `put` were read under.
    fn joined(&mut self, _membership: GroupMembership) {}

    /// Gives the partitions up.
    async fn close(&mut self, partitions: &[TopicPartition]);

    /// Ends the task: closes its connections.
    async fn stop(&mut self);
}
