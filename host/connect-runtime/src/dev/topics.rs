//! What the demo reads from Kafka: dead letters, a sink's output, and how far its group is.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

const ANSWER: Duration = Duration::from_secs(10);

/// The reasons why a connector refused records, each with its number of records, most first. They
/// are read from its dead letter queue, `topic`, which others may share. A batch that was given up
/// in a rebalance leaves its dead letters and is reported again: each record counts once.
pub fn dead_letters(bootstrap: &str, topic: &str, connector: &str) -> Result<Vec<(String, usize)>> {
    let mut reasons = BTreeMap::<String, usize>::new();
    let mut seen = HashSet::new();
    let mut reader = Reader::open(bootstrap, topic, 1)?;
    reader.read_to_the_end(|message| {
        if header(message, "connector.name") != Some(connector.as_bytes()) {
            return;
        }
        let origin = ["topic", "partition", "offset"].map(|part| header(message, part));
        if seen.insert(origin.map(|part| part.map(<[u8]>::to_vec))) {
            *reasons.entry(reason(message)).or_default() += 1;
        }
    })?;
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(reasons)
}

/// How many committed records a topic has.
pub fn committed_records(bootstrap: &str, topic: &str, partitions: i32) -> Result<usize> {
    let mut records = 0;
    Reader::open(bootstrap, topic, partitions)?.read_to_the_end(|_| records += 1)?;
    Ok(records)
}

/// Reads the committed records of a topic from its beginning.
pub struct Reader {
    consumer: BaseConsumer,
    topic: String,
    partitions: usize,
    /// The partitions that were read to their end.
    ended: HashSet<i32>,
}

impl Reader {
    /// Starts to read a topic of so many partitions.
    pub fn open(bootstrap: &str, topic: &str, partitions: i32) -> Result<Self> {
        let consumer: BaseConsumer = consumer(bootstrap, "ferrule-dev-reader")?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            partitions: usize::try_from(partitions)?,
            ended: HashSet::new(),
        })
    }

    /// Gives the records that are there now or within `wait`; ends at a moment without one.
    pub fn read(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<()> {
        while let Some(polled) = self.consumer.poll(wait) {
            match polled {
                Ok(message) => each(&message),
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ended.insert(partition);
                }
                Err(error) => return Err(error).context(self.topic.clone()),
            }
        }
        Ok(())
    }

    fn read_to_the_end(&mut self, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Result<()> {
        let started = Instant::now();
        while self.ended.len() < self.partitions {
            ensure!(
                started.elapsed() < ANSWER * 2,
                "topic {} cannot be read to its end",
                self.topic
            );
            self.read(Duration::from_millis(50), &mut each)?;
        }
        Ok(())
    }
}

/// How many records a topic has.
pub struct TopicEnds {
    consumer: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl TopicEnds {
    /// Of a topic of so many partitions.
    pub fn of(bootstrap: &str, topic: &str, partitions: i32) -> Result<Self> {
        Ok(Self {
            consumer: consumer(bootstrap, "ferrule-dev-reader")?,
            topic: topic.to_owned(),
            partitions,
        })
    }

    /// The sum of the offsets at which its partitions end.
    pub fn records(&self) -> Result<u64> {
        let mut records = 0;
        for partition in 0..self.partitions {
            let ends = self
                .consumer
                .fetch_watermarks(&self.topic, partition, ANSWER);
            let (_, end) = ends.with_context(|| self.topic.clone())?;
            records += u64::try_from(end).unwrap_or(0);
        }
        Ok(records)
    }
}

/// How far a group is in a topic.
pub struct GroupOffsets {
    consumer: BaseConsumer,
    partitions: TopicPartitionList,
}

impl GroupOffsets {
    /// The offsets of `group` in a topic of so many partitions.
    pub fn of(bootstrap: &str, group: &str, topic: &str, partitions: i32) -> Result<Self> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        Ok(Self {
            consumer: consumer(bootstrap, group)?,
            partitions: list,
        })
    }

    /// The sum of the committed offsets: in a topic that has only records, how many are done.
    pub fn done(&self) -> Result<u64> {
        let committed = self
            .consumer
            .committed_offsets(self.partitions.clone(), ANSWER)?;
        let offsets = committed.elements().into_iter();
        let offsets = offsets.filter_map(|it| u64::try_from(it.offset().to_raw()?).ok());
        Ok(offsets.sum())
    }
}

fn consumer(bootstrap: &str, group: &str) -> Result<BaseConsumer> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
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
    match text.split_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text.into_owned(),
    }
}
