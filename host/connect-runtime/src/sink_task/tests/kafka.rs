//! Kafka as a list of records, and a consumer of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connect_api::{
    Error, Offset, OffsetScope, OpenedPartition, RawRecord, Result, Timestamp, TimestampType,
    TopicPartition,
};
use connect_kafka::{CommitMark, GroupMembership, GroupOffset};

use super::Shared;
use crate::sink_task::consume::{Fetching, Passed, Rebalance, TaskConsumer, Wanted};
use crate::sink_task::write::Durable;
use crate::sink_task_loop::batch::{PollLimits, RawBatch};

/// What the task has told its consumer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Assign(TopicPartition, Offset),
    AnswerAssignment,
    Unassign(TopicPartition),
    Seek(TopicPartition, Offset),
    Pause,
    Resume,
    PollPaused,
}

/// Topics, a group, and what its one consumer was told.
pub(super) struct Kafka {
    pub(super) logs: BTreeMap<TopicPartition, Vec<RawRecord>>,
    pub(super) rebalances: VecDeque<Rebalance>,
    pub(super) committed: HashMap<TopicPartition, Offset>,
    pub(super) committed_marks: HashMap<TopicPartition, CommitMark>,
    /// What the task commits with.
    marks: HashMap<TopicPartition, CommitMark>,
    /// So many synchronous commits are refused, as between two generations of a group.
    pub(super) refuse_commits: usize,
    pub(super) calls: Vec<Call>,
    positions: BTreeMap<TopicPartition, Offset>,
    /// Partitions were handed to the task, and the group waits for its answer.
    pub(super) assign_is_due: bool,
    fetching: Fetching,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            logs: BTreeMap::new(),
            rebalances: VecDeque::new(),
            committed: HashMap::new(),
            committed_marks: HashMap::new(),
            marks: HashMap::new(),
            refuse_commits: 0,
            calls: Vec::new(),
            positions: BTreeMap::new(),
            assign_is_due: false,
            fetching: Fetching::Active,
        }
    }
}

impl Kafka {
    /// Appends records with these values to a partition.
    pub(super) fn produce<'a>(
        &mut self,
        partition: &TopicPartition,
        values: impl IntoIterator<Item = &'a str>,
    ) {
        let log = self.logs.entry(partition.clone()).or_default();
        for value in values {
            log.push(RawRecord {
                offset: Offset(log.len() as i64),
                key: None,
                value: Some(Bytes::copy_from_slice(value.as_bytes())),
                headers: Vec::new(),
                timestamp: Some(Timestamp(1000)),
                timestamp_type: TimestampType::CreateTime,
            });
        }
    }

    pub(super) fn count(&self, call: &Call) -> usize {
        self.calls.iter().filter(|made| *made == call).count()
    }

    fn end(&self, partition: &TopicPartition) -> Offset {
        Offset(self.logs.get(partition).map_or(0, Vec::len) as i64)
    }

    fn take(&mut self, limit: usize) -> Vec<RawBatch> {
        if self.fetching == Fetching::Paused {
            return Vec::new();
        }
        let Self {
            logs, positions, ..
        } = self;
        let mut batches = Vec::new();
        for (partition, position) in positions {
            let log = logs.get(partition).map_or(&[][..], Vec::as_slice);
            let from = usize::try_from(position.0).unwrap();
            let records = log.iter().skip(from).take(limit);
            let records: Vec<_> = records.filter(|r| !is_marker(r)).cloned().collect();
            let Some(last) = records.last() else { continue };
            let next_offset = last.offset.next();
            batches.push(RawBatch {
                topic_partition: Arc::new(partition.clone()),
                first_offset: *position,
                next_offset,
                bytes: records.len(),
                left_out: Vec::new(),
                records,
            });
            *position = next_offset;
        }
        batches
    }
}

/// What ends a transaction: a consumer is not given it.
pub(super) const MARKER: &str = "marker";

fn is_marker(record: &RawRecord) -> bool {
    record.value.as_deref() == Some(MARKER.as_bytes())
}

/// The consumer of the task.
pub(super) struct ScriptedConsumer(pub(super) Shared<Kafka>);

/// Between two looks at the list.
const STEP: Duration = Duration::from_millis(1);

impl TaskConsumer for ScriptedConsumer {
    fn poll(&mut self, limits: PollLimits, wait: Duration) -> Result<Vec<RawBatch>> {
        let batches = self.0.lock().unwrap().take(limits.records);
        if batches.is_empty() {
            std::thread::sleep(wait.min(STEP));
        }
        Ok(batches)
    }

    fn poll_paused(&mut self, wait: Duration) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        assert_eq!(kafka.fetching, Fetching::Paused, "records would be lost");
        kafka.calls.push(Call::PollPaused);
        drop(kafka);
        std::thread::sleep(wait.min(STEP));
        Ok(())
    }

    fn poll_leaving(&self, wait: Duration) {
        std::thread::sleep(wait.min(STEP));
    }

    fn next_rebalance(&mut self) -> Option<Rebalance> {
        let mut kafka = self.0.lock().unwrap();
        let change = kafka.rebalances.pop_front();
        kafka.assign_is_due |= matches!(change, Some(Rebalance::Assign(_)));
        change
    }

    fn rebalance_waits(&self) -> bool {
        !self.0.lock().unwrap().rebalances.is_empty()
    }

    fn answer_assignment(&mut self) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        if std::mem::take(&mut kafka.assign_is_due) {
            kafka.calls.push(Call::AnswerAssignment);
        }
        Ok(())
    }

    fn speed_up_rejoin(&mut self) {}

    fn assignment(&self) -> Vec<TopicPartition> {
        self.0.lock().unwrap().positions.keys().cloned().collect()
    }

    fn caught_up(&self, wanted: Wanted<'_>) -> Vec<(Arc<TopicPartition>, Offset)> {
        let mut at_end = self.positions();
        let kafka = self.0.lock().unwrap();
        at_end.retain(|(partition, at)| wanted(partition) && *at == kafka.end(partition));
        at_end
    }

    fn positions(&self) -> Vec<(Arc<TopicPartition>, Offset)> {
        let kafka = self.0.lock().unwrap();
        let positions = kafka.positions.iter();
        positions
            .map(|(partition, at)| (Arc::new(partition.clone()), *at))
            .collect()
    }

    fn pass_markers(&mut self, wanted: Wanted<'_>) -> Vec<Passed> {
        let mut kafka = self.0.lock().unwrap();
        let Kafka {
            positions, logs, ..
        } = &mut *kafka;
        let mut passed = Vec::new();
        for (partition, at) in positions {
            let topic_partition = Arc::new(partition.clone());
            let log = logs.get(partition).map_or(&[][..], Vec::as_slice);
            let from = *at;
            while log.iter().any(|r| r.offset == *at && is_marker(r)) && wanted(&topic_partition) {
                *at = at.next();
            }
            if *at > from {
                passed.push(Passed {
                    topic_partition,
                    from,
                    to: *at,
                });
            }
        }
        passed
    }

    fn group_membership(&self) -> Option<GroupMembership> {
        None
    }

    fn offset_scope(&mut self) -> Result<OffsetScope> {
        Ok(OffsetScope::default())
    }

    fn assign(&mut self, starts: &[(TopicPartition, Offset)], fetching: Fetching) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        for (partition, at) in starts {
            kafka.positions.insert(partition.clone(), *at);
            kafka.calls.push(Call::Assign(partition.clone(), *at));
        }
        kafka.fetching = fetching;
        kafka.assign_is_due = false;
        Ok(())
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        for partition in partitions {
            kafka.positions.remove(partition);
            kafka.calls.push(Call::Unassign(partition.clone()));
        }
        Ok(())
    }

    fn seek(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        for (partition, at) in starts {
            kafka.calls.push(Call::Seek(partition.clone(), *at));
            let position = kafka.positions.get_mut(partition);
            *position.expect("a partition of the assignment") = *at;
        }
        Ok(())
    }

    fn set_fetching(&mut self, fetching: Fetching) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        kafka.fetching = fetching;
        kafka.calls.push(match fetching {
            Fetching::Paused => Call::Pause,
            Fetching::Active => Call::Resume,
        });
        Ok(())
    }

    fn reset_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        self.earliest_offsets(partitions)
    }

    fn earliest_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        let start = |partition: &TopicPartition| (partition.clone(), Offset(0));
        Ok(partitions.iter().map(start).collect())
    }

    fn check_stored_offsets(&mut self, _: &[OpenedPartition]) -> Result<()> {
        Ok(())
    }

    fn committed(
        &self,
        partitions: &[&TopicPartition],
        _: Duration,
    ) -> Result<HashMap<TopicPartition, GroupOffset>> {
        let kafka = self.0.lock().unwrap();
        let known = |partition: &&TopicPartition| {
            let known = GroupOffset {
                offset: *kafka.committed.get(*partition)?,
                mark: kafka.committed_marks.get(*partition).cloned(),
            };
            Some(((*partition).clone(), known))
        };
        Ok(partitions.iter().filter_map(known).collect())
    }

    fn mark_commits(&mut self, marks: Vec<(TopicPartition, CommitMark)>) {
        self.0.lock().unwrap().marks.extend(marks);
    }

    fn commit_async(&self, durable: &Durable) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        for (partition, at) in durable.positions() {
            let partition = TopicPartition::clone(partition);
            let mark = kafka.marks.get(&partition).cloned().unwrap_or_default();
            kafka.committed_marks.insert(partition.clone(), mark);
            kafka.committed.insert(partition, *at);
        }
        Ok(())
    }

    fn commit_sync(&self, durable: &Durable) -> Result<()> {
        let mut kafka = self.0.lock().unwrap();
        if kafka.refuse_commits > 0 {
            kafka.refuse_commits -= 1;
            return Err(Error::retriable("the group is between two generations"));
        }
        drop(kafka);
        self.commit_async(durable)
    }
}
