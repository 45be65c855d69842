//! The contract of sinks: [`SinkTask::put`], and the capabilities that a sink may offer besides.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::{
    Config, Connector, DeadLetter, Error, Offset, Properties, RecordBatch, Result, SinkRecord,
    StateQuery, StateRow, StateStore, StoredState, Timestamp, TopicPartition,
};

/// Tells a task who it is, or a connector as a whole, which is task 0 then.
#[derive(Clone, Debug, Default)]
pub struct TaskContext {
    /// The connector's name.
    pub connector: String,
    /// The number of the task.
    pub task: u32,
    /// For a connector that makes Kafka clients itself.
    pub clients: ClientProperties,
}

/// Settings of Kafka clients of the cluster that the worker reads from: the worker's own with the
/// connector's overrides, under the names that Java's clients have for them.
///
/// They hold passwords, so `Debug` shows their names alone (Invariant 9).
#[derive(Clone, Default)]
pub struct ClientProperties {
    /// Of a producer.
    pub producer: Properties,
    /// Of a consumer in the task's group.
    pub consumer: Properties,
    /// Of an admin client.
    pub admin: Properties,
    /// The topics in which the worker keeps what it knows: no connector writes to them.
    pub internal_topics: Vec<String>,
}

impl fmt::Debug for ClientProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |properties: &Properties| properties.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("ClientProperties")
            .field("producer", &names(&self.producer))
            .field("consumer", &names(&self.consumer))
            .field("admin", &names(&self.admin))
            .finish()
    }
}

/// Where a sink says that a partition is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedPartition {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// None: the sink has no offset for it, and Kafka's group says where to go on.
    pub next_offset: Option<Offset>,
    /// The timestamp of the record in front of that, where the sink knows it.
    pub last_timestamp: Option<Timestamp>,
}

impl OpenedPartition {
    /// A partition that the sink has no offset for.
    #[must_use]
    pub fn unknown(topic_partition: TopicPartition) -> Self {
        Self {
            topic_partition,
            next_offset: None,
            last_timestamp: None,
        }
    }
}

/// How offsets of a connector are to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetChange {
    /// These partitions go on from there; none: as if they had never been read.
    Alter(Vec<(TopicPartition, Option<Offset>)>),
    /// All partitions are as if they had never been read.
    Reset,
}

/// A connector whose tasks take records out of Kafka: a [`Connector`] that makes a [`SinkTask`] of
/// its parsed options.
///
/// ```
/// use async_trait::async_trait;
/// use connect_api::{
///     Config, ConfigDef, ConfigKey, ConfigType, Connector, ErrantRecordReporter, Properties,
///     RecordBatch, Result, SinkConnector, SinkTask, TaskContext,
/// };
///
/// struct PrintSinkConnector(ConfigDef);
///
/// impl PrintSinkConnector {
///     fn new() -> Self {
///         let prefix = ConfigKey::new("prefix", ConfigType::String, "> ", "Begins each line.");
///         Self(ConfigDef::new(vec![prefix]))
///     }
/// }
///
/// impl Connector for PrintSinkConnector {
///     fn classes(&self) -> &'static [&'static str] {
///         &["com.example.PrintSinkConnector"]
///     }
///
///     fn version(&self) -> &'static str {
///         "1.0.0"
///     }
///
///     fn config_def(&self) -> &ConfigDef {
///         &self.0
///     }
/// }
///
/// impl SinkConnector for PrintSinkConnector {
///     fn task(&self, config: &Config, _: &TaskContext) -> Result<Box<dyn SinkTask>> {
///         let prefix = config.text("prefix").to_owned();
///         Ok(Box::new(PrintSinkTask { prefix }))
///     }
/// }
///
/// struct PrintSinkTask {
///     prefix: String,
/// }
///
/// #[async_trait]
/// impl SinkTask for PrintSinkTask {
///     async fn put(
///         &mut self,
///         batches: &[RecordBatch],
///         _: &mut dyn ErrantRecordReporter,
///     ) -> Result<()> {
///         for record in batches.iter().flat_map(|batch| &batch.records) {
///             println!("{}{}", self.prefix, record.origin);
///         }
///         Ok(())
///     }
/// }
///
/// let connector = PrintSinkConnector::new();
/// let config = connector.config_def().parse(&Properties::new())?;
/// let task = connector.task(&config, &TaskContext::default());
/// assert!(task.is_ok());
/// # Ok::<(), connect_api::Error>(())
/// ```
#[async_trait]
pub trait SinkConnector: Connector {
    /// Makes a task, on the task's thread. `config` was parsed by [`Connector::config_def`]. The
    /// task connects only when it is first used: a target that is away does not fail it.
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

    /// Changes the offsets that the sink keeps for a stopped connector, and the state that goes
    /// with them, and fences what may still write for it. The worker changes those of Kafka's group
    /// afterwards; for a sink that keeps nothing that is all.
    ///
    /// # Errors
    /// When the target is away or refuses: then nothing has changed.
    async fn alter_offsets(
        &self,
        _config: &Config,
        _context: &TaskContext,
        _change: &OffsetChange,
    ) -> Result<()> {
        Ok(())
    }
}

/// Takes errant records: those that cannot be written, and never will be. A sink reports them while
/// it puts their batch, and writes the others.
///
/// The worker remembers reports for as long as it repeats a put: a batch that comes again comes
/// without the records that were reported, so that a sink need not know them.
///
/// ```
/// use connect_api::{ErrantRecordReporter, Error, RecordBatch, Result, SinkRecord};
///
/// fn encode(record: &SinkRecord) -> Result<String> {
///     match record.record.value.value.as_str() {
///         Some(text) => Ok(text.to_owned()),
///         None => Err(Error::data(format!("{}: the value is not a string", record.origin))),
///     }
/// }
///
/// /// The lines of a batch; a record that has none is reported.
/// async fn lines(
///     batch: &RecordBatch,
///     reporter: &mut dyn ErrantRecordReporter,
/// ) -> Result<Vec<String>> {
///     let mut lines = Vec::new();
///     for record in &batch.records {
///         match encode(record) {
///             Ok(line) => lines.push(line),
///             // It fails where errors are not tolerated, and so does the put then.
///             Err(error) => drop(reporter.report(record, error).await?),
///         }
///     }
///     Ok(lines)
/// }
/// ```
#[async_trait]
pub trait ErrantRecordReporter: Send {
    /// Reports a record of the batches that `put` was given, by `errors.tolerance`. `Ok` means that
    /// the report is durable and that the record counts as done. The one exception is a dead letter
    /// that comes back: a sink that [keeps them](SinkTask::dead_letters) writes it together with
    /// the record's offset. No other sink is given one.
    ///
    /// # Errors
    /// The record may not be passed over: `put` is to end with this error.
    async fn report(&mut self, record: &SinkRecord, error: Error) -> Result<Option<DeadLetter>>;
}

/// Who keeps dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterStorage {
    /// The worker, in the topic of `errors.deadletterqueue.topic.name`.
    Worker,
    /// The sink, in the transaction of the rows and offsets, so that they too are there exactly
    /// once (Invariant 2). Batches then bring [`RecordBatch::dead_letters`], and
    /// [`ErrantRecordReporter::report`] gives one back.
    Sink,
}

/// A task of a sink. All calls come one after another.
///
/// `put` alone makes a sink: the worker tells Kafka's group of the offsets once `put` has returned,
/// so that every record is written at least once. What a sink can do beyond that it offers as a
/// capability, and the worker then relies on it:
///
/// | capability | what the sink keeps | what comes of it |
/// |---|---|---|
/// | [`SinkTask::offsets`] | offsets, in the transaction of the records | exactly once; former owners are fenced |
/// | [`SinkTask::state`] | the state of transforms | transforms that have a state may be used |
/// | [`SinkTask::dead_letters`] | dead letters | they are there exactly once |
///
/// The smallest sink, which counts records:
///
/// ```
/// use async_trait::async_trait;
/// use connect_api::{ErrantRecordReporter, RecordBatch, Result, SinkTask};
///
/// #[derive(Default)]
/// struct Count {
///     records: usize,
/// }
///
/// #[async_trait]
/// impl SinkTask for Count {
///     async fn put(
///         &mut self,
///         batches: &[RecordBatch],
///         _: &mut dyn ErrantRecordReporter,
///     ) -> Result<()> {
///         self.records += batches.iter().map(|batch| batch.records.len()).sum::<usize>();
///         Ok(())
///     }
/// }
///
/// let mut task: Box<dyn SinkTask> = Box::new(Count::default());
/// assert!(task.offsets().is_none(), "Kafka's group has the offsets");
/// ```
#[async_trait]
pub trait SinkTask: Send {
    /// Writes the batches, at most one for a partition. `Ok` means that all of them are durable,
    /// with the offsets, the state and the dead letters that the sink keeps, and that each record
    /// was either written or reported (Invariants 1 to 4).
    ///
    /// After [`crate::ErrorKind::Retriable`] the call is repeated with the same batches, but for
    /// the records that were reported: they are taken out, and their dead letters, where the sink
    /// keeps them, are in [`RecordBatch::dead_letters`]. A sink that keeps offsets does not write
    /// again what had become durable of them, also when the answer to a COMMIT was lost.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away: the call is repeated until it
    /// succeeds, or the task is stopped. [`crate::ErrorKind::Fenced`] when a partition has another
    /// owner or its offset is no longer what this task knew: the task opens its partitions again
    /// and reads from there. Any other kind fails the task.
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()>;

    /// Ends the task: closes its connections. It is called once, after the last put.
    async fn stop(&mut self) {}

    /// The capability to keep offsets. None: Kafka's group alone has them, and nothing fences a
    /// former owner of a partition.
    fn offsets(&mut self) -> Option<&mut dyn SinkOffsets> {
        None
    }

    /// The capability to keep the state of transforms. None: a connector whose transforms have one
    /// is refused.
    fn state(&mut self) -> Option<&mut dyn SinkState> {
        None
    }

    /// Who keeps dead letters. Asked once, before the first put.
    fn dead_letters(&self) -> DeadLetterStorage {
        DeadLetterStorage::Worker
    }
}

/// Offsets that a sink keeps: with the records in one transaction, or for as long as it runs, so
/// that a repeated put need not write what is there.
#[async_trait]
pub trait SinkOffsets: Send {
    /// Takes the partitions over: from now on no former owner can write them (Invariant 5). One
    /// [`OpenedPartition`] for each, in the same order. A partition may be opened again that is
    /// open already: all that the sink knew of it is void then.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away; the call is repeated.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>>;

    /// Sets the offsets of partitions for which [`OpenedPartition::next_offset`] was none.
    ///
    /// # Errors
    /// As for `open`, and [`crate::ErrorKind::Fenced`] when another task took a partition over
    /// meanwhile.
    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Gives the partitions up.
    async fn close(&mut self, partitions: &[TopicPartition]);
}

/// The state of each partition that has one.
pub type PartitionStates = BTreeMap<TopicPartition, Vec<StoredState>>;

/// The state of transforms that a sink keeps: what the batches bring as [`RecordBatch::state`] is
/// written in the transaction of their records and offsets (Invariant 2).
#[async_trait]
pub trait SinkState: Send {
    /// Tells which transforms have a state that is to be kept. Called once, before all else, and
    /// only when there is at least one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the sink keeps none as it is configured.
    fn keep(&mut self, stores: Vec<StateStore>) -> Result<()>;

    /// Loads what is durable of the state of partitions that were taken over just before. State
    /// belongs to an offset: what is there of a partition that has none is of a former connector of
    /// the name, and is deleted.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away; the call is repeated.
    /// [`crate::ErrorKind::Fenced`] when another task took a partition over meanwhile.
    async fn load(&mut self, partitions: &[TopicPartition]) -> Result<PartitionStates>;
}
