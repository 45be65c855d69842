//! A sink task: one turn of its loop is commit, consume, convert, transform, write.
//!
//! The loop has a thread of its own, and the sink another. What is between them is bounded by
//! bytes (Invariant 8): the transaction that is being written, and the one that is being made.

mod assign;
mod commit;
mod consume;
mod convert;
mod make;
mod tick;
mod transform;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, Offset, Result, TopicPartition};
use tracing::warn;

pub use consume::{Consumer, PollLimits};
pub use convert::Converters;
pub use transform::{ChainStep, StepKind, TransformationChain};
pub use write::{Writer, WriterParts};

use crate::errors::ErrorReporter;
use crate::metrics::TaskMetrics;
use crate::task_control::{Control, Reports};
use commit::Commits;
use consume::RawBatch;
use make::Made;
use tick::Quiet;
use write::{Durable, Request, Response, TaskBatch};

/// How long the loop sleeps when there is nothing to do, and so how soon it sees a stop.
const IDLE: Duration = Duration::from_millis(100);
/// How long the loop polls at a time while the sink is busy: it must see soon that it no longer is.
const BUSY: Duration = Duration::from_millis(2);
/// How long the loop waits for the sink before it pauses its partitions, so as to go on polling
/// and stay in its group.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a task that ends tries to tell its group how far it came.
const LEAVE: Duration = Duration::from_secs(2);
/// Records that are converted and transformed at a time.
const CHUNK: usize = 1000;
/// How long the schema registry is left alone before it is asked again.
const REGISTRY_RETRY: Duration = Duration::from_secs(1);

/// Everything a task is made of.
pub struct SinkTaskParts {
    /// The consumer, subscribed.
    pub consumer: Consumer,
    /// Bytes to data.
    pub converters: Converters,
    /// The transforms.
    pub chain: TransformationChain,
    /// The sink's thread.
    pub writer: Writer,
    /// What happens to errant records.
    pub errors: Arc<ErrorReporter>,
    /// Where numbers go.
    pub metrics: Arc<TaskMetrics>,
    /// Where states go.
    pub reports: Reports,
    /// Where orders come from.
    pub control: Arc<Control>,
    /// What one transaction may hold.
    pub limits: PollLimits,
    /// How often Kafka is told of offsets.
    pub commit_interval: Duration,
}

/// The loop of one sink task.
pub struct WorkerSinkTask {
    parts: SinkTaskParts,
    commits: Commits,
    /// Batches that wait for the sink, one for each partition.
    pending: Vec<TaskBatch>,
    /// Since when the sink has not taken `pending` although it is full.
    stuck_since: Option<Instant>,
    /// Reading is held until then, and whether the partitions are to be opened anew after it.
    held: Option<(Instant, Held)>,
    /// What the herder was told that the task waits for.
    waiting_for: Option<Held>,
    /// Whether the partitions are paused: by order, or because something is waited for.
    paused: bool,
    pause_reported: bool,
    quiet: Quiet,
}

/// Why reading is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// The schema registry is away; it is asked again.
    Registry,
    /// Another task has the partitions, or the target has lost offsets.
    Rewind,
}

impl WorkerSinkTask {
    /// A task that has not begun.
    pub fn new(parts: SinkTaskParts) -> Self {
        let commits = Commits::new(parts.commit_interval);
        Self {
            parts,
            commits,
            pending: Vec::new(),
            stuck_since: None,
            held: None,
            waiting_for: None,
            paused: false,
            pause_reported: false,
            quiet: Quiet::default(),
        }
    }

    /// Runs until it is told to stop. What is in hand then becomes durable, or is left to the next
    /// owner of its partitions.
    ///
    /// # Errors
    /// What the task fails with.
    pub fn run(mut self) -> Result<()> {
        let outcome = self.turns().and_then(|()| self.drain());
        self.take_leave();
        self.parts.writer.abandon();
        let SinkTaskParts {
            consumer, writer, ..
        } = self.parts;
        writer.stop();
        drop(consumer);
        outcome
    }

    /// Tells the group how far the task has come. Between two of its generations the group does not
    /// hear it.
    fn take_leave(&mut self) {
        let SinkTaskParts {
            consumer,
            control,
            metrics,
            ..
        } = &mut self.parts;
        let until = Instant::now() + LEAVE;
        while !self.commits.flush(consumer, metrics) {
            if Instant::now() > until || control.abandoned() {
                break;
            }
            consumer.wait(IDLE);
        }
    }

    fn turns(&mut self) -> Result<()> {
        while !self.parts.control.stopping() {
            self.turn()?;
        }
        Ok(())
    }

    /// One turn: what became durable is committed, new records are consumed, converted and
    /// transformed, and what is ready is written.
    fn turn(&mut self) -> Result<()> {
        self.settle(Duration::ZERO)?;
        self.commits
            .flush_due(&self.parts.consumer, &self.parts.metrics);
        while let Some(change) = self.parts.consumer.rebalance() {
            self.rebalance(change)?;
        }
        self.parts.consumer.nudge();
        self.release()?;
        self.pause_or_resume()?;
        for batch in self.consume()? {
            self.quiet.disturbed(&batch.topic_partition);
            match self.convert_and_transform(batch)? {
                Made::Batch(batch) => self.append(batch),
                Made::Nothing => {}
                Made::Part(before, error) => return self.fail_behind(before, error),
            }
        }
        self.tick_quiet()?;
        self.write()
    }

    fn consume(&mut self) -> Result<Vec<RawBatch>> {
        let wait = if self.pending.is_empty() && self.parts.writer.is_idle() {
            IDLE
        } else {
            BUSY
        };
        if self.paused {
            self.settle(IDLE)?;
            let wait = if self.parts.writer.is_idle() {
                IDLE
            } else {
                BUSY
            };
            self.parts.consumer.idle(wait)?;
            return Ok(Vec::new());
        }
        if self.is_full() {
            self.settle(IDLE)?;
            return Ok(Vec::new());
        }
        let limits = PollLimits {
            records: CHUNK.min(self.parts.limits.records),
            ..self.parts.limits
        };
        let batches = self.parts.consumer.poll(limits, wait)?;
        let records: usize = batches.iter().map(|b| b.records.len()).sum();
        self.parts.metrics.read.increment(records as u64);
        Ok(batches)
    }

    fn is_full(&self) -> bool {
        let limits = self.parts.limits;
        let records: usize = self.pending.iter().map(|b| b.raw.len()).sum();
        let bytes: usize = self.pending.iter().map(|b| b.bytes).sum();
        records >= limits.records || bytes >= limits.bytes
    }

    /// Makes what is in front of a record that may not be passed over durable, and fails with that
    /// record. What the transforms made of it and of those behind it is void.
    fn fail_behind(&mut self, mut before: RawBatch, mut error: Error) -> Result<()> {
        self.drain()?;
        while !before.records.is_empty() {
            let topic_partition = TopicPartition::clone(&before.topic_partition);
            self.parts.chain.reset(&topic_partition);
            // The sink says where the partition stands; it may be another's by now.
            let starts = self.open(std::slice::from_ref(&topic_partition))?;
            if starts != Some(vec![(topic_partition, before.first_offset)]) {
                break;
            }
            match self.convert_and_transform(before)? {
                Made::Batch(batch) => {
                    self.append(batch);
                    self.drain()?;
                    break;
                }
                // The schema registry went away meanwhile: what is in front is read again.
                Made::Nothing => break,
                // A transform saw a later record first.
                Made::Part(part, earlier) => (before, error) = (part, earlier),
            }
        }
        Err(error)
    }

    /// The schema registry is away: these records are read again when it may be back. It says
    /// nothing of the records, so none is reported.
    fn hold(
        &mut self,
        topic_partition: &TopicPartition,
        offset: Offset,
        error: &Error,
    ) -> Result<()> {
        self.parts.metrics.retries.increment(1);
        if self.waiting_for != Some(Held::Registry) {
            warn!(error = %error.chain(), "waiting for the schema registry");
            self.parts.reports.waiting(error);
            self.waiting_for = Some(Held::Registry);
        }
        self.held = Some((Instant::now() + REGISTRY_RETRY, Held::Registry));
        self.parts
            .consumer
            .seek(&[(topic_partition.clone(), offset)])
    }

    /// Goes on when it has waited long enough.
    fn release(&mut self) -> Result<()> {
        let Some((until, why)) = self.held else {
            return Ok(());
        };
        if Instant::now() < until {
            return Ok(());
        }
        self.held = None;
        if why == Held::Rewind {
            self.restart_partitions()
        } else {
            Ok(())
        }
    }

    fn append(&mut self, batch: TaskBatch) {
        if self.waiting_for.take().is_some() {
            self.parts.reports.going_on();
        }
        match self
            .pending
            .iter_mut()
            .find(|p| p.batch.topic_partition == batch.batch.topic_partition)
        {
            Some(pending) => pending.append(batch),
            None => self.pending.push(batch),
        }
    }

    /// Hands over what is ready. While the sink writes, the next transaction grows up to its limits
    /// and no further one is begun (Invariant 8); a lone record does not wait.
    fn write(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if !self.parts.writer.is_idle() {
            if self.is_full() {
                self.stuck_since.get_or_insert_with(Instant::now);
            }
            return Ok(());
        }
        let batches = std::mem::take(&mut self.pending);
        let active: usize = batches.iter().map(|b| b.raw.len()).sum();
        let generation = self.parts.writer.generation();
        // Taken before the partitions of these batches can be given up: the group's coordinator
        // refuses it once they have another owner (Invariant 5).
        let membership = if self.parts.writer.commits_offsets() {
            self.parts.consumer.membership()
        } else {
            None
        };
        let request = Request::Put(generation, batches, membership);
        self.parts.writer.send(request)?;
        self.parts.metrics.active.set(active as f64);
        self.stuck_since = None;
        Ok(())
    }

    /// Takes the sink's answers.
    fn settle(&mut self, wait: Duration) -> Result<()> {
        let mut wait = wait;
        while let Some(response) = self.parts.writer.response(wait)? {
            wait = Duration::ZERO;
            self.answered(response)?;
        }
        Ok(())
    }

    fn answered(&mut self, response: Response) -> Result<()> {
        match response {
            Response::Durable(durable) => {
                for (topic_partition, next_offset) in durable.positions() {
                    self.parts.chain.durable(topic_partition, *next_offset);
                }
                self.add_durable(&durable);
            }
            Response::Rewind(error) => self.rewind(&error),
            Response::Failed(error) | Response::Fenced(error) => return Err(error),
            Response::Void | Response::Closed | Response::Started | Response::Opened(..) => {}
        }
        Ok(())
    }

    /// The group is told of it in time, unless the sink tells it itself.
    fn add_durable(&mut self, durable: &Durable) {
        if !self.parts.writer.commits_offsets() {
            self.commits.add(durable);
        }
    }

    fn pause_or_resume(&mut self) -> Result<()> {
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
            self.stuck_since = None;
        }
        let stuck = self
            .stuck_since
            .is_some_and(|since| since.elapsed() > PATIENCE);
        let wanted = ordered || stuck || self.held.is_some();
        if wanted != self.paused {
            self.parts.consumer.pause(wanted)?;
            self.paused = wanted;
        }
        Ok(())
    }

    /// Writes what is in hand, for as long as the herder lets it.
    fn drain(&mut self) -> Result<()> {
        while !self.parts.control.abandoned() {
            self.settle(Duration::ZERO)?;
            if self.pending.is_empty() && self.parts.writer.is_idle() {
                break;
            }
            self.write()?;
            self.settle(IDLE)?;
        }
        Ok(())
    }
}
