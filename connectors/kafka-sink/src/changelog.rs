//! The state of transforms, in a compacted topic that the connector's transactions write.
//!
//! An entry's key is JSON: transform, topic, partition, and the plugin's key in base64. Its value
//! is the plugin's own bytes, and its header `expires` a time in milliseconds. A record with null
//! in place of the plugin's key holds the partition's clock.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use connect_api::{
    Error, PartitionStates, Result, StateDelta, StateEntry, StateStore, StoredState, Timestamp,
    TopicPartition,
};
use connect_kafka::{IgnorePartitionEof, KafkaClient, TopicSpec, create};
use rdkafka::TopicPartitionList;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use serde::{Deserialize, Serialize};

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inspect;

use crate::clients::Clients;
use crate::producer::Message;

/// How long Kafka may take for an answer.
const LIMIT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);
/// How long whoever only looks waits for transactions that are open: one that was committed just
/// now may still be on its way.
const GLANCE: Duration = Duration::from_secs(1);
/// How long all of the reading may take whoever only looks.
const LOOK: Duration = Duration::from_secs(10);
const EXPIRES: &str = "expires";

/// How the topic is made when it is absent.
#[derive(Clone, Debug)]
pub(crate) struct ChangelogConfig {
    pub topic: String,
    pub partitions: i32,
    /// -1: the broker's default.
    pub replication: i32,
}

/// The changelog of one task.
pub(crate) struct Changelog {
    config: ChangelogConfig,
    clients: Arc<Clients>,
    stores: Vec<StateStore>,
    /// How many partitions the topic has.
    partitions: OnceLock<i32>,
}

/// An entry's key; without the plugin's key it is the clock's.
#[derive(Serialize, Deserialize)]
struct EntryKey<'a>(Cow<'a, str>, Cow<'a, str>, i32, Option<Cow<'a, str>>);

/// By partition and transform: the clock, and the entries.
type States =
    BTreeMap<(TopicPartition, Arc<str>), (Option<Timestamp>, BTreeMap<Bytes, StateEntry>)>;

/// Who reads the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Its next owner: what open transactions write may be part of it, and decides.
    TakesOver,
    /// Somebody who looks at what is committed now, and has not the time to wait.
    Looks,
}

/// Partitions of the topic that are read, and the offset up to which each is.
type Ends = BTreeMap<i32, i64>;

/// Whether the entries of a transform, topic and partition are asked for, and under which name.
type Wanted<'a> = &'a dyn Fn(&str, &str, i32) -> Option<(TopicPartition, Arc<str>)>;

impl Changelog {
    pub(crate) fn new(
        config: ChangelogConfig,
        clients: Arc<Clients>,
        stores: Vec<StateStore>,
    ) -> Self {
        Self {
            config,
            clients,
            stores,
            partitions: OnceLock::new(),
        }
    }

    /// Creates the topic if it is absent, and counts its partitions. Does nothing once they are
    /// known.
    pub(crate) async fn start(&self) -> Result<()> {
        if self.partitions.get().is_some() {
            return Ok(());
        }
        let ChangelogConfig {
            topic,
            partitions,
            replication,
        } = &self.config;
        let failed = |error: &dyn std::fmt::Display| {
            Error::retriable(format!("cannot create the state topic {topic}: {error}"))
        };
        let client: KafkaClient<AdminClient<DefaultClientContext>> =
            create(&self.clients.admin, DefaultClientContext)
                .map_err(|e| Error::config(format!("admin client: {e}")))?;
        let spec = TopicSpec {
            name: topic,
            purpose: "the state topic",
            partitions: *partitions,
            replication: *replication,
            replication_option: "state.topic.replication.factor",
            settings: vec![("cleanup.policy", "compact")],
        };
        spec.create(&client, LIMIT).await?;
        let metadata = client.inner().fetch_metadata(Some(topic), LIMIT);
        let metadata = metadata.map_err(|e| failed(&e))?;
        let found = metadata
            .topics()
            .first()
            .map_or(0, |t| t.partitions().len());
        if found == 0 {
            return Err(failed(&"it has no partitions yet"));
        }
        let found = i32::try_from(found).map_err(|e| failed(&e))?;
        self.partitions.get_or_init(|| found);
        Ok(())
    }

    /// The partition of the topic that has the state of this one. It must be the same for ever.
    fn home(&self, topic_partition: &TopicPartition) -> Result<i32> {
        let count = self
            .partitions
            .get()
            .ok_or_else(|| Error::retriable("the state topic is not known yet"))?;
        // FNV-1a, of 64 bits.
        let hash = topic_partition
            .topic
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let spread = hash.wrapping_add(u64::try_from(topic_partition.partition).unwrap_or(0));
        let count = u64::try_from(*count).unwrap_or(1);
        i32::try_from(spread % count).map_err(|e| Error::fatal(e.to_string()))
    }

    /// What the changes of a batch are as messages.
    pub(crate) fn messages<'a>(
        &'a self,
        topic_partition: &TopicPartition,
        deltas: &'a [StateDelta],
        out: &mut Vec<Message<'a>>,
    ) -> Result<()> {
        if deltas.is_empty() {
            return Ok(());
        }
        let home = self.home(topic_partition)?;
        for StateDelta { transform, changes } in deltas {
            for (key, entry) in &changes.entries {
                let key = key_of(topic_partition, transform, Some(key))?;
                out.push(self.message(home, key, entry.as_ref()));
            }
            if let Some(clock) = changes.clock {
                let key = key_of(topic_partition, transform, None)?;
                let mut message = self.message(home, key, None);
                message.value = Some(Cow::Owned(clock.to_string().into_bytes()));
                out.push(message);
            }
        }
        Ok(())
    }

    fn message<'a>(
        &'a self,
        home: i32,
        key: Vec<u8>,
        entry: Option<&'a StateEntry>,
    ) -> Message<'a> {
        let headers = entry.and_then(|entry| entry.expires).map(|expires| {
            OwnedHeaders::new_with_capacity(1).insert(Header {
                key: EXPIRES,
                value: Some(&expires.to_string()),
            })
        });
        Message {
            topic: Cow::Borrowed(&self.config.topic),
            partition: Some(home),
            key: Some(Cow::Owned(key)),
            value: entry.map(|entry| Cow::Borrowed(&*entry.value)),
            headers,
            timestamp: None,
            deferred: false,
        }
    }

    /// Counts the partitions of the topic, and makes nothing. Whether it is there.
    pub(crate) fn find(&self) -> Result<bool> {
        let topic = &self.config.topic;
        let consumer: KafkaClient<BaseConsumer> =
            create(&self.clients.consumer, DefaultConsumerContext)
                .map_err(|e| Error::config(format!("consumer: {e}")))?;
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT);
        let metadata = metadata.map_err(|e| unread(&e))?;
        let found = metadata
            .topics()
            .first()
            .map_or(0, |t| t.partitions().len());
        let found = i32::try_from(found).map_err(|e| unread(&e))?;
        if found > 0 {
            self.partitions.get_or_init(|| found);
        }
        Ok(found > 0)
    }

    /// The state of the partitions. The group's offsets must be stable: nobody else writes their
    /// state any more then, and what was written is at least on its way to be committed.
    pub(crate) fn read(&self, partitions: &[TopicPartition]) -> Result<PartitionStates> {
        let homes: Result<BTreeSet<i32>> = partitions.iter().map(|p| self.home(p)).collect();
        let wanted = |transform: &str, topic: &str, partition| {
            let at = |p: &&TopicPartition| p.partition == partition && *p.topic == *topic;
            let topic_partition = partitions.iter().find(at)?;
            let store = self.stores.iter().find(|s| *s.transform == *transform);
            // Without stores, all of them are asked for.
            let name = match store {
                Some(store) => Arc::clone(&store.transform),
                None if self.stores.is_empty() => transform.into(),
                None => return None,
            };
            Some((topic_partition.clone(), name))
        };
        let states = self.states(homes?, &wanted, Reading::TakesOver)?;
        let mut found = PartitionStates::new();
        for ((topic_partition, transform), (clock, entries)) in states {
            found.entry(topic_partition).or_default().push(StoredState {
                transform,
                clock,
                entries: entries.into_iter().collect(),
            });
        }
        Ok(found)
    }

    /// What these partitions of the topic have of what is asked for.
    fn states(&self, homes: BTreeSet<i32>, wanted: Wanted<'_>, reading: Reading) -> Result<States> {
        let began = Instant::now();
        let mut states = States::new();
        let (consumer, mut open) = self.reader(&homes, reading)?;
        let until = Instant::now() + LIMIT;
        while !open.is_empty() {
            if reading == Reading::Looks && began.elapsed() > LOOK {
                return Err(unread(&format!(
                    "it is not read within {} s. Ask for one topic and partition, so that less of \
                     it is read",
                    LOOK.as_secs()
                )));
            }
            match consumer.poll(LIMIT) {
                Some(Ok(message)) => {
                    // Others may write behind the end meanwhile, without an end.
                    let Some(end) = open.get(&message.partition()).copied() else {
                        continue;
                    };
                    if message.offset() < end {
                        self.take(&message, wanted, &mut states)?;
                    }
                    if message.offset() + 1 >= end {
                        self.ended(&consumer, message.partition(), &mut open);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(home))) => {
                    self.ended(&consumer, home, &mut open);
                }
                Some(Err(error)) if Instant::now() > until => return Err(unread(&error)),
                Some(Err(_)) => {}
                None => return Err(unread(&"it does not end")),
            }
        }
        Ok(states)
    }

    /// A partition has been read up to its end; what comes behind it is of no use.
    fn ended(&self, consumer: &BaseConsumer<IgnorePartitionEof>, home: i32, open: &mut Ends) {
        open.remove(&home);
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.config.topic, home);
        // It is left out all the same.
        let _ = consumer.pause(&list);
    }

    /// A consumer at the beginning of the partitions, and the end of what it is to read of each:
    /// all that was written so far, where it takes over, once no transaction is open on it.
    fn reader(
        &self,
        homes: &BTreeSet<i32>,
        reading: Reading,
    ) -> Result<(KafkaClient<BaseConsumer<IgnorePartitionEof>>, Ends)> {
        let client = |isolation: &str| -> Result<KafkaClient<BaseConsumer<IgnorePartitionEof>>> {
            let mut config = self.clients.consumer.clone();
            config
                .set("isolation.level", isolation)
                .set("enable.partition.eof", "true")
                .set("auto.offset.reset", "earliest")
                .set("enable.auto.commit", "false");
            create(&config, IgnorePartitionEof::new("the state topic"))
                .map_err(|e| Error::config(format!("consumer: {e}")))
        };
        let topic = &self.config.topic;
        let end = |consumer: &BaseConsumer<IgnorePartitionEof>, home: i32| {
            let marks = consumer.fetch_watermarks(topic, home, LIMIT);
            marks.map(|(_, end)| end).map_err(|e| unread(&e))
        };
        let (written, committed) = (client("read_uncommitted")?, client("read_committed")?);
        let mut list = TopicPartitionList::with_capacity(homes.len());
        let mut ends = Ends::new();
        let patience = match reading {
            Reading::TakesOver => LIMIT,
            Reading::Looks => GLANCE,
        };
        let until = Instant::now() + patience;
        for &home in homes {
            let all = end(&written, home)?;
            let mut stable = end(&committed, home)?;
            while stable < all && Instant::now() < until {
                std::thread::sleep(PAUSE);
                stable = end(&committed, home)?;
            }
            if stable < all && reading == Reading::TakesOver {
                return Err(unread(&"a transaction is open on it"));
            }
            ends.insert(home, stable.min(all));
            let added = list.add_partition_offset(topic, home, rdkafka::Offset::Beginning);
            added.map_err(|e| unread(&e))?;
        }
        committed.assign(&list).map_err(|e| unread(&e))?;
        Ok((committed, ends))
    }

    fn take(
        &self,
        message: &BorrowedMessage<'_>,
        wanted: Wanted<'_>,
        states: &mut States,
    ) -> Result<()> {
        let damaged = || {
            Error::fatal(format!(
                "the state topic {} has a record that is none of this sink at offset {} of \
                 partition {}",
                self.config.topic,
                message.offset(),
                message.partition()
            ))
        };
        let headers = message.headers();
        let expires = headers.and_then(|all| all.iter().find(|header| header.key == EXPIRES));
        let record = Stored {
            key: message.key(),
            value: message.payload(),
            expires: expires.map(|header| header.value),
        };
        record.take(wanted, states).ok_or_else(damaged)
    }

    /// Messages that delete the state of a partition.
    pub(crate) fn deletions<'a>(
        &'a self,
        topic_partition: &TopicPartition,
        states: &[StoredState],
        out: &mut Vec<Message<'a>>,
    ) -> Result<()> {
        let home = self.home(topic_partition)?;
        for state in states {
            for (key, _) in &state.entries {
                let key = key_of(topic_partition, &state.transform, Some(key))?;
                out.push(self.message(home, key, None));
            }
            let key = key_of(topic_partition, &state.transform, None)?;
            out.push(self.message(home, key, None));
        }
        Ok(())
    }
}

fn key_of(
    topic_partition: &TopicPartition,
    transform: &str,
    key: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let TopicPartition { topic, partition } = topic_partition;
    let key = EntryKey(
        Cow::Borrowed(transform),
        Cow::Borrowed(topic),
        *partition,
        key.map(|key| Cow::Owned(BASE64.encode(key))),
    );
    serde_json::to_vec(&key).map_err(|e| Error::fatal(format!("a key of the state topic: {e}")))
}

/// A record of the topic.
#[derive(Clone, Copy)]
struct Stored<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    /// The value of the header, which may be none itself.
    expires: Option<Option<&'a [u8]>>,
}

impl Stored<'_> {
    /// Takes the record in; none when it is malformed.
    fn take(self, wanted: Wanted<'_>, states: &mut States) -> Option<()> {
        let EntryKey(transform, topic, partition, key) = serde_json::from_slice(self.key?).ok()?;
        let Some(store) = wanted(&transform, &topic, partition) else {
            return Some(());
        };
        let state = states.entry(store).or_default();
        match (key, self.value) {
            (None, None) => state.0 = None,
            (None, Some(clock)) => state.0 = Some(time(clock)?),
            (Some(key), value) => {
                let key = Bytes::from(BASE64.decode(key.as_bytes()).ok()?);
                match value {
                    None => {
                        state.1.remove(&key);
                    }
                    Some(value) => {
                        let expires = match self.expires {
                            Some(header) => Some(time(header?)?),
                            None => None,
                        };
                        let value = Bytes::copy_from_slice(value);
                        state.1.insert(key, StateEntry { value, expires });
                    }
                }
            }
        }
        Some(())
    }
}

fn time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().map(Timestamp)
}

fn unread(error: &dyn std::fmt::Display) -> Error {
    Error::retriable(format!("cannot read the state topic: {error}"))
}
