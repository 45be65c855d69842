//! A source task: one turn of its loop is commit, poll, transform, write.
//!
//! The loop has a thread of its own. Records that were handed to the producer and not yet
//! acknowledged are bounded by bytes (Invariant 8): at that limit the source is not polled.
//!
//! With exactly-once support (KIP-618), records and the offsets that they lead to are one
//! transaction of Kafka. Whatever goes wrong in one is taken back by Kafka; the loop then begins
//! again with a new source task, from the stored offsets, so that no outcome needs to be guessed.

mod commit;
mod poll;
#[cfg(test)]
mod tests;
mod transform;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{
    Error, ErrorKind, OffsetStorageReader, Result, Senders, SourceTask, TopicReader,
};
use tokio::runtime::Handle;
use tracing::warn;

use crate::errors::SourceErrors;
use crate::metrics::SourceTaskMetrics;
use crate::sink_task::Converters;
use crate::storage::SourceOffsetStore;
use crate::task_control::{Awaited, Control, Reports};
use crate::topic_tracking::ToldTopics;
use commit::Commits;
pub use transform::SourceChain;
pub use write::{KafkaRecordProducer, ProducerRecord, RecordProducer, TopicCreation, Topics};

/// How long the loop sleeps when there is nothing to do, and so how soon it sees a stop.
const IDLE: Duration = Duration::from_millis(50);
/// How long a source or Kafka is left alone after it did not answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// When the records of a source become visible, with exactly-once support:
/// `transaction.boundary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionBoundary {
    /// Those of each poll together.
    Poll,
    /// Those of this much time together.
    Interval(Duration),
}

/// How records and offsets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceDelivery {
    /// Offsets are written at this interval, for records that Kafka has acknowledged: after a
    /// crash, records since then are sent again.
    AtLeastOnce(Duration),
    /// In transactions.
    ExactlyOnce(TransactionBoundary),
}

/// Makes a source task that has not begun.
pub type MakeTask = Box<dyn Fn() -> Result<Box<dyn SourceTask>> + Send>;
/// Makes a producer. A transactional one has ended what its predecessors had left open, and they
/// can write no more (Invariant 5).
pub type MakeProducer = Box<dyn Fn() -> Result<Box<dyn RecordProducer>> + Send>;

/// Everything a source task is made of.
pub struct SourceTaskParts {
    /// The connector's part.
    pub make_task: MakeTask,
    /// Kafka's part.
    pub make_producer: MakeProducer,
    /// The stored offsets of the connector.
    pub offsets: Arc<dyn SourceOffsetStore>,
    /// Reads what is in topics.
    pub topic_reader: Box<dyn TopicReader>,
    /// The transforms.
    pub chain: SourceChain,
    /// Data to bytes.
    pub converters: Converters,
    /// Creates topics where the connector asks for it.
    pub topics: Topics,
    /// The worker's own topics: no record goes there.
    pub internal_topics: Vec<String>,
    /// What happens to errant records.
    pub errors: SourceErrors,
    /// This task's metrics.
    pub metrics: Arc<SourceTaskMetrics>,
    /// Sends status changes to the herder.
    pub reports: Reports,
    /// Stop and pause flags set by the herder.
    pub control: Arc<Control>,
    /// How records and offsets are written.
    pub delivery: SourceDelivery,
    /// Bytes of records that may wait for Kafka.
    pub buffer_bytes: usize,
    /// Where the source's futures are driven from.
    pub runtime: Handle,
}

/// The loop of one source task.
pub struct WorkerSourceTask {
    parts: SourceTaskParts,
    pause_reported: bool,
    /// What the herder was told that the task waits for.
    waits_for: Option<WaitsFor>,
    /// A task that has lost its producer, and goes on with the next one.
    kept: Option<Box<dyn SourceTask>>,
    is_running: bool,
    /// The topics that the herder knows of.
    told_topics: ToldTopics,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    /// Kafka is to acknowledge records.
    Kafka,
    /// The source or the schema registry is to answer, or a producer is to be made.
    Other,
}

/// One life of the connector's task: from its start to its end, or to a transaction that failed.
struct Session<'a> {
    worker: &'a mut WorkerSourceTask,
    task: Box<dyn SourceTask>,
    senders: Senders,
    producer: Box<dyn RecordProducer>,
    commits: Commits,
    /// Records of the transaction that is open.
    transaction_records: usize,
    /// Since when a transaction has been open.
    transaction: Option<Instant>,
    last_commit: Instant,
}

impl WorkerSourceTask {
    /// A task that has not begun.
    pub fn new(parts: SourceTaskParts) -> Self {
        Self {
            parts,
            pause_reported: false,
            waits_for: None,
            kept: None,
            is_running: false,
            told_topics: ToldTopics::default(),
        }
    }

    /// Runs until it is told to stop. Records in hand are then acknowledged and their offsets
    /// stored, or they are read again by the next start.
    ///
    /// # Errors
    /// What the task fails with.
    pub fn run(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while !self.parts.control.stopping() {
            match self.session() {
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    self.report_running();
                    self.wait_after(&error, RETRY_INTERVAL);
                }
                ended => {
                    outcome = ended;
                    break;
                }
            }
        }
        if let Some(mut task) = self.kept.take() {
            self.parts.runtime.block_on(task.stop());
        }
        outcome
    }

    /// The source's task, ready to be polled.
    fn source_task(&mut self) -> Result<Box<dyn SourceTask>> {
        let runtime = self.parts.runtime.clone();
        runtime.block_on(self.parts.offsets.prepare())?;
        let mut task = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let mut task = (self.parts.make_task)()?;
                let reader = StoredOffsets(Arc::clone(&self.parts.offsets));
                runtime.block_on(task.start(&reader))?;
                task
            }
        };
        let senders = task.senders();
        self.parts.errors.set_senders(senders);
        match runtime.block_on(task.read_back(&*self.parts.topic_reader)) {
            Ok(()) => Ok(task),
            Err(error) => {
                self.end(task, senders, &error);
                Err(error)
            }
        }
    }

    /// Keeps a task whose senders wait where another producer may help, and stops any other.
    fn end(&mut self, mut task: Box<dyn SourceTask>, senders: Senders, error: &Error) {
        if senders == Senders::Waiting
            && error.kind() == ErrorKind::Retriable
            && !self.parts.control.stopping()
        {
            task.give_up(error);
            self.kept = Some(task);
        } else {
            self.parts.runtime.block_on(task.stop());
        }
    }

    /// Once: it has started, or its status tells what that waits for.
    fn report_running(&mut self) {
        if !std::mem::replace(&mut self.is_running, true) {
            self.parts.reports.running();
        }
    }

    fn session(&mut self) -> Result<()> {
        let producer = (self.parts.make_producer)()?;
        let task = self.source_task()?;
        self.report_running();
        let mut session = Session {
            worker: self,
            senders: task.senders(),
            task,
            producer,
            commits: Commits::default(),
            transaction_records: 0,
            transaction: None,
            last_commit: Instant::now(),
        };
        let outcome = session.turns();
        let finished = match &outcome {
            // Without transactions, what Kafka has acknowledged is stored even if the task failed.
            Err(_) if session.exactly_once() => Ok(()),
            _ => session.finish(),
        };
        if session.transaction.is_some() {
            session.producer.abort();
        }
        let outcome = outcome.and(finished);
        let Session {
            worker,
            task,
            senders,
            ..
        } = session;
        match &outcome {
            Ok(()) => {
                let mut task = task;
                worker.parts.runtime.block_on(task.stop());
            }
            Err(error) => worker.end(task, senders, error),
        }
        outcome
    }

    /// Says what the task waits for, and waits for a moment.
    fn wait_after(&mut self, error: &Error, interval: Duration) {
        self.parts.metrics.common.retries.increment(1);
        self.waiting(WaitsFor::Other, error);
        let until = Instant::now() + interval;
        while Instant::now() < until && !self.parts.control.stopping() {
            std::thread::sleep(IDLE);
        }
    }

    fn waiting(&mut self, waits_for: WaitsFor, error: &Error) {
        if self.waits_for.is_none() {
            warn!(error = %error.chain(), "waiting");
            self.parts.reports.waiting(Awaited::Target, error.chain());
            self.waits_for = Some(waits_for);
        }
    }

    /// What the task may have waited for is there.
    fn going_on(&mut self, there: WaitsFor) {
        if self.waits_for == Some(there) {
            self.waits_for = None;
            self.parts.reports.going_on(Awaited::Target);
        }
    }
}

impl Session<'_> {
    fn exactly_once(&self) -> bool {
        matches!(self.worker.parts.delivery, SourceDelivery::ExactlyOnce(_))
    }

    fn turns(&mut self) -> Result<()> {
        while !self.worker.parts.control.stopping() {
            self.turn()?;
        }
        Ok(())
    }

    /// One turn: what Kafka has acknowledged is committed when it is due, and new records are
    /// polled, transformed, and written.
    fn turn(&mut self) -> Result<()> {
        self.commit_due()?;
        if self.pause()? {
            std::thread::sleep(IDLE);
            return Ok(());
        }
        let Some(records) = self.poll()? else {
            return Ok(());
        };
        let records = self.transform(records)?;
        self.write(records)
    }

    /// Whether the task is paused. It then has nothing in hand.
    fn pause(&mut self) -> Result<bool> {
        let ordered = self.worker.parts.control.pausing();
        if ordered != self.worker.pause_reported {
            self.worker.pause_reported = ordered;
            if ordered {
                self.finish()?;
                self.worker.parts.reports.paused();
            } else {
                self.worker.parts.reports.running();
            }
        }
        Ok(ordered)
    }
}

/// The stored offsets of a connector, for its task.
struct StoredOffsets(Arc<dyn SourceOffsetStore>);

#[async_trait::async_trait]
impl OffsetStorageReader for StoredOffsets {
    async fn offsets(
        &self,
        partitions: &[connect_api::SourcePartition],
    ) -> Result<Vec<Option<connect_api::SourceOffset>>> {
        let stored = self.0.read().await?;
        let find = |wanted| stored.iter().find(|(partition, _)| partition == wanted);
        let offsets = partitions
            .iter()
            .map(|wanted| Some(find(wanted)?.1.clone()));
        Ok(offsets.collect())
    }
}
