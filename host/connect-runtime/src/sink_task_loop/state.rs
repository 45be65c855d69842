//! What the loop of a sink task works on: its parts, what is in hand, and what it waits for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, ErrorKind, MemoryLimit, Offset, Result, TopicPartition};
use tracing::warn;

use super::attempts::Attempts;
use super::batch::{PollLimits, TaskBatch};
use super::tick::QuietPartitions;
use super::timing::Timing;
use crate::errors::{ErrorReporter, RecordErrors};
use crate::metrics::TaskMetrics;
use crate::sink_task::commit::Commits;
use crate::sink_task::consume::{Fetching, TaskConsumer};
use crate::sink_task::convert::Converters;
use crate::sink_task::transform::TransformationChain;
use crate::sink_task::write::{Durable, Response, Writer};
use crate::task_control::{Awaited, Control, Reports};
use crate::topic_tracking::ToldTopics;

/// Everything a task is made of.
pub struct SinkTaskParts {
    /// The consumer, subscribed.
    pub consumer: Box<dyn TaskConsumer>,
    /// Bytes to data.
    pub converters: Converters,
    /// The transforms.
    pub chain: TransformationChain,
    /// The sink's thread.
    pub writer: Writer,
    /// What happens to errant records.
    pub errors: Arc<ErrorReporter>,
    /// The task's metrics.
    pub metrics: Arc<TaskMetrics>,
    /// Sends changes of the task's status to the herder.
    pub reports: Reports,
    /// Stop and pause, as the herder has set them.
    pub control: Arc<Control>,
    /// What one transaction may hold.
    pub limits: PollLimits,
    /// How often offsets are committed to Kafka.
    pub commit_interval: Duration,
}

/// The state of a running task.
pub struct SinkTaskState {
    /// What it is made of.
    pub parts: SinkTaskParts,
    /// How long it waits for what.
    pub timing: Timing,
    /// Durable offsets for the group.
    pub commits: Commits,
    /// What was in hand when a worker died.
    pub attempts: Attempts,
    /// Decides on records that a converter or a transform fails on.
    pub record_errors: RecordErrors,
    /// Batches that wait for the sink, one for each partition.
    pub pending: Vec<TaskBatch>,
    /// Whether a record has found no memory left beside `pending`.
    pub lacks_room: bool,
    /// Since when the sink has not taken `pending` although it is full.
    pub full_since: Option<Instant>,
    /// Reading is held for a while.
    pub hold: Option<Hold>,
    /// Partitions of the assignment that have to be taken over before they are read.
    pub unopened: BTreeSet<TopicPartition>,
    /// Whether the partitions are paused: by order, or because something is waited for.
    pub fetching: Fetching,
    /// When the target was last compared with what was durable.
    pub last_verified: Instant,
    /// Whether it was away then.
    pub target_is_away: bool,
    /// Whether it was there at the last look.
    pub target_was_found: bool,
    /// Partitions that wait for a tick.
    pub quiet: QuietPartitions,
    /// The topics that the herder knows of.
    pub told_topics: ToldTopics,
    /// Whether the status says what a record waits for.
    waiting_reported: bool,
    /// What the status says that Kafka lacks.
    kafka_lacks: Option<String>,
    pause_reported: bool,
}

/// A time in which nothing is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it is over.
    pub until: Instant,
    /// What is done then.
    pub then: AfterHold,
}

/// What is done after a [`Hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AfterHold {
    /// Reading goes on where the partitions stand.
    Resume,
    /// The partitions are opened again, and read from the offsets that the sink has.
    Reopen,
}

impl SinkTaskState {
    /// A task that has not begun.
    pub fn new(parts: SinkTaskParts, timing: Timing) -> Self {
        Self {
            commits: Commits::new(parts.commit_interval),
            attempts: Attempts::default(),
            record_errors: RecordErrors::new(Arc::clone(&parts.errors)),
            parts,
            timing,
            pending: Vec::new(),
            lacks_room: false,
            full_since: None,
            hold: None,
            unopened: BTreeSet::new(),
            fetching: Fetching::Active,
            last_verified: Instant::now(),
            target_is_away: false,
            target_was_found: false,
            quiet: QuietPartitions::default(),
            told_topics: ToldTopics::default(),
            waiting_reported: false,
            kafka_lacks: None,
            pause_reported: false,
        }
    }

    /// Whether one transaction cannot hold more than what waits for the sink.
    pub fn is_full(&self) -> bool {
        let limits = self.parts.limits;
        let records: usize = self.pending.iter().map(|b| b.raw.len()).sum();
        let bytes: usize = self.pending.iter().map(|b| b.bytes).sum();
        // Where a record had no room, the partition is read from it again once there is some.
        let lacks_room = self.lacks_room && !self.pending.is_empty();
        records >= limits.records
            || bytes >= limits.bytes
            || lacks_room
            || self.pending_memory() >= MemoryLimit::of_record().0
    }

    /// Bytes of memory that the data takes that waits for the sink.
    pub fn pending_memory(&self) -> usize {
        let memory = self.pending.iter().map(|batch| batch.memory);
        memory.fold(0, usize::saturating_add)
    }

    /// A record has no room beside what waits for the sink: the partition is read from there again.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn read_again(
        &mut self,
        topic_partition: &TopicPartition,
        resume_at: Offset,
    ) -> Result<()> {
        self.lacks_room = true;
        let start = (topic_partition.clone(), resume_at);
        self.parts.consumer.seek(&[start])
    }

    /// Adds a batch to what waits for the sink.
    pub fn append(&mut self, batch: TaskBatch) {
        if std::mem::take(&mut self.waiting_reported) {
            self.parts.reports.going_on(Awaited::Service);
        }
        let partition = &batch.batch.topic_partition;
        let mut pending = self.pending.iter_mut();
        match pending.find(|p| p.batch.topic_partition == *partition) {
            Some(pending) => pending.append(batch),
            None => self.pending.push(batch),
        }
    }

    /// Takes the sink's answers; waits for the first one.
    ///
    /// # Errors
    /// What the sink failed with.
    pub fn take_responses(&mut self, wait: Duration) -> Result<()> {
        let mut wait = wait;
        while let Some(response) = self.parts.writer.response(wait)? {
            wait = Duration::ZERO;
            self.take(response)?;
        }
        Ok(())
    }

    /// Takes an answer that nobody waits for.
    ///
    /// # Errors
    /// What the sink failed with.
    pub fn take(&mut self, response: Response) -> Result<()> {
        match response {
            Response::Durable(mut durable) => {
                self.show_active(0);
                if self.parts.writer.commits_offsets() {
                    self.parts.metrics.common.commits.succeed();
                }
                for (topic_partition, next_offset) in durable.positions() {
                    self.parts.chain.durable(topic_partition, *next_offset);
                }
                // A partition that was given up while it was written is for its next owner to
                // commit: from here the group could go back behind that one.
                let owned = self.parts.consumer.assignment();
                durable.retain(|topic_partition, _| owned.contains(topic_partition));
                self.end_durable_attempts(&durable);
                self.add_durable(durable);
            }
            Response::Rewind(error) => self.rewind(&error),
            Response::NotVerified => {
                self.target_is_away = true;
                self.target_was_found = false;
            }
            Response::Failed(error) | Response::Fenced(error) => return Err(error),
            Response::Verified => self.target_was_found = true,
            Response::Discarded
            | Response::Closed
            | Response::Forgotten
            | Response::Started(..)
            | Response::GivenUp
            | Response::Opened(..) => {}
        }
        Ok(())
    }

    /// Counts the records that are read and not durable: so many are being written.
    pub fn show_active(&self, writing: usize) {
        let pending: usize = self.pending.iter().map(|b| b.raw.len()).sum();
        self.parts.metrics.active.set((writing + pending) as f64);
    }

    /// Notes durable offsets for the group, unless the sink commits them itself.
    pub fn add_durable(&mut self, durable: Durable) {
        if !self.parts.writer.commits_offsets() {
            self.commits.add(durable);
        }
    }

    /// The sink says that it no longer owns what it was to write, or that the target has lost
    /// offsets: everything that was read ahead of it is thrown away. If the group has given the
    /// partitions to another task, it says so before the pause is over; else they are opened again.
    /// Without the pause two tasks would fence each other in turns. What the target has lost is
    /// read again at once.
    fn rewind(&mut self, error: &Error) {
        warn!(error = %error.chain(), "rewinding to the offsets stored in the sink");
        self.parts.writer.abandon();
        self.pending.clear();
        self.show_active(0);
        let pause = match error.kind() {
            ErrorKind::OffsetsLost => Duration::ZERO,
            _ => self.timing.rewind_pause,
        };
        self.hold_for(pause, AfterHold::Reopen);
    }

    /// A record is tried again after a delay, in its turn: the partition is read from there.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn retry_record(
        &mut self,
        topic_partition: &TopicPartition,
        resume_at: Offset,
        error: &Error,
        delay: Duration,
    ) -> Result<()> {
        self.report_waiting(error);
        self.hold_for(delay, AfterHold::Resume);
        let start = (topic_partition.clone(), resume_at);
        self.parts.consumer.seek(&[start])
    }

    /// A record is tried again after a delay, by transforms whose state is what is durable.
    pub fn retry_from_durable(&mut self, error: &Error, delay: Duration) {
        self.report_waiting(error);
        self.hold_for(delay, AfterHold::Reopen);
    }

    fn report_waiting(&mut self, error: &Error) {
        if !self.waiting_reported {
            let error_text = error.chain();
            warn!(error = %error_text, "a record cannot be converted or transformed yet; the task waits and retries");
            self.parts.reports.waiting(Awaited::Service, error_text);
            self.waiting_reported = true;
        }
    }

    /// Tells in the status what keeps the task from its records in Kafka, and when nothing does any
    /// more.
    pub fn tell_what_kafka_lacks(&mut self) {
        let lacks = self.parts.consumer.waits_for();
        if lacks == self.kafka_lacks {
            return;
        }
        match &lacks {
            Some(what) => {
                warn!("the task waits for Kafka: {what}");
                self.parts.reports.waiting(Awaited::Kafka, what.clone());
            }
            None => self.parts.reports.going_on(Awaited::Kafka),
        }
        self.kafka_lacks = lacks;
    }

    /// Holds reading; what several holds ask for is done after the longest.
    fn hold_for(&mut self, delay: Duration, then: AfterHold) {
        let until = Instant::now() + delay;
        let hold = self.hold.get_or_insert(Hold { until, then });
        hold.until = hold.until.max(until);
        hold.then = hold.then.max(then);
    }

    /// The hold that is over, if one is.
    pub fn take_finished_hold(&mut self) -> Option<AfterHold> {
        let hold = self.hold.filter(|hold| Instant::now() >= hold.until)?;
        self.hold = None;
        Some(hold.then)
    }

    /// Pauses the partitions while that is ordered, or something is waited for.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn pause_or_resume(&mut self) -> Result<()> {
        let ordered = self.parts.control.pausing();
        if ordered != self.pause_reported {
            self.pause_reported = ordered;
            if ordered {
                self.parts.reports.paused();
            } else {
                self.parts.reports.running();
            }
        }
        if self.pending.is_empty() {
            // What the sink did not take was thrown away since: nothing waits for it any more.
            self.full_since = None;
        }
        let stuck = self
            .full_since
            .is_some_and(|since| since.elapsed() > self.timing.pause_consumer_after);
        if ordered || stuck || self.hold.is_some() || !self.unopened.is_empty() {
            self.set_fetching(Fetching::Paused)
        } else {
            self.set_fetching(Fetching::Active)
        }
    }

    /// Pauses or resumes the partitions, unless they are so.
    ///
    /// # Errors
    /// When the client refuses.
    pub fn set_fetching(&mut self, fetching: Fetching) -> Result<()> {
        if self.fetching != fetching {
            self.parts.consumer.set_fetching(fetching)?;
            self.fetching = fetching;
        }
        Ok(())
    }
}
