//! The consumer of a worker's sink tasks: librdkafka's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{
    Error, MemoryLimit, Offset, OffsetScope, OpenedPartition, Result, Timestamp, TopicPartition,
};
use connect_kafka::{CommitMark, GroupMembership, GroupOffset, KafkaClient, add_marked, create};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use tracing::{debug, info};

use super::arena::{Arena, message_size, size};
use super::context::{Context, check, release, take};
use super::ends::{note, position_of};
use super::lacks::Lacks;

use super::start::{KnownRecord, OffsetReset, verify};
use super::subscribe::{Listed, subscribe};
use super::{Fetching, Passed, Rebalance, TaskConsumer, Wanted};
use crate::connector_config::Subscription;
use crate::metrics::{CLIENT_STATISTICS_INTERVAL, TaskMetrics};
use crate::sink_task::write::Durable;
use crate::sink_task_loop::batch::{LeftOut, PollLimits, RawBatch};

/// How long Kafka may take to answer a request that the task waits for.
pub(super) const KAFKA_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the client says where it stands, for topics that share numbers of partitions.
const STATISTICS_INTERVAL: &str = "500";
/// For so long after a step of a rebalance another step may follow.
const REBALANCE_STEP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the client is helped to join its group again meanwhile.
const REJOIN_INTERVAL: Duration = Duration::from_millis(50);

/// A partition of the assignment.
pub(super) struct Owned {
    pub(super) topic_partition: Arc<TopicPartition>,
    /// The offset of the next record to hand out.
    pub(super) position: Offset,
    /// Whether the client has said that the log ends here: nothing, where topics share the number.
    pub(super) ended: bool,
    /// The timestamp that the record in front of the position has, until it was seen: it is read
    /// again, and not handed out.
    pub(super) before: Option<Timestamp>,
    /// The client's position before it read from here: it may be that of another life.
    pub(super) stale: Option<Offset>,
    /// When it last brought records, or began to be read.
    pub(super) since: Instant,
}

/// librdkafka's consumer, with the assignment as the task's loop has made it.
pub struct KafkaConsumer {
    pub(super) inner: KafkaClient<BaseConsumer<Context>>,
    pub(super) owned: Vec<Owned>,
    /// Where partitions are to go on, and the timestamps of the records in front of that.
    pub(super) expected: HashMap<TopicPartition, KnownRecord>,
    pub(super) reset: OffsetReset,
    /// Without a cluster until it was asked for.
    pub(super) scope: OffsetScope,
    /// What offsets are committed with.
    marks: HashMap<TopicPartition, CommitMark>,
    arena: Arena,
    /// Where the client stood in partitions that were given up: it may tell so again.
    left: HashMap<TopicPartition, Offset>,
    /// The topic that stands for the subscription; none for a pattern.
    topic: Option<String>,
    listed: Option<Listed>,
    last_rebalance_step: Instant,
    last_rejoin_help: Instant,
    lacks: Lacks,
    /// Partitions were handed to the task, and it has not said that it takes them.
    assign_is_due: bool,
}

impl KafkaConsumer {
    /// A consumer that joins its group.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting is refused.
    pub fn new(
        mut config: ClientConfig,
        subscription: &Subscription,
        metrics: &Arc<TaskMetrics>,
    ) -> Result<Self> {
        let reset = OffsetReset::new(config.get(OffsetReset::KEY))?;
        let scope = OffsetScope {
            cluster: String::new(),
            group: config.get("group.id").unwrap_or_default().to_owned(),
        };
        // Where to start is decided here. That the log has lost an offset later on must be seen,
        // not papered over (operations: retention passed, topic created anew).
        config
            .set(OffsetReset::KEY, "error")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false");
        let is_one_topic =
            matches!(subscription, Subscription::Topics(topics) if topics.len() == 1);
        let interval = match is_one_topic {
            true => CLIENT_STATISTICS_INTERVAL,
            false => STATISTICS_INTERVAL,
        };
        config.set("statistics.interval.ms", interval);
        let invalid = |e: KafkaError| Error::config(format!("consumer: {e}"));
        let inner: KafkaClient<BaseConsumer<Context>> =
            create(&config, Context::new(metrics)).map_err(invalid)?;
        let (topic, listed) = subscribe(&inner, subscription, &config)?;
        let now = Instant::now();
        Ok(Self {
            inner,
            owned: Vec::new(),
            expected: HashMap::new(),
            reset,
            scope,
            marks: HashMap::new(),
            arena: Arena::default(),
            left: HashMap::new(),
            topic,
            listed,
            last_rebalance_step: now,
            last_rejoin_help: now,
            lacks: Lacks::new(subscription),
            assign_is_due: false,
        })
    }

    fn is_rebalancing(&self) -> bool {
        self.last_rebalance_step.elapsed() < REBALANCE_STEP_TIMEOUT
    }

    /// How long a poll waits. During an outage Kafka is asked whether it is over.
    fn poll_wait(&self, wait: Duration) -> Duration {
        let errors = &self.inner.client().context().errors;
        errors.probe(&self.inner, self.topic.as_deref());
        if self.is_rebalancing() {
            wait.min(REJOIN_INTERVAL)
        } else {
            wait
        }
    }

    fn pause_or_resume(&self, list: &TopicPartitionList, fetching: Fetching) -> Result<()> {
        if list.count() == 0 {
            return Ok(());
        }
        match fetching {
            Fetching::Paused => self.inner.pause(list),
            Fetching::Active => self.inner.resume(list),
        }
        .map_err(|e| Error::fatal(format!("cannot pause or resume partitions: {e}")))
    }

    fn commit(&self, durable: &Durable, mode: CommitMode) -> Result<()> {
        let mut list = TopicPartitionList::new();
        let plain = CommitMark::default();
        for (topic_partition, offset) in durable.positions() {
            let mark = self.marks.get(&**topic_partition).unwrap_or(&plain);
            let added = add_marked(&mut list, topic_partition, *offset, mark);
            added.map_err(|e| {
                Error::retriable(format!("offset {offset} of {topic_partition}: {e}"))
            })?;
        }
        let committed = self.inner.commit(&list, mode);
        if committed.is_ok() && matches!(mode, CommitMode::Async) {
            self.inner.context().commit_begins();
        }
        committed.map_err(|e| Error::retriable("Kafka does not take the offsets").with_source(e))
    }
}

impl TaskConsumer for KafkaConsumer {
    fn poll(&mut self, limits: PollLimits, wait: Duration) -> Result<Vec<RawBatch>> {
        let wait = self.poll_wait(wait);
        if let Some(listed) = &mut self.listed {
            listed.look(&self.inner)?;
        }
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
                    check(error, &inner.client().context().errors)?;
                    continue;
                }
                Some(Ok(message)) => message,
            };
            inner.client().context().errors.answered();
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
                        left_out: Vec::new(),
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
            (records, bytes) = (records + 1, bytes + add(batch, &message, arena));
        }
        note(owned, &batches, &ended);
        batches.retain(|batch| !batch.records.is_empty());
        Ok(batches)
    }

    fn poll_paused(&mut self, wait: Duration) -> Result<()> {
        let one = PollLimits {
            records: 1,
            bytes: 1,
        };
        // A record that was on its way when its partition was paused is read again.
        for batch in self.poll(one, wait)? {
            let partition = TopicPartition::clone(&batch.topic_partition);
            self.seek(&[(partition, batch.first_offset)])?;
        }
        Ok(())
    }

    fn poll_leaving(&self, wait: Duration) {
        let _ = self.inner.poll(wait);
    }

    fn next_rebalance(&mut self) -> Option<Rebalance> {
        let change = self.inner.client().context().next();
        if let Some(change) = &change {
            self.last_rebalance_step = Instant::now();
            self.assign_is_due |= matches!(change, Rebalance::Assign(_));
        }
        change
    }

    fn rebalance_waits(&self) -> bool {
        self.inner.client().context().has_next()
    }

    fn answer_assignment(&mut self) -> Result<()> {
        match self.assign_is_due {
            true => self.assign(&[], Fetching::Paused),
            false => Ok(()),
        }
    }

    fn waits_for(&mut self) -> Option<String> {
        self.lacks.look(&self.inner, !self.owned.is_empty())
    }

    /// librdkafka asks to join at most once a second, and looks only once a second whether it may:
    /// members that start together can then miss each other for two. Any answer about topics
    /// resets both timers.
    fn speed_up_rejoin(&mut self) {
        if !self.is_rebalancing() || self.last_rejoin_help.elapsed() < REJOIN_INTERVAL {
            return;
        }
        let topic = self.topic.as_deref();
        if let Err(error) = self.inner.fetch_metadata(topic, REJOIN_INTERVAL) {
            debug!(%error, "no metadata in time; joining the group may take a second longer");
        }
        self.last_rejoin_help = Instant::now();
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        let owned = self.owned.iter();
        owned
            .map(|own| TopicPartition::clone(&own.topic_partition))
            .collect()
    }

    fn caught_up(&self, wanted: Wanted<'_>) -> Vec<(Arc<TopicPartition>, Offset)> {
        let owned = self.owned.iter();
        let ended = owned.filter(|own| wanted(&own.topic_partition) && self.is_at_end(own));
        ended
            .map(|own| (Arc::clone(&own.topic_partition), own.position))
            .collect()
    }

    fn positions(&self) -> Vec<(Arc<TopicPartition>, Offset)> {
        let owned = self.owned.iter();
        owned
            .map(|own| (Arc::clone(&own.topic_partition), own.position))
            .collect()
    }

    fn pass_markers(&mut self, wanted: Wanted<'_>) -> Vec<Passed> {
        self.go_past_markers(wanted)
    }

    fn group_membership(&self) -> Option<GroupMembership> {
        let membership = self.inner.group_metadata()?;
        Some(Arc::new(membership))
    }

    fn offset_scope(&mut self) -> Result<OffsetScope> {
        self.find_scope()
    }

    fn assign(&mut self, starts: &[(TopicPartition, Offset)], fetching: Fetching) -> Result<()> {
        let before = self.expecting(starts);
        let list = offsets(starts, &before);
        take(&self.inner, &list)
            .map_err(|e| Error::fatal(format!("cannot assign partitions: {e}")))?;
        self.assign_is_due = false;
        for ((partition, position), before) in starts.iter().zip(before) {
            info!(%partition, offset = position.0, "assigned");
            self.owned.retain(|o| *o.topic_partition != *partition);
            let topic_partition = Arc::new(partition.clone());
            self.owned.push(Owned {
                topic_partition,
                position: *position,
                ended: false,
                before,
                stale: self.left.remove(partition),
                since: Instant::now(),
            });
        }
        // The client still knows of a partition that was paused when it was ours before.
        self.pause_or_resume(&list, fetching)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        let client = self.inner.position().unwrap_or_default();
        for partition in partitions {
            info!(%partition, "revoked");
            if let Some(at) = position_of(&client, partition) {
                self.left.insert(partition.clone(), at);
            }
            // The client refuses to give up what it does not read: a partition that is held.
            if self.owned.iter().any(|o| *o.topic_partition == *partition) {
                list.add_partition(&partition.topic, partition.partition);
            }
        }
        self.owned
            .retain(|o| !partitions.contains(&o.topic_partition));
        release(&self.inner, &list)
            .map_err(|e| Error::fatal(format!("cannot give partitions up: {e}")))
    }

    fn seek(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        let before = self.expecting(starts);
        self.inner
            .seek_partitions(offsets(starts, &before), KAFKA_REQUEST_TIMEOUT)
            .map_err(|e| Error::fatal(format!("cannot seek: {e}")))?;
        let client = self.inner.position().unwrap_or_default();
        for ((partition, position), before) in starts.iter().zip(before) {
            if let Some(owned) = self
                .owned
                .iter_mut()
                .find(|o| *o.topic_partition == *partition)
            {
                owned.position = *position;
                owned.ended = false;
                owned.before = before;
                owned.stale = position_of(&client, partition);
                owned.since = Instant::now();
            }
        }
        Ok(())
    }

    fn set_fetching(&mut self, fetching: Fetching) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(self.owned.len());
        for own in &self.owned {
            list.add_partition(&own.topic_partition.topic, own.topic_partition.partition);
        }
        self.pause_or_resume(&list, fetching)
    }

    fn reset_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        self.by_reset(partitions, self.reset)
    }

    fn earliest_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        self.by_reset(partitions, OffsetReset::Earliest)
    }

    fn check_stored_offsets(&mut self, opened: &[OpenedPartition]) -> Result<()> {
        let known = self.check_stored(opened)?;
        self.verify_timestamps_at(known);
        Ok(())
    }

    fn committed(
        &self,
        partitions: &[&TopicPartition],
        timeout: Duration,
    ) -> Result<HashMap<TopicPartition, GroupOffset>> {
        self.group_offsets(partitions, timeout)
    }

    fn mark_commits(&mut self, marks: Vec<(TopicPartition, CommitMark)>) {
        self.marks.extend(marks);
    }

    fn commit_async(&self, durable: &Durable) -> Result<()> {
        self.commit(durable, CommitMode::Async)
    }

    fn commit_sync(&self, durable: &Durable) -> Result<()> {
        self.commit(durable, CommitMode::Sync)
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.inner.client().context().close();
        // What was put down, or handed over, and not taken up would keep the client from closing.
        while let Some(change) = self.next_rebalance() {
            if let Rebalance::Revoke(partitions, _) = change {
                let _ = self.unassign(&partitions);
            }
        }
        let _ = self.answer_assignment();
    }
}

/// Copies a record into a batch, and says what it counts for. What the client has unpacked to more
/// than a record may be is not copied.
fn add(batch: &mut RawBatch, message: &BorrowedMessage<'_>, arena: &mut Arena) -> usize {
    let (most, unpacked) = (MemoryLimit::of_record().0, message_size(message));
    let record = arena.copy(message, most);
    let size = size(&record);
    if unpacked > most {
        batch.left_out.push(LeftOut {
            offset: record.offset,
            bytes: unpacked,
        });
    }
    batch.next_offset = record.offset.next();
    batch.bytes += size;
    batch.records.push(record);
    size
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
