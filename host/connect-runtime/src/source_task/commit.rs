//! Stage 1: what Kafka has acknowledged, and the offsets that are stored for it.
//!
//! Records are acknowledged in the order in which they were sent: an offset is stored only when
//! every record before it is in Kafka, dropped by a transform, or passed over (Invariant 1).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{
    CommittedRecord, Error, RecordMetadata, RecordOutcome, Result, Senders, SourceOffset,
    SourcePartition,
};
use tokio::runtime::Handle;
use tracing::{debug, warn};

use super::write::{ProducerRecord, Receipt, SendError};
use super::{IDLE, Session, SourceDelivery, TransactionBoundary, WaitsFor, WorkerSourceTask};

/// How long Kafka may take to acknowledge a record before the task's status says that it waits.
const SLOW_ACKNOWLEDGEMENT: Duration = Duration::from_secs(5);
/// How long Kafka may take to store offsets.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// A record that was handed to the producer, or that will not be.
pub(super) struct InFlight {
    /// None: there is nothing to wait for.
    pub(super) sent: Option<Sent>,
    pub(super) source_partition: Arc<SourcePartition>,
    pub(super) source_offset: SourceOffset,
    /// Something where no other record is made of the same record of the source behind this one.
    pub(super) ends: Option<Ends>,
}

/// The end of all that was made of a record of the source.
pub(super) struct Ends {
    /// Why it, or a part of it, was passed over before it was sent.
    pub(super) failure: Option<Box<Error>>,
}

/// What is known of the record of the source at the head of the queue.
#[derive(Default)]
struct Fate {
    written: Option<RecordMetadata>,
    failure: Option<Box<Error>>,
}

impl Fate {
    fn outcome(&self) -> RecordOutcome<'_> {
        match (&self.failure, &self.written) {
            (Some(failure), _) => RecordOutcome::Failed(failure),
            (None, Some(written)) => RecordOutcome::Written(written),
            (None, None) => RecordOutcome::Dropped,
        }
    }
}

/// A record of the source whose fate is known once the transaction is committed.
struct Settled {
    source_partition: Arc<SourcePartition>,
    source_offset: SourceOffset,
    fate: Fate,
}

impl InFlight {
    /// What it counts for: also without a record of its own, it takes a place in the queue.
    fn bytes(&self) -> usize {
        const OVERHEAD: usize = 200;
        OVERHEAD + self.sent.as_ref().map_or(0, |sent| sent.record.bytes())
    }
}

/// A record on its way to Kafka. It is kept until it is acknowledged, to be sent again if it was
/// refused together with others.
pub(super) struct Sent {
    pub(super) record: ProducerRecord,
    pub(super) answer: Answer,
}

/// What Kafka says of a record.
pub(super) enum Answer {
    Awaited(Receipt),
    Here(std::result::Result<RecordMetadata, SendError>),
}

impl Answer {
    /// Whether it is there, waiting for at most so long.
    fn arrives(&mut self, runtime: &Handle, wait: Duration) -> bool {
        let Self::Awaited(receipt) = self else {
            return true;
        };
        let answer = receipt.try_answer().or_else(|| {
            if wait.is_zero() {
                return None;
            }
            runtime
                .block_on(async { tokio::time::timeout(wait, receipt.answer()).await })
                .ok()
        });
        match answer {
            None => false,
            Some(answer) => {
                *self = Self::Here(answer);
                true
            }
        }
    }
}

/// Offsets by their partitions, each partition once.
pub(super) type Offsets = Vec<(Arc<SourcePartition>, SourceOffset)>;

/// Records that Kafka has not acknowledged, and offsets that are not stored yet.
#[derive(Default)]
pub(super) struct Commits {
    in_flight: VecDeque<InFlight>,
    bytes: usize,
    /// Acknowledged, and not stored.
    offsets: Offsets,
    /// Since when the record at the head has been waited for.
    head_since: Option<Instant>,
    fate: Fate,
    /// Records that Kafka has acknowledged and that are not counted yet.
    written: u64,
    /// Of the transaction that is open, where their senders wait.
    settled: Vec<Settled>,
}

impl Commits {
    pub(super) fn push(&mut self, in_flight: InFlight) {
        self.bytes += in_flight.bytes();
        self.in_flight.push_back(in_flight);
    }

    fn pop(&mut self) -> Option<InFlight> {
        let head = self.in_flight.pop_front()?;
        self.bytes -= head.bytes();
        self.head_since = None;
        Some(head)
    }

    /// Waits for no record any more.
    fn give_up(&mut self) {
        self.in_flight.clear();
        self.bytes = 0;
    }

    /// Kafka's answer to the record at the head, which is yet to come.
    pub(super) async fn head_answered(&mut self) {
        let head = self.in_flight.front_mut();
        match head.and_then(|head| head.sent.as_mut()) {
            Some(Sent {
                answer: answer @ Answer::Awaited(_),
                ..
            }) => {
                if let Answer::Awaited(receipt) = answer {
                    *answer = Answer::Here(receipt.answer().await);
                }
            }
            _ => std::future::pending().await,
        }
    }

    /// The offset counts: it can be stored.
    fn acknowledged(&mut self, done: InFlight) {
        let same = |(partition, _): &&mut (Arc<SourcePartition>, SourceOffset)| {
            Arc::ptr_eq(partition, &done.source_partition) || *partition == done.source_partition
        };
        match self.offsets.iter_mut().find(same) {
            Some((_, offset)) => *offset = done.source_offset,
            None => self
                .offsets
                .push((done.source_partition, done.source_offset)),
        }
    }
}

impl Session<'_> {
    /// Whether another record may be handed to the producer. What is acknowledged by now no longer
    /// counts; with no room, Kafka is waited for.
    pub(super) fn has_room(&mut self) -> bool {
        if self.commits.bytes < self.worker.parts.buffer_bytes {
            return true;
        }
        // What it fails with is found in the next turn.
        if let Some(InFlight {
            sent: Some(head), ..
        }) = self.commits.in_flight.front_mut()
        {
            head.answer.arrives(&self.worker.parts.runtime, IDLE);
        }
        false
    }

    /// When offsets or a transaction are to be committed; none when there is nothing to commit.
    pub(super) fn next_commit(&self) -> Option<Instant> {
        let pending = !self.commits.in_flight.is_empty() || !self.commits.offsets.is_empty();
        match self.worker.parts.delivery {
            SourceDelivery::AtLeastOnce(interval) => pending.then(|| self.last_commit + interval),
            SourceDelivery::ExactlyOnce(TransactionBoundary::Interval(interval)) => {
                self.transaction.map(|begun| begun + interval)
            }
            SourceDelivery::ExactlyOnce(TransactionBoundary::Poll) => None,
        }
    }

    /// Takes acknowledgements, and commits when it is time.
    pub(super) fn commit_due(&mut self) -> Result<()> {
        self.acknowledge(Duration::ZERO)?;
        if self.next_commit().is_some_and(|due| due <= Instant::now()) {
            self.commit()?;
        }
        Ok(())
    }

    /// Waits until everything in hand is acknowledged, and commits it.
    pub(super) fn finish(&mut self) -> Result<()> {
        while !self.commits.in_flight.is_empty() && !self.worker.parts.control.abandoned() {
            self.acknowledge(IDLE)?;
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<()> {
        self.last_commit = Instant::now();
        if self.exactly_once() {
            self.commit_transaction()
        } else {
            self.store_offsets();
            Ok(())
        }
    }

    /// Kafka may be away: then the offsets are stored later, by the next commit.
    fn store_offsets(&mut self) {
        if self.commits.offsets.is_empty() {
            return;
        }
        let parts = &self.worker.parts;
        let changes = self.commits.offsets.iter();
        let changes =
            changes.map(|(partition, offset)| ((**partition).clone(), Some(offset.clone())));
        let changes: Vec<_> = changes.collect();
        let begun = Instant::now();
        let stored = parts.runtime.block_on(async {
            let storing = parts.offsets.write(&changes);
            let late = || Error::retriable("Kafka did not answer in time");
            tokio::time::timeout(STORE_TIMEOUT, storing)
                .await
                .unwrap_or_else(|_| Err(late()))
        });
        match stored {
            Ok(()) => {
                parts.metrics.common.committed(begun.elapsed());
                let stored = std::mem::take(&mut self.commits.offsets);
                self.stored(&stored);
            }
            Err(error) => {
                parts.metrics.common.commits.fail();
                warn!(error = %error.chain(), "could not store offsets; trying again later");
            }
        }
    }

    /// Tells the source.
    fn stored(&mut self, offsets: &Offsets) {
        debug!(partitions = offsets.len(), "stored offsets");
        let runtime = self.worker.parts.runtime.clone();
        if let Err(error) = runtime.block_on(self.task.commit(offsets)) {
            warn!(error = %error.chain(), "the source could not take note of stored offsets");
        }
    }

    /// Ends the transaction, with the offsets that its records lead to.
    pub(super) fn commit_transaction(&mut self) -> Result<()> {
        while !self.commits.in_flight.is_empty() {
            if self.worker.parts.control.abandoned() {
                return Ok(());
            }
            self.acknowledge(IDLE)?;
        }
        if self.transaction.is_none() {
            return Ok(());
        }
        let begun = Instant::now();
        let offsets = std::mem::take(&mut self.commits.offsets);
        let runtime = self.worker.parts.runtime.clone();
        for (partition, offset) in &offsets {
            let record = self.worker.parts.offsets.record(partition, Some(offset));
            let written = self.producer.send(&record);
            let mut written = written.map_err(SendError::into_error)?;
            let answer = runtime.block_on(written.answer());
            answer.map_err(SendError::into_error)?;
        }
        self.producer.commit()?;
        self.transaction = None;
        let size = std::mem::take(&mut self.transaction_records);
        let metrics = &self.worker.parts.metrics;
        metrics.transaction_size.record(size as f64);
        metrics.common.committed(begun.elapsed());
        self.stored(&offsets);
        for settled in std::mem::take(&mut self.commits.settled) {
            self.task.commit_record(CommittedRecord {
                source_partition: &settled.source_partition,
                source_offset: &settled.source_offset,
                outcome: settled.fate.outcome(),
            })?;
        }
        Ok(())
    }

    /// Tells the source what has become of a record, or keeps it until the transaction is
    /// committed; its offset counts from now on.
    fn settle(&mut self, mut done: InFlight) -> Result<()> {
        let Some(ends) = done.ends.take() else {
            return Ok(());
        };
        let mut fate = std::mem::take(&mut self.commits.fate);
        fate.failure = fate.failure.or(ends.failure);
        if !self.exactly_once() {
            self.task.commit_record(CommittedRecord {
                source_partition: &done.source_partition,
                source_offset: &done.source_offset,
                outcome: fate.outcome(),
            })?;
        } else if self.senders == Senders::Waiting {
            self.commits.settled.push(Settled {
                source_partition: Arc::clone(&done.source_partition),
                source_offset: done.source_offset.clone(),
                fate,
            });
        }
        self.commits.acknowledged(done);
        Ok(())
    }

    /// Takes Kafka's answers from the head of the queue, waiting at most so long for the first.
    pub(super) fn acknowledge(&mut self, wait: Duration) -> Result<()> {
        let taken = self.take_answers(wait);
        let metrics = &self.worker.parts.metrics;
        let written = std::mem::take(&mut self.commits.written);
        if written > 0 {
            metrics.written.increment(written);
        }
        let active = self.commits.in_flight.len() as f64;
        if metrics.active.value() != active {
            metrics.active.set(active);
        }
        taken
    }

    fn take_answers(&mut self, wait: Duration) -> Result<()> {
        let runtime = self.worker.parts.runtime.clone();
        let mut wait = wait;
        while let Some(head) = self.commits.in_flight.front_mut() {
            if let Some(sent) = &mut head.sent
                && !sent.answer.arrives(&runtime, wait)
            {
                self.notice_slow_kafka();
                break;
            }
            wait = Duration::ZERO;
            if let Some(done) = self.commits.pop()
                && let Err(error) = self.answered(done)
            {
                // What was sent behind this record counts for nothing: it is read again.
                self.commits.give_up();
                return Err(error);
            }
        }
        Ok(())
    }

    fn notice_slow_kafka(&mut self) {
        let since = *self.commits.head_since.get_or_insert_with(Instant::now);
        if since.elapsed() > SLOW_ACKNOWLEDGEMENT {
            let error = Error::retriable("Kafka does not acknowledge records");
            self.worker.waiting(WaitsFor::Kafka, &error);
        }
    }

    fn answered(&mut self, mut done: InFlight) -> Result<()> {
        let Some(sent) = done.sent.take() else {
            return self.settle(done);
        };
        let answer = match sent.answer {
            Answer::Here(answer) => answer,
            Answer::Awaited(_) => Err(SendError::Producer(Error::fatal(
                "a record was taken for acknowledged before it was",
            ))),
        };
        let answer = match answer {
            Err(SendError::Record(error)) if self.may_pass_over() => {
                self.send_alone(&sent.record, error)
            }
            answer => answer,
        };
        match answer {
            Ok(written) => {
                self.worker.going_on(WaitsFor::Kafka);
                self.commits.written += 1;
                let WorkerSourceTask {
                    parts, told_topics, ..
                } = &mut *self.worker;
                parts.reports.active(&sent.record.topic, told_topics);
                let timestamp = sent.record.timestamp;
                self.commits.fate.written = Some(RecordMetadata {
                    timestamp,
                    ..written
                });
            }
            Err(SendError::Record(error)) if self.exactly_once() => {
                let InFlight {
                    source_partition,
                    source_offset,
                    ..
                } = &done;
                let record = format!(
                    "source partition {source_partition}, in front of offset {source_offset}"
                );
                let refused = Error::fatal(format!(
                    "a record of {record}, or one that was sent with it: {error}; in a transaction \
                     none can be passed over"
                ));
                return Err(refused.of_record(record));
            }
            Err(SendError::Record(error)) => {
                self.refused(&done, &error)?;
                self.commits.fate.failure = Some(Box::new(error));
            }
            Err(SendError::Producer(error)) => return Err(error),
        }
        self.settle(done)
    }

    /// Kafka refuses a whole request for what one record of it is. Where that one may be passed
    /// over, the others must not be.
    fn send_alone(
        &mut self,
        record: &ProducerRecord,
        refusal: Error,
    ) -> std::result::Result<RecordMetadata, SendError> {
        let runtime = self.worker.parts.runtime.clone();
        for behind in &mut self.commits.in_flight {
            while let Some(sent) = &mut behind.sent
                && !sent.answer.arrives(&runtime, IDLE)
            {
                if self.worker.parts.control.abandoned() {
                    return Err(SendError::Producer(refusal));
                }
            }
        }
        let mut written = self.producer.send(record)?;
        runtime.block_on(written.answer())
    }

    /// In a transaction, only what the client refuses can be passed over: a refusal of Kafka takes
    /// the whole transaction back.
    fn may_pass_over(&self) -> bool {
        self.worker.parts.errors.tolerates() && !self.exactly_once()
    }
}
