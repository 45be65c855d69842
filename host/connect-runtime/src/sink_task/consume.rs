//! Stage 2: poll Kafka into batches, one for each partition.

mod arena;
mod context;
mod ends;
mod kafka;
pub(crate) mod lacks;
mod start;
mod subscribe;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Offset, OffsetScope, OpenedPartition, Result, TopicPartition};
use connect_kafka::{CommitMark, GroupMembership, GroupOffset};

pub use kafka::KafkaConsumer;

use super::write::Durable;
use crate::sink_task_loop::batch::{PollLimits, RawBatch};

/// A change of the assignment that the group asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions are the task's once it has called [`TaskConsumer::assign`].
    Assign(Vec<TopicPartition>),
    /// These partitions are to be given up with [`TaskConsumer::unassign`].
    Revoke(Vec<TopicPartition>, Ownership),
}

/// Whether partitions that are to be given up still belong to the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// They do until they are given up: there is time to drain and to commit.
    Kept,
    /// The group has left the task out, and another one may own them already.
    Lost,
}

/// Whether the client fetches records of the assigned partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// It does.
    Active,
    /// It does not, and stays in its group.
    Paused,
}

/// Whether a partition is asked about.
pub type Wanted<'a> = &'a mut dyn FnMut(&Arc<TopicPartition>) -> bool;

/// Offsets of a partition that hold no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The partition.
    pub topic_partition: Arc<TopicPartition>,
    /// Where it stood.
    pub from: Offset,
    /// Where it stands now.
    pub to: Offset,
}

/// The consumer of one sink task, as the task's loop uses it: librdkafka's in a worker, a scripted
/// one in tests of the loop.
///
/// Offsets are committed by [`Durable`] alone. This compiles:
///
/// ```
/// use connect_runtime::{Durable, TaskConsumer};
///
/// fn commit_what_is_durable(consumer: &dyn TaskConsumer, durable: &Durable) {
///     let _ = consumer.commit_sync(durable);
/// }
/// ```
///
/// An offset that was merely read is not accepted (Invariant 1):
///
/// ```compile_fail,E0308
/// use std::collections::BTreeMap;
/// use connect_api::{Offset, TopicPartition};
/// use connect_runtime::{Durable, TaskConsumer};
///
/// fn commit_what_was_read(
///     consumer: &dyn TaskConsumer,
///     read: &BTreeMap<TopicPartition, Offset>,
/// ) {
///     let _ = consumer.commit_sync(read);
/// }
/// ```
pub trait TaskConsumer {
    /// Waits up to `wait` for a first record, then takes what has been fetched, up to the limits.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] or [`connect_api::ErrorKind::Config`] when reading cannot
    /// go on.
    fn poll(&mut self, limits: PollLimits, wait: Duration) -> Result<Vec<RawBatch>>;

    /// Polls while all partitions are paused, so that the task stays in its group: a member that
    /// does not poll is put out of it (`max.poll.interval.ms`).
    ///
    /// # Errors
    /// As for `poll`.
    fn poll_paused(&mut self, wait: Duration) -> Result<()>;

    /// Serves the client's own work for `wait` at most, when no record is read any more.
    fn poll_leaving(&self, wait: Duration);

    /// The next change of the assignment that is to be made.
    fn next_rebalance(&mut self) -> Option<Rebalance>;

    /// Whether a change of the assignment waits, and the group with it.
    fn rebalance_waits(&self) -> bool;

    /// Lets the group go on, where it waits for the task to take partitions: they are the task's,
    /// and are not read before [`TaskConsumer::assign`].
    ///
    /// # Errors
    /// As for `assign`.
    fn answer_assignment(&mut self) -> Result<()>;

    /// What keeps the task from its records, in plain words: no broker can be reached, or none lets
    /// the client in, or a topic is not there. None: nothing.
    fn waits_for(&mut self) -> Option<String> {
        None
    }

    /// Lets a member that is to join its group again do so at once, where the client would wait.
    fn speed_up_rejoin(&mut self);

    /// The partitions that the task owns.
    fn assignment(&self) -> Vec<TopicPartition>;

    /// The partitions that are wanted and whose records have all been read, as far as Kafka says,
    /// and where they stand.
    fn caught_up(&self, wanted: Wanted<'_>) -> Vec<(Arc<TopicPartition>, Offset)>;

    /// The partitions that are read, and where they stand.
    fn positions(&self) -> Vec<(Arc<TopicPartition>, Offset)>;

    /// Goes on past what holds no data, where the client has seen nothing else behind the last
    /// record that it gave: control records of transactions, and transactions that were aborted.
    fn pass_markers(&mut self, wanted: Wanted<'_>) -> Vec<Passed>;

    /// The membership in the group as it is now (KIP-447); none before the group is joined.
    fn group_membership(&self) -> Option<GroupMembership>;

    /// Whose offsets those of the partitions are.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
    fn offset_scope(&mut self) -> Result<OffsetScope>;

    /// Takes the partitions, and reads them from the given offsets, at once or when they are
    /// resumed.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when the client refuses.
    fn assign(&mut self, starts: &[(TopicPartition, Offset)], fetching: Fetching) -> Result<()>;

    /// Gives the partitions up.
    ///
    /// # Errors
    /// As for `assign`.
    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Reads partitions of the assignment from the given offsets.
    ///
    /// # Errors
    /// As for `assign`.
    fn seek(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Pauses or resumes all partitions of the assignment.
    ///
    /// # Errors
    /// As for `assign`.
    fn set_fetching(&mut self, fetching: Fetching) -> Result<()>;

    /// Where to start partitions by `auto.offset.reset`: neither the sink nor the group has an
    /// offset of them.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer;
    /// [`connect_api::ErrorKind::Fatal`] when there is no such offset.
    fn reset_offsets(&self, partitions: &[TopicPartition])
    -> Result<Vec<(TopicPartition, Offset)>>;

    /// Where the logs of partitions begin.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
    fn earliest_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Offset)>>;

    /// Checks that the logs still have the offsets that the sink goes on from. Where the sink knows
    /// the timestamp of the record in front of one, that is checked too, when the partition is
    /// read.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer;
    /// [`connect_api::ErrorKind::Fatal`] when a log lacks the offset: going on would lose records
    /// in silence.
    fn check_stored_offsets(&mut self, opened: &[OpenedPartition]) -> Result<()>;

    /// The offsets that the group has of these partitions, with the marks of those that Ferrule has
    /// committed.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer in time.
    fn committed(
        &self,
        partitions: &[&TopicPartition],
        timeout: Duration,
    ) -> Result<HashMap<TopicPartition, GroupOffset>>;

    /// Sets the marks that offsets of partitions are committed with from now on.
    fn mark_commits(&mut self, marks: Vec<(TopicPartition, CommitMark)>);

    /// Tells the group how far the task is, and does not wait for the answer. It matters to those
    /// who look at lag, and to sinks that keep no offsets.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when the client refuses at once.
    fn commit_async(&self, durable: &Durable) -> Result<()>;

    /// Tells the group how far the task is, and waits for the answer.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka refuses or does not answer.
    fn commit_sync(&self, durable: &Durable) -> Result<()>;
}
