//! The contract of sinks: [`SinkTask::put`], and the capabilities that a sink may offer besides.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::{
    Choice, Config, Connector, DeadLetter, Error, Offset, OffsetScope, Properties, ProvidedOptions,
    RecordBatch, Result, SinkRecord, StateQuery, StateRow, StateStore, StoredState, Timestamp,
    TopicPartition,
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
    /// Whose offsets those of the connector are. Empty for a task: it is told when partitions are
    /// opened.
    pub scope: OffsetScope,
    /// The options that config providers give, for whoever wants them anew. None: there are none.
    pub provided: Option<ProvidedOptions>,
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

/// Where a partition goes on whose offset the target has lost: the consumer group has an offset
/// that was committed for a target that kept one too, and the target has none. It was restored from
/// a backup, a standby was promoted that was behind, its table of offsets was dropped, or it is
/// another database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostOffsets {
    /// The task fails, and says both offsets.
    #[default]
    Fail,
    /// At the beginning of the log.
    Earliest,
    /// Where the connector began to write the partition to the target.
    Start,
    /// At the group's offset: what the target has lost stays lost.
    Group,
}

impl Choice for LostOffsets {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("fail", Self::Fail),
        ("earliest", Self::Earliest),
        ("start", Self::Start),
        ("group", Self::Group),
    ];
}

impl LostOffsets {
    /// The option of sinks that keep offsets.
    pub const KEY: &'static str = "delivery.lost.offsets";
}

/// How far the history of a target has come. A target can be put back to an earlier point, from
/// where it goes on with another history: in Postgres by promoting a standby that was behind, or by
/// restoring a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetHistory {
    /// Each history that branches off another has a greater number.
    pub timeline: u64,
    /// Where its log stands, in bytes.
    pub position: u64,
    /// Where this timeline branched off the one before, if the target knows.
    pub begins_at: Option<u64>,
}

impl TargetHistory {
    /// Whether the target has certainly lost what happened behind a point of its former history.
    /// False says nothing.
    ///
    /// ```
    /// use connect_api::TargetHistory;
    ///
    /// let created = TargetHistory { timeline: 1, position: 150, begins_at: None };
    /// let promoted = TargetHistory { timeline: 2, position: 180, begins_at: Some(100) };
    /// assert!(promoted.has_lost(created));
    /// assert!(!TargetHistory { begins_at: Some(160), ..promoted }.has_lost(created));
    /// ```
    #[must_use]
    pub fn has_lost(self, former: Self) -> bool {
        former.timeline < self.timeline && self.begins_at.is_some_and(|at| at <= former.position)
    }
}

/// A change of the offsets that a sink keeps which is made, but not yet committed: it is committed
/// once Kafka's group has taken it too, and rolled back when it is dropped.
#[async_trait]
pub trait PendingOffsets: Send {
    /// Commits the change.
    ///
    /// # Errors
    /// When the target has gone away: then nothing has changed.
    async fn commit(self: Box<Self>) -> Result<()>;
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

    /// The offsets that the sink keeps for a connector: where its tasks go on when they are next
    /// started. None: Kafka's group alone has them.
    ///
    /// # Errors
    /// When the target is away or refuses.
    async fn offsets(
        &self,
        _config: &Config,
        _context: &TaskContext,
    ) -> Result<Option<Vec<(TopicPartition, Offset)>>> {
        Ok(None)
    }

    /// Changes the offsets that the sink keeps for a stopped connector, and the state that goes
    /// with them, and fences what may still write for it. The worker then changes those of Kafka's
    /// group, and commits what is returned when the group has taken the change. None: there is
    /// nothing left to commit.
    ///
    /// # Errors
    /// When the target is away or refuses: then nothing has changed.
    async fn alter_offsets(
        &self,
        _config: &Config,
        _context: &TaskContext,
        _change: &OffsetChange,
    ) -> Result<Option<Box<dyn PendingOffsets>>> {
        Ok(None)
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
    /// owner or its offset is no longer what this task knew, and [`crate::ErrorKind::OffsetsLost`]
    /// when the target has less than was durable: the task opens its partitions again and reads
    /// from there. Any other kind fails the task.
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
    /// Tells whose offsets those of the partitions are. Called before partitions are opened.
    fn set_scope(&mut self, _scope: &OffsetScope) {}

    /// Takes the partitions over: from now on no former owner can write them (Invariant 5). One
    /// [`OpenedPartition`] for each, in the same order. A partition may be opened again that is
    /// open already: all that the sink knew of it is void then.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the target is away; the call is repeated.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>>;

    /// Drops the offsets of open partitions, which are opened again: someone has set those of
    /// Kafka's group. Only a sink with a [`SinkOffsets::target`] is asked. Errors: as `start_at`.
    async fn forget(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Err(Error::fatal("the sink cannot drop offsets that it has"))
    }

    /// Sets the offsets of partitions for which [`OpenedPartition::next_offset`] was none.
    ///
    /// # Errors
    /// As for `open`, and [`crate::ErrorKind::Fenced`] when another task took a partition over
    /// meanwhile.
    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Gives the partitions up.
    async fn close(&mut self, partitions: &[TopicPartition]);

    /// Compares what the target has of the open partitions with what this task knows. It is called
    /// every few seconds, also while there is nothing to put: a target that has lost offsets is
    /// noticed although no record comes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::OffsetsLost`] when the target has less,
    /// [`crate::ErrorKind::Fenced`] when a partition has another owner,
    /// [`crate::ErrorKind::Retriable`] when the target is away.
    async fn verify(&mut self) -> Result<()> {
        Ok(())
    }

    /// A name of the target that no other one has, once partitions were opened. With it the worker
    /// marks the offsets that it commits to Kafka's group: it does not believe one of them where
    /// the target has none. None: the offsets are not in the target, and the group's are believed.
    fn target(&self) -> Option<&str> {
        None
    }

    /// How far the target's history had come when partitions were last opened, before it had a row
    /// of theirs. None: the target does not say.
    fn history(&self) -> Option<TargetHistory> {
        None
    }

    /// Where a partition goes on whose offset the target has lost: [`LostOffsets::KEY`].
    fn lost_offsets(&self) -> LostOffsets {
        LostOffsets::Fail
    }
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
