//! What the demo reads from Kafka: all topics of its systems, from their beginning, and how far
//! groups are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::account::interval_of;
use crate::topics::file::Topic;

const ANSWER: Duration = Duration::from_secs(10);

/// A partition of a topic.
pub type Partition = (String, i32);

/// The committed records of topics, as far as they were read.
pub struct Topics {
    consumer: BaseConsumer,
    /// What they were.
    pub seen: Seen,
}

/// What the records of topics come to. What is written twice because a batch was given up and
/// reported again counts once.
#[derive(Default)]
pub struct Seen {
    /// Of each partition, the offset behind its last record. Marks of transactions are no records.
    pub ends: BTreeMap<Partition, i64>,
    records: BTreeMap<String, u64>,
    letters: HashMap<Letters, BTreeMap<Vec<u8>, String>>,
    /// The values of a field, by topic.
    ids: HashMap<&'static str, HashSet<String>>,
    /// How many records of `operator_alert_events` are of a kind.
    kinds: BTreeMap<String, u64>,
    /// What users did, by the beginnings of intervals, in milliseconds since 1970.
    pub intervals: BTreeMap<i64, Interval>,
}

/// Where a dead letter is, and whose it is: none when a plugin wrote it.
type Letters = (String, Option<String>);

/// What users did in an interval.
#[derive(Default)]
pub struct Interval {
    /// Each once.
    pub users: HashSet<String>,
    /// Of all of them.
    pub page_views: u64,
}

/// The field of which [`Seen::distinct`] counts the values.
const IDS: [(&str, &str); 3] = [
    ("anomalies", "anomaly_id"),
    ("operator_alerts", "alert_id"),
    ("operator_alert_history", "action_id"),
];

impl Topics {
    /// Starts to read topics, which are there.
    pub fn open(bootstrap: &str, topics: &[Topic]) -> Result<Self> {
        let consumer = consumer(bootstrap, "ferrule-dev-reader", "read_committed")?;
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..topic.partitions {
                assignment.add_partition_offset(&topic.name, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&assignment)?;
        Ok(Self {
            consumer,
            seen: Seen::default(),
        })
    }

    /// Reads what is there now.
    pub fn read(&mut self) -> Result<()> {
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            match polled {
                Ok(message) => self.seen.take(&message),
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => return Err(error).context("reading the topics of the demo"),
            }
        }
        Ok(())
    }
}

impl Seen {
    /// How many records a topic has.
    pub fn records(&self, topic: &str) -> u64 {
        self.records.get(topic).copied().unwrap_or(0)
    }

    /// How many anomalies, alerts or actions that were taken the messages of a topic are about.
    pub fn distinct(&self, topic: &str) -> u64 {
        self.ids.get(topic).map_or(0, |ids| ids.len() as u64)
    }

    /// How many records of a kind `operator_alert_events` has.
    pub fn events(&self, kind: &str) -> u64 {
        self.kinds.get(kind).copied().unwrap_or(0)
    }

    /// The reasons why a connector refused records, each with its number of records, most first;
    /// without a connector, those of a plugin that writes to the dead letter queue itself.
    pub fn letters(&self, queue: &str, connector: Option<&str>) -> Vec<(String, usize)> {
        let key = (queue.to_owned(), connector.map(str::to_owned));
        let mut reasons = BTreeMap::<String, usize>::new();
        for reason in self
            .letters
            .get(&key)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let topic = message.topic();
        let partition = (topic.to_owned(), message.partition());
        self.ends.insert(partition, message.offset() + 1);
        *self.records.entry(topic.to_owned()).or_default() += 1;
        if topic.ends_with("-dlq") {
            self.take_letter(message);
            return;
        }
        let value = || {
            let payload = message.payload().unwrap_or_default();
            serde_json::from_slice::<Value>(payload).unwrap_or_default()
        };
        if let Some((topic, field)) = IDS.into_iter().find(|(it, _)| *it == topic) {
            if let Some(id) = value()[field].as_str() {
                self.ids.entry(topic).or_default().insert(id.to_owned());
            }
        } else if topic == "operator_alert_events" {
            let kind = value()["kind"].as_str().unwrap_or("none").to_owned();
            *self.kinds.entry(kind).or_default() += 1;
        } else if topic == "incoming.user_activity" {
            self.count(&value(), message.timestamp().to_millis());
        }
    }

    /// Counts what a user did, by the rules of the plugin told a second time.
    fn count(&mut self, activity: &Value, at: Option<i64>) {
        let (user, kind) = (&activity["user_id"], &activity["activity_type"]);
        let (Some(user), Some(kind), Some(at)) = (user.as_str(), kind.as_str(), at) else {
            return;
        };
        if user.trim().is_empty() {
            return;
        }
        let interval = self.intervals.entry(interval_of(at)).or_default();
        interval.users.insert(user.to_owned());
        interval.page_views += u64::from(kind == "page_view");
    }

    fn take_letter(&mut self, message: &BorrowedMessage<'_>) {
        let connector = header(message, "connector.name");
        let connector = connector.map(|name| String::from_utf8_lossy(name).into_owned());
        let origin = ["topic", "partition", "offset"].map(|part| header(message, part));
        let origin = origin.map(Option::unwrap_or_default).join(&b' ');
        let letters = (message.topic().to_owned(), connector);
        let letters = self.letters.entry(letters).or_default();
        letters.insert(origin, reason(message));
    }
}

/// How far a group is in topics.
pub struct GroupOffsets {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl GroupOffsets {
    /// The offsets of `group` in those of the topics that it reads.
    pub fn of(bootstrap: &str, group: &str, topics: &[Topic], reads: &[&str]) -> Result<Self> {
        let mut list = TopicPartitionList::new();
        let names: BTreeSet<&str> = reads.iter().copied().collect();
        for topic in topics.iter().filter(|topic| names.contains(&*topic.name)) {
            list.add_partition_range(&topic.name, 0, topic.partitions - 1);
        }
        Ok(Self {
            // What is committed is enough. Who asks for stable offsets (KIP-447) waits for each
            // transaction that is open on them, and a connector that ticks begins one after the
            // other.
            consumer: consumer(bootstrap, group, "read_uncommitted")?,
            partitions: list,
        })
    }

    /// The committed offset of each partition that has one.
    pub fn committed(&self) -> Result<BTreeMap<Partition, i64>> {
        let committed = self
            .consumer
            .committed_offsets(self.partitions.clone(), ANSWER)?;
        let offsets = committed.elements().into_iter();
        let offsets = offsets.filter_map(|it| {
            let partition = (it.topic().to_owned(), it.partition());
            Some((
                partition,
                it.offset().to_raw().filter(|offset| *offset >= 0)?,
            ))
        });
        Ok(offsets.collect())
    }
}

fn consumer(bootstrap: &str, group: &str, isolation: &str) -> Result<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation)
        .create()
        .context("no consumer for what the demo reads")
}

/// What one of Kafka Connect's headers says.
fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    let mut headers = message.headers()?.iter();
    let named = headers.find(|h| h.key.strip_prefix("__connect.errors.") == Some(name));
    named?.value
}

fn reason(message: &BorrowedMessage<'_>) -> String {
    let text = header(message, "exception.message");
    let text = text.map_or_else(|| "no reason given".into(), String::from_utf8_lossy);
    // Where exactly a text breaks off differs from record to record.
    let places = [" at line ", " (line ", " (column "];
    let what = places.iter().fold(&*text, |text, place| {
        text.split_once(place).map_or(text, |(what, _)| what)
    });
    what.to_owned()
}
