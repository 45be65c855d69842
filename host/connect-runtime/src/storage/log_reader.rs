//! Follows a topic from its beginning, on a thread of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect_api::{Error, Result};
use connect_kafka::is_outage;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::StoredRecord;
use super::kafka::LogConsumer;

/// Records that are read ahead of the herder.
const AHEAD: usize = 1000;
const POLL: Duration = Duration::from_millis(100);
/// How long the ends of the partitions may take to be found.
const WATERMARKS: Duration = Duration::from_secs(10);

/// A place in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

enum Read {
    Record(Position, Option<StoredRecord>),
    /// All that was there at the start has been read.
    End,
}

/// The end of the thread's channel that the herder holds.
pub(super) struct LogReader {
    topic: String,
    records: mpsc::Receiver<Read>,
    /// Read, and not yet handed on: a wait that was cut short leaves its records here.
    waiting: VecDeque<(Position, StoredRecord)>,
    /// Where each partition was read to.
    positions: BTreeMap<i32, i64>,
    stop: Arc<AtomicBool>,
}

impl LogReader {
    /// Starts the thread.
    pub(super) fn start(consumer: LogConsumer, topic: &str, partitions: Vec<i32>) -> Result<Self> {
        let (sender, records) = mpsc::channel(AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let mut all = TopicPartitionList::new();
        for partition in &partitions {
            let added = all.add_partition_offset(topic, *partition, Offset::Beginning);
            added.map_err(|cause| failed(topic).with_source(cause))?;
        }
        consumer
            .assign(&all)
            .map_err(|cause| failed(topic).with_source(cause))?;
        let following = Following {
            consumer,
            topic: topic.to_owned(),
            partitions,
            sender,
            stop: Arc::clone(&stop),
        };
        std::thread::Builder::new()
            .name(format!("log-{topic}"))
            .spawn(move || following.run())
            .map_err(|cause| failed(topic).with_source(cause))?;
        Ok(Self {
            topic: topic.to_owned(),
            records,
            waiting: VecDeque::new(),
            positions: BTreeMap::new(),
            stop,
        })
    }

    /// The records that were there when the topic was opened.
    pub(super) async fn read_to_end(&mut self) -> Result<Vec<(Position, StoredRecord)>> {
        let mut read = Vec::new();
        loop {
            match self.receive().await {
                Some(Read::Record(at, record)) => read.extend(record.map(|record| (at, record))),
                Some(Read::End) => return Ok(read),
                None => return Err(failed(&self.topic)),
            }
        }
    }

    /// The records up to and including a position of each partition that there is one of.
    pub(super) async fn until(
        &mut self,
        mut own: Vec<Position>,
    ) -> Result<Vec<(Position, StoredRecord)>> {
        while !own.is_empty() {
            match self.receive().await {
                Some(Read::Record(at, record)) => {
                    self.waiting.extend(record.map(|record| (at, record)));
                    own.retain(|own| at.partition != own.partition || at.offset < own.offset);
                }
                Some(Read::End) => {}
                None => return Err(failed(&self.topic)),
            }
        }
        Ok(self.waiting.drain(..).collect())
    }

    /// The records up to and including these positions that were not handed on yet.
    pub(super) async fn read_up_to(
        &mut self,
        mut last: Vec<Position>,
    ) -> Result<Vec<(Position, StoredRecord)>> {
        let read = &self.positions;
        last.retain(|last| read.get(&last.partition).is_none_or(|at| *at < last.offset));
        self.until(last).await
    }

    async fn receive(&mut self) -> Option<Read> {
        let read = self.records.recv().await;
        if let Some(Read::Record(at, _)) = &read {
            self.positions.insert(at.partition, at.offset);
        }
        read
    }

    /// The next record.
    pub(super) async fn next(&mut self) -> (Position, StoredRecord) {
        if let Some(record) = self.waiting.pop_front() {
            return record;
        }
        loop {
            match self.receive().await {
                Some(Read::Record(at, Some(record))) => return (at, record),
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn failed(topic: &str) -> Error {
    Error::retriable(format!("could not read topic {topic}"))
}

/// The thread.
struct Following {
    consumer: LogConsumer,
    topic: String,
    partitions: Vec<i32>,
    sender: mpsc::Sender<Read>,
    stop: Arc<AtomicBool>,
}

impl Following {
    fn run(self) {
        // Partitions whose end at the start is not yet read, and that end.
        let mut behind = self.ends();
        let mut caught_up = false;
        let mut read = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            if !caught_up && behind.is_empty() {
                caught_up = true;
                info!(topic = self.topic, records = read, "read to its end");
                if self.sender.blocking_send(Read::End).is_err() {
                    return;
                }
            }
            match self.consumer.poll(POLL) {
                None => self
                    .consumer
                    .context()
                    .errors
                    .probe(&self.consumer, Some(&self.topic)),
                Some(Ok(message)) => {
                    self.consumer.context().errors.answered();
                    let at = Position {
                        partition: message.partition(),
                        offset: message.offset(),
                    };
                    let record = stored_record(&message);
                    read += 1;
                    if self.sender.blocking_send(Read::Record(at, record)).is_err() {
                        return;
                    }
                    if behind
                        .get(&at.partition)
                        .is_some_and(|end| at.offset + 1 >= *end)
                    {
                        behind.remove(&at.partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    behind.remove(&partition);
                }
                Some(Err(cause)) if is_outage(&cause) => {
                    self.consumer.context().errors.log(&cause, "");
                }
                Some(Err(cause)) => warn!(topic = self.topic, error = %cause, "cannot read"),
            }
        }
    }

    /// An end that cannot be told is one that only the partition's own end marks.
    fn ends(&self) -> BTreeMap<i32, i64> {
        let end = |partition: &i32| match self.consumer.fetch_watermarks(
            &self.topic,
            *partition,
            WATERMARKS,
        ) {
            Ok((low, high)) => (high > low).then_some((*partition, high)),
            Err(_) => Some((*partition, i64::MAX)),
        };
        self.partitions.iter().filter_map(end).collect()
    }
}

fn stored_record(message: &BorrowedMessage<'_>) -> Option<StoredRecord> {
    let (partition, offset) = (message.partition(), message.offset());
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    let value = message.payload().map(serde_json::from_slice).transpose();
    match (key, value) {
        (Some(key), Ok(value)) => Some(StoredRecord {
            key: key.to_owned(),
            value,
        }),
        _ => {
            let topic = message.topic();
            warn!(
                topic,
                partition, offset, "a record that is not understood is passed over"
            );
            None
        }
    }
}
