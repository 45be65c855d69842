//! The contract of sources: connectors whose tasks bring records into Kafka.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Config, Connector, Error, Header, Offset, ProvidedOptions, Record, Result, Timestamp};

/// A part of what a source reads that has an offset of its own: a file, a table, a shard. Kafka
/// Connect's map of names to JSON values, such as `{"filename": "/var/log/app.log"}`.
///
/// Two partitions are the same when they have the same names and values, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourcePartition(pub Map<String, Value>);

/// How far a source has read a [`SourcePartition`], in a form that the source alone understands:
/// Kafka Connect's map of names to JSON values, such as `{"position": 4096}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceOffset(pub Map<String, Value>);

macro_rules! json_object {
    ($name:ident) => {
        impl $name {
            /// The value under a name.
            pub fn get(&self, name: &str) -> Option<&Value> {
                self.0.get(name)
            }
        }

        impl<const N: usize> From<[(&str, Value); N]> for $name {
            fn from(entries: [(&str, Value); N]) -> Self {
                let entries = entries.into_iter();
                Self(entries.map(|(name, value)| (name.into(), value)).collect())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
            }
        }
    };
}

json_object!(SourcePartition);
json_object!(SourceOffset);

/// A record on its way to Kafka, and where in the source it was read.
///
/// Transforms may change all of `record`. The partition and the offset stay: they are stored once
/// Kafka has acknowledged the record, or once a transform has dropped it, so that a task that is
/// started again goes on behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    /// The record. Without a partition, Kafka's partitioner chooses one by the key; without a
    /// timestamp, it gets the time at which it is sent.
    pub record: Record,
    /// What it was read from. The records of one poll share it.
    pub source_partition: Arc<SourcePartition>,
    /// Where to go on once this record is in Kafka.
    pub source_offset: SourceOffset,
    /// Headers that the source itself has to find again: transforms do not see them, and each
    /// record that is written of this one has them behind its own.
    pub own_headers: Vec<Header>,
}

/// Tells a source task who it is.
#[derive(Clone, Debug, Default)]
pub struct SourceTaskContext {
    /// The connector's name.
    pub connector: String,
    /// The number of the task, from 0.
    pub task: u32,
    /// The options that config providers give, for whoever wants them anew. None: there are none.
    pub provided: Option<ProvidedOptions>,
}

/// Whether a source delivers each record exactly once where the worker writes records and offsets
/// in one transaction (KIP-618).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// It does: from a stored offset it reads the same records again, and none before it.
    Supported,
    /// It cannot, or not with this configuration.
    Unsupported,
}

/// Where Kafka has put a record, as Kafka's producer tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic: the one that the source named, or the one that a transform routed it to.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: Offset,
    /// The timestamp that it was sent with, in milliseconds; none: the producer's clock.
    pub timestamp: Option<Timestamp>,
}

/// What has become of a record that a source gave.
#[derive(Clone, Copy, Debug)]
pub enum RecordOutcome<'a> {
    /// Kafka has acknowledged it, and with transactions, the one that it was part of is committed.
    /// Of a record that a transform made several of, this is where the last one is.
    Written(&'a RecordMetadata),
    /// A transform dropped it: nothing of it is in Kafka.
    Dropped,
    /// A transform, a converter or Kafka refused it, or a part of what was made of it, and it was
    /// passed over.
    Failed(&'a Error),
}

/// A record whose outcome is known.
#[derive(Clone, Copy, Debug)]
pub struct CommittedRecord<'a> {
    /// The record's own.
    pub source_partition: &'a Arc<SourcePartition>,
    /// The record's own: what tells it from the others.
    pub source_offset: &'a SourceOffset,
    /// What has become of it.
    pub outcome: RecordOutcome<'a>,
}

/// Whether somebody waits for what becomes of each record of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Senders {
    /// Nobody: the source reads what is there.
    #[default]
    Absent,
    /// Somebody has sent each record and waits for an answer, as clients of HTTP do. Then
    /// - a poll is cut short when Kafka has acknowledged records, so that
    ///   [`SourceTask::commit_record`] is called at once;
    /// - a record that a transform, a converter or Kafka refuses is passed over whatever
    ///   `errors.tolerance` says: its sender is told;
    /// - the task outlives a producer: where Kafka's answer to records is lost, they are
    ///   [given up](SourceTask::give_up), and the same task goes on with another producer.
    Waiting,
}

/// Headers of a record that is in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenHeaders<'a> {
    /// The values of the headers that were asked for, in that order, as Kafka has them: the last
    /// one where a header is there twice, none where the record does not have it.
    pub values: &'a [Option<&'a [u8]>],
    /// The record's partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: Offset,
    /// The record's timestamp.
    pub timestamp: Option<Timestamp>,
}

/// Takes the headers of one record after another.
pub type EachRecord<'a> = &'a mut (dyn for<'h> FnMut(WrittenHeaders<'h>) + Send);

/// Reads what is in topics, for a source that has to know what its predecessor has written.
#[async_trait]
pub trait TopicReader: Send + Sync {
    /// Gives these headers of all records of a topic that have one of them, those of each partition
    /// in order, from the first one whose timestamp is not below `since` to the end as it is now.
    /// Records of transactions that are open or were aborted are left out. A topic that does not
    /// exist has no records.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when Kafka does not answer.
    async fn headers_since(
        &self,
        topic: &str,
        headers: &[&str],
        since: Timestamp,
        each: EachRecord<'_>,
    ) -> Result<()>;
}

/// A change of one stored offset that a user asks for: the offset to go on from, or none to read
/// the partition as if it had never been read.
pub type SourceOffsetChange = (SourcePartition, Option<SourceOffset>);

/// A connector whose tasks bring records into Kafka.
///
/// ```
/// use std::sync::{Arc, OnceLock};
///
/// use async_trait::async_trait;
/// use connect_api::{
///     Config, ConfigDef, ConfigKey, ConfigType, Connector, Datum, OffsetStorageReader, Properties,
///     Record, Result, SourceConnector, SourceOffset, SourcePartition, SourceRecord, SourceTask,
///     SourceTaskContext, Value,
/// };
/// use serde_json::json;
///
/// /// Counts: 0, 1, 2, …
/// struct CounterSource;
///
/// impl Connector for CounterSource {
///     fn classes(&self) -> &'static [&'static str] {
///         &["com.example.CounterSourceConnector"]
///     }
///
///     fn version(&self) -> &'static str {
///         "1.0.0"
///     }
///
///     fn config_def(&self) -> &ConfigDef {
///         static DEF: OnceLock<ConfigDef> = OnceLock::new();
///         DEF.get_or_init(|| {
///             let topic = ConfigKey::required("topic", ConfigType::String, "Where numbers go.");
///             ConfigDef::new(vec![topic])
///         })
///     }
///
///     /// There is one counter, so there is one task.
///     fn task_configs(&self, properties: &Properties, _max: usize) -> Result<Vec<Properties>> {
///         Ok(vec![properties.clone()])
///     }
/// }
///
/// impl SourceConnector for CounterSource {
///     fn task(&self, config: &Config, _: &SourceTaskContext) -> Result<Box<dyn SourceTask>> {
///         let topic = config.text("topic").into();
///         let partition = Arc::new(SourcePartition::from([("counter", json!("main"))]));
///         Ok(Box::new(CounterTask { topic, partition, next: 0 }))
///     }
/// }
///
/// struct CounterTask {
///     topic: Arc<str>,
///     partition: Arc<SourcePartition>,
///     next: i64,
/// }
///
/// #[async_trait]
/// impl SourceTask for CounterTask {
///     async fn start(&mut self, offsets: &dyn OffsetStorageReader) -> Result<()> {
///         let stored = offsets.offset(&self.partition).await?;
///         let next = stored.and_then(|offset| offset.get("next")?.as_i64());
///         self.next = next.unwrap_or(0);
///         Ok(())
///     }
///
///     async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
///         let number = self.next;
///         self.next += 1;
///         Ok(vec![SourceRecord {
///             record: Record {
///                 topic: Arc::clone(&self.topic),
///                 partition: None,
///                 key: Datum::NULL,
///                 value: Datum::schemaless(Value::Int(number)),
///                 headers: Vec::new(),
///                 timestamp: None,
///             },
///             source_partition: Arc::clone(&self.partition),
///             source_offset: SourceOffset::from([("next", json!(self.next))]),
///             own_headers: Vec::new(),
///         }])
///     }
/// }
/// ```
pub trait SourceConnector: Connector {
    /// Makes a task of one of the configs that [`Connector::task_configs`] gave. It connects to
    /// nothing before [`SourceTask::start`].
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the configuration cannot be used.
    fn task(&self, config: &Config, context: &SourceTaskContext) -> Result<Box<dyn SourceTask>>;

    /// Whether records are delivered exactly once with this configuration. A user who sets
    /// `exactly.once.support=required` is refused where they are not.
    fn exactly_once_support(&self, _config: &Config) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unsupported
    }

    /// Says whether a stopped connector could go on from the offsets that a user asks for
    /// (KIP-875). Called before any of them is stored; a reset asks for every known partition
    /// without an offset.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] with the text for the user. Without an answer of its own, a
    /// source has no offsets that can be altered.
    fn check_offsets(&self, _config: &Config, _changes: &[SourceOffsetChange]) -> Result<()> {
        Err(Error::config(
            "the connector doesn't support external modification of offsets",
        ))
    }
}

/// Looks up the offsets that the tasks of a connector have stored.
#[async_trait]
pub trait OffsetStorageReader: Send + Sync {
    /// The stored offset of each partition, in their order; none for one that has no offset yet.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when Kafka does not answer.
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>>;

    /// The stored offset of one partition.
    ///
    /// # Errors
    /// As for [`OffsetStorageReader::offsets`].
    async fn offset(&self, partition: &SourcePartition) -> Result<Option<SourceOffset>> {
        let found = self.offsets(std::slice::from_ref(partition)).await?;
        Ok(found.into_iter().next().flatten())
    }
}

/// A task of a source. All calls come one after another, on a thread that the task has for itself,
/// so that reading a file or a socket for a moment holds up no other task.
///
/// The worker makes a new task for each start, and also where records that it was given were not
/// written after all: that one goes on from the stored offsets. Where [senders wait](Senders), the
/// same task goes on.
#[async_trait]
pub trait SourceTask: Send {
    /// Begins the task, from the offsets that are stored. Called once, before any other call.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the source is away: the call is repeated. Any other
    /// error fails the task.
    async fn start(&mut self, offsets: &dyn OffsetStorageReader) -> Result<()>;

    /// The next records, in the order in which they are to be in Kafka. Without any it waits for
    /// some, and returns an empty list after a second or so.
    ///
    /// The call may be dropped at any of its waits, when the task is to pause or to stop: what was
    /// read by then must be given by the next call, so a record may leave the task's own fields
    /// only when the call returns.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when the source is away: it is polled again after a moment,
    /// and the task's status says what it waits for. Any other error fails the task.
    async fn poll(&mut self) -> Result<Vec<SourceRecord>>;

    /// Whether somebody waits for what becomes of each record; asked once, before the first poll.
    fn senders(&self) -> Senders {
        Senders::Absent
    }

    /// Reads from Kafka what the task has to know of what is written already. Called before the
    /// first poll, and again before the next one when records were [given
    /// up](SourceTask::give_up). With transactions, former tasks of the same number can write no
    /// more by then.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Retriable`] when Kafka is away: the call is repeated. Any other error
    /// fails the task.
    async fn read_back(&mut self, _topics: &dyn TopicReader) -> Result<()> {
        Ok(())
    }

    /// Told what has become of a record: Kafka Connect's `commitRecord`. Called once for each
    /// record, in the order in which they were given, unless they are given up. It must not block.
    ///
    /// # Errors
    /// Any error fails the task.
    fn commit_record(&mut self, _record: CommittedRecord<'_>) -> Result<()> {
        Ok(())
    }

    /// Told that nothing will be known of the records that were given and that no
    /// [`SourceTask::commit_record`] has spoken of: some may be in Kafka. Called only for a task
    /// whose [`SourceTask::senders`] wait.
    fn give_up(&mut self, _why: &Error) {}

    /// Told which offsets are stored by now, one for each partition that has moved since the last
    /// call. A source that keeps records until they are safe may let go of those.
    ///
    /// # Errors
    /// Any error is logged: the offsets are stored all the same.
    async fn commit(&mut self, _stored: &[(Arc<SourcePartition>, SourceOffset)]) -> Result<()> {
        Ok(())
    }

    /// Ends the task. No call comes after this one.
    async fn stop(&mut self) {}
}

/// The code of the guide is compiled and run as a test of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/write-a-source.md")]
struct WriteASource;
