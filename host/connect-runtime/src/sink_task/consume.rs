//! Stage 1: poll Kafka into batches, one for each partition.

mod rebalance;
mod record;
mod start;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, Offset, RawRecord, Result, Timestamp, TopicPartition};
use connect_kafka::GroupMembership;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use tracing::{debug, info, warn};

use crate::connector_config::Subscription;

pub use rebalance::Rebalance;
use rebalance::{Context, release};
use record::{Arena, size};
use start::verify;

/// How long Kafka may take to answer a question that can as well be asked later.
pub const GLANCE: Duration = Duration::from_millis(500);
/// How long Kafka may take to answer a question of ours.
const ANSWER: Duration = Duration::from_secs(15);

/// For so long after a step of a rebalance another one is to be expected.
const UNSETTLED: Duration = Duration::from_secs(2);
/// How often the client is woken meanwhile.
const NUDGE: Duration = Duration::from_millis(50);

/// Records of one partition as Kafka has them.
#[derive(Debug)]
pub struct RawBatch {
    /// The partition.
    pub topic_partition: Arc<TopicPartition>,
    /// In the order of their offsets.
    pub records: Vec<RawRecord>,
    /// Where the batch before it ended.
    pub first_offset: Offset,
    /// Where to go on.
    pub next_offset: Offset,
    /// Bytes of keys, values and headers.
    pub bytes: usize,
}

impl RawBatch {
    /// The timestamp of the record in front of where to go on.
    pub fn last_timestamp(&self) -> Option<Timestamp> {
        let last = self.records.last();
        last.filter(|record| record.offset.next() == self.next_offset)?
            .timestamp
    }

    /// What is in front of a record.
    pub fn before(mut self, at: usize) -> Self {
        if let Some(record) = self.records.get(at) {
            self.next_offset = record.offset;
        }
        self.records.truncate(at);
        self
    }
}

/// How much one poll may bring.
#[derive(Clone, Copy, Debug)]
pub struct PollLimits {
    /// Records.
    pub records: usize,
    /// Bytes; the record that passes the limit still counts in.
    pub bytes: usize,
}

struct Owned {
    topic_partition: Arc<TopicPartition>,
    position: Offset,
    /// Whether the client has said that the log ends here. It names the number of the partition
    /// only, so that it says nothing where topics share one.
    ended: bool,
    /// The timestamp that the record in front of the position has, until it was seen: it is read
    /// again, and not handed out.
    before: Option<Timestamp>,
}

/// The record in front of the offset to go on from, as the sink remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRecord {
    /// The offset behind it.
    pub next_offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
}

/// The consumer of one task.
pub struct Consumer {
    inner: BaseConsumer<Context>,
    owned: Vec<Owned>,
    /// Where partitions are to go on, and the timestamps of the records in front of that.
    expected: HashMap<TopicPartition, KnownRecord>,
    reset: Reset,
    arena: Arena,
    /// The topic that stands for the subscription; none for a pattern.
    topic: Option<String>,
    /// The last step of a rebalance, and the last nudge.
    stepped: Instant,
    nudged: Instant,
}

/// `auto.offset.reset`, for partitions of which neither the sink nor the group knows an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reset {
    Earliest,
    Latest,
    None,
}

impl Consumer {
    /// A consumer that has joined its group.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting is refused.
    pub fn new(mut config: ClientConfig, subscription: &Subscription) -> Result<Self> {
        let reset = match config.get("auto.offset.reset").unwrap_or("earliest") {
            "earliest" | "smallest" | "beginning" => Reset::Earliest,
            "latest" | "largest" | "end" => Reset::Latest,
            _ => Reset::None,
        };
        // Where to start is decided here. That the log has lost an offset later on must be seen,
        // not papered over (operations: retention passed, topic created anew).
        config
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false");
        let invalid = |e: KafkaError| Error::config(format!("consumer: {e}"));
        let inner: BaseConsumer<Context> = config
            .create_with_context(Context::default())
            .map_err(invalid)?;
        match subscription {
            Subscription::Topics(topics) => {
                let topics: Vec<_> = topics.iter().map(String::as_str).collect();
                inner.subscribe(&topics).map_err(invalid)?;
            }
            Subscription::Pattern(pattern) => {
                let pattern = format!("^({pattern})$");
                inner.subscribe(&[&pattern]).map_err(invalid)?;
            }
        }
        let topic = match subscription {
            Subscription::Topics(topics) => topics.first().cloned(),
            Subscription::Pattern(_) => None,
        };
        let now = Instant::now();
        Ok(Self {
            inner,
            owned: Vec::new(),
            expected: HashMap::new(),
            reset,
            arena: Arena::default(),
            topic,
            stepped: now,
            nudged: now,
        })
    }

    /// Lets a member that is to join its group again do so at once. librdkafka asks to join at
    /// most once a second, and looks whether it may once a second: members that start together
    /// can then miss each other for two. Any answer about topics lifts both.
    pub fn nudge(&mut self) {
        if self.stepped.elapsed() > UNSETTLED || self.nudged.elapsed() < NUDGE {
            return;
        }
        if let Err(error) = self.inner.fetch_metadata(self.topic.as_deref(), NUDGE) {
            debug!(%error, "the client cannot be hurried");
        }
        self.nudged = Instant::now();
    }

    /// Waits up to `wait` for a first record, then takes what is at hand.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when reading cannot go on.
    pub fn poll(&mut self, limits: PollLimits, wait: Duration) -> Result<Vec<RawBatch>> {
        let unsettled = self.stepped.elapsed() < UNSETTLED;
        let wait = if unsettled { wait.min(NUDGE) } else { wait };
        let Self {
            inner,
            owned,
            arena,
            ..
        } = self;
        let mut batches: Vec<RawBatch> = Vec::new();
        let mut index: HashMap<(usize, i32), Option<usize>> = HashMap::new();
        let mut last: Option<((usize, i32), Option<usize>)> = None;
        let (mut records, mut bytes, mut timeout) = (0, 0, wait);
        let mut ended: Vec<i32> = Vec::new();
        while records < limits.records && bytes < limits.bytes {
            let message = match inner.poll(timeout) {
                None => break,
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    ended.push(number);
                    continue;
                }
                Some(Err(error)) => {
                    check(error)?;
                    continue;
                }
                Some(Ok(message)) => message,
            };
            timeout = Duration::ZERO;
            // Records come in runs of one partition: only the first of a run is looked up.
            let key = (message.topic_ptr() as usize, message.partition());
            let at = match last {
                Some((known, at)) if known == key => at,
                _ => *index.entry(key).or_insert_with(|| {
                    let owned = owned.iter().find(|o| {
                        o.topic_partition.partition == key.1
                            && *o.topic_partition.topic == *message.topic()
                    })?;
                    batches.push(RawBatch {
                        topic_partition: Arc::clone(&owned.topic_partition),
                        records: Vec::new(),
                        first_offset: owned.position,
                        next_offset: owned.position,
                        bytes: 0,
                    });
                    Some(batches.len() - 1)
                }),
            };
            last = Some((key, at));
            // None: left over from a partition that was given up.
            let Some(batch) = at.map(|at| &mut batches[at]) else {
                continue;
            };
            if Offset(message.offset()) < batch.next_offset {
                verify(owned, &batch.topic_partition, &message)?;
                continue;
            }
            let record = arena.copy(&message);
            let size = size(&record);
            (batch.next_offset, batch.bytes) = (record.offset.next(), batch.bytes + size);
            batch.records.push(record);
            (records, bytes) = (records + 1, bytes + size);
        }
        note(owned, &batches, &ended);
        batches.retain(|batch| !batch.records.is_empty());
        Ok(batches)
    }

    /// The partitions whose records have all been read, as far as Kafka says, and where they stand.
    pub fn caught_up(&self) -> Vec<(Arc<TopicPartition>, Offset)> {
        let shares = |own: &Owned| {
            let numbers = self.owned.iter().map(|o| o.topic_partition.partition);
            numbers
                .filter(|number| *number == own.topic_partition.partition)
                .count()
                > 1
        };
        let at_end = |own: &&Owned| match shares(own) {
            false => own.ended,
            true => self
                .inner
                .fetch_watermarks(
                    &own.topic_partition.topic,
                    own.topic_partition.partition,
                    GLANCE,
                )
                .is_ok_and(|(_, high)| own.position >= Offset(high)),
        };
        let ended = self.owned.iter().filter(at_end);
        ended
            .map(|own| (Arc::clone(&own.topic_partition), own.position))
            .collect()
    }

    /// Serves the client's own work while nothing may be read: partitions must be paused.
    ///
    /// # Errors
    /// As for `poll`.
    pub fn idle(&mut self, wait: Duration) -> Result<()> {
        let batches = self.poll(
            PollLimits {
                records: 1,
                bytes: 1,
            },
            wait,
        )?;
        // A record that was on its way when its partition was paused is read again.
        for batch in batches {
            self.seek(&[(
                TopicPartition::clone(&batch.topic_partition),
                batch.first_offset,
            )])?;
        }
        Ok(())
    }

    /// Serves the client's own work when nothing will be read any more.
    pub fn wait(&self, wait: Duration) {
        let _ = self.inner.poll(wait);
    }

    /// The next change of the assignment.
    pub fn rebalance(&mut self) -> Option<Rebalance> {
        let change = self.inner.client().context().next();
        if change.is_some() {
            self.stepped = Instant::now();
        }
        change
    }

    /// The partitions that the task owns.
    pub fn owned(&self) -> Vec<TopicPartition> {
        self.owned
            .iter()
            .map(|o| TopicPartition::clone(&o.topic_partition))
            .collect()
    }

    /// The membership in the group as it is now; none before the group is joined.
    pub fn membership(&self) -> Option<GroupMembership> {
        let membership = self.inner.group_metadata()?;
        Some(Arc::new(membership))
    }

    /// Takes the partitions, and reads them from the given offsets.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when the client refuses.
    pub fn assign(&mut self, starts: &[(TopicPartition, Offset)], paused: bool) -> Result<()> {
        let before = self.expecting(starts);
        let list = offsets(starts, &before);
        match self.inner.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.inner.incremental_assign(&list),
            _ => self.inner.assign(&list),
        }
        .map_err(|e| Error::fatal(format!("cannot assign partitions: {e}")))?;
        for ((partition, position), before) in starts.iter().zip(before) {
            info!(%partition, offset = position.0, "assigned");
            self.owned.retain(|o| *o.topic_partition != *partition);
            let topic_partition = Arc::new(partition.clone());
            self.owned.push(Owned {
                topic_partition,
                position: *position,
                ended: false,
                before,
            });
        }
        // The client still knows of a partition that was paused when it was ours before.
        self.pause_listed(&list, paused)
    }

    /// Gives the partitions up.
    ///
    /// # Errors
    /// As for `assign`.
    pub fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            info!(%partition, "revoked");
            list.add_partition(&partition.topic, partition.partition);
        }
        self.owned
            .retain(|o| !partitions.contains(&o.topic_partition));
        release(&self.inner, &list)
            .map_err(|e| Error::fatal(format!("cannot give partitions up: {e}")))
    }

    /// Reads the partitions from the given offsets.
    ///
    /// # Errors
    /// As for `assign`.
    pub fn seek(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        let before = self.expecting(starts);
        self.inner
            .seek_partitions(offsets(starts, &before), ANSWER)
            .map_err(|e| Error::fatal(format!("cannot seek: {e}")))?;
        for ((partition, position), before) in starts.iter().zip(before) {
            if let Some(owned) = self
                .owned
                .iter_mut()
                .find(|o| *o.topic_partition == *partition)
            {
                owned.position = *position;
                owned.ended = false;
                owned.before = before;
            }
        }
        Ok(())
    }

    /// Stops or resumes reading of all partitions, staying in the group.
    ///
    /// # Errors
    /// As for `assign`.
    pub fn pause(&self, pause: bool) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(self.owned.len());
        for owned in &self.owned {
            list.add_partition(
                &owned.topic_partition.topic,
                owned.topic_partition.partition,
            );
        }
        self.pause_listed(&list, pause)
    }

    fn pause_listed(&self, list: &TopicPartitionList, pause: bool) -> Result<()> {
        if list.count() == 0 {
            return Ok(());
        }
        if pause {
            self.inner.pause(list)
        } else {
            self.inner.resume(list)
        }
        .map_err(|e| Error::fatal(format!("cannot pause or resume: {e}")))
    }

    /// Tells the group where the task is. Only for those who look at lag: the sink knows. False
    /// when Kafka refuses at once.
    pub fn commit(
        &self,
        positions: &BTreeMap<Arc<TopicPartition>, Offset>,
        mode: CommitMode,
    ) -> bool {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (topic_partition, offset) in positions {
            let offset = rdkafka::Offset::Offset(offset.0);
            if let Err(error) =
                list.add_partition_offset(&topic_partition.topic, topic_partition.partition, offset)
            {
                warn!(%error, partition = %topic_partition, "cannot commit the offset to Kafka");
            }
        }
        let committed = self.inner.commit(&list, mode);
        if let Err(error) = &committed {
            warn!(%error, "cannot commit offsets to Kafka");
        }
        committed.is_ok()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.inner.client().context().close();
        // What was put down and not taken up would keep the client from closing.
        while let Some(change) = self.rebalance() {
            if let Rebalance::Revoke { partitions, .. } = change {
                let _ = self.unassign(&partitions);
            }
        }
    }
}

/// Where to read from: from one record in front of the start, where it is to be seen again.
fn offsets(
    starts: &[(TopicPartition, Offset)],
    before: &[Option<Timestamp>],
) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for ((partition, offset), before) in starts.iter().zip(before) {
        let offset = offset.0 - i64::from(before.is_some());
        // Only a negative offset is refused, and none is stored.
        let offset = rdkafka::Offset::Offset(offset.max(0));
        let _ = list.add_partition_offset(&partition.topic, partition.partition, offset);
    }
    list
}

/// Errors of the client: which of them end the task.
fn check(error: KafkaError) -> Result<()> {
    use RDKafkaErrorCode as Code;
    let code = match &error {
        KafkaError::MessageConsumptionFatal(_) => {
            return Err(Error::fatal(format!("consumer: {error}")));
        }
        KafkaError::MessageConsumption(code) => *code,
        _ => return Ok(()),
    };
    match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Err(Error::fatal(format!(
            "a partition's offset is outside its log ({error}): retention has passed it, or the \
             topic was created anew; stop the connector and set or reset its offsets"
        ))),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::InvalidTopic => Err(Error::config(format!("consumer: {error}"))),
        _ => {
            warn!(%error, "consumer");
            Ok(())
        }
    }
}

/// Notes where the partitions have come to, and which numbers of them are at the end of a log.
fn note(owned: &mut [Owned], batches: &[RawBatch], ended: &[i32]) {
    for batch in batches {
        if let Some(owned) = owned
            .iter_mut()
            .find(|o| Arc::ptr_eq(&o.topic_partition, &batch.topic_partition))
        {
            owned.position = batch.next_offset;
            owned.ended &= batch.records.is_empty();
        }
    }
    for owned in owned
        .iter_mut()
        .filter(|o| ended.contains(&o.topic_partition.partition))
    {
        owned.ended = true;
    }
}
