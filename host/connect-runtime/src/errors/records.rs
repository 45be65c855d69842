//! What becomes of a record that a converter or a transform has failed on: it is tried again,
//! reported and passed over, or it fails the task.

use std::sync::Arc;
use std::time::Duration;

use connect_api::{DeadLetter, Error, ErrorKind, Offset, RawRecord, TopicPartition};

use super::{Delivery, Errant, ErrorReporter, Reported, Retries, Stage};

/// Why a task cannot get past a record.
#[derive(Debug)]
pub struct StoppedAt {
    /// What is wrong.
    pub error: Error,
    /// After which delay it is tried again; none: the task fails with the error.
    pub retry_in: Option<Duration>,
}

/// The dead letters of the records of one batch.
#[derive(Default)]
pub struct DeadLetterRows {
    /// Those on their way to the dead letter topic.
    pub deliveries: Vec<Delivery>,
    rows: Vec<DeadLetter>,
}

impl DeadLetterRows {
    /// Adds what is owed for a record that was reported.
    pub fn add(&mut self, reported: Reported) {
        self.deliveries.extend(reported.delivery);
        self.rows.extend(reported.letter);
    }

    /// Takes those that the sink is to keep, in the order of their offsets: the transforms have
    /// reported theirs after all converters.
    pub fn take_rows(&mut self) -> Vec<DeadLetter> {
        self.rows.sort_by_key(|letter| letter.record.offset);
        std::mem::take(&mut self.rows)
    }
}

/// A record that a converter or a transform has failed on.
pub struct FailedRecord<'a> {
    /// The partition that it was read from.
    pub topic_partition: &'a Arc<TopicPartition>,
    /// The record as Kafka has it.
    pub raw: &'a RawRecord,
    /// Where it failed.
    pub stage: Stage,
    /// The class of the converter or the transform.
    pub class: &'a str,
    /// What it failed with.
    pub error: Error,
}

/// Decides on the failed records of one task, in front of its sink.
pub struct RecordErrors {
    reporter: Arc<ErrorReporter>,
    retries: Retries,
}

impl RecordErrors {
    /// Decides by the options of the reporter.
    pub fn new(reporter: Arc<ErrorReporter>) -> Self {
        let retries = Retries::new(reporter.retry_policy());
        Self { reporter, retries }
    }

    /// Reports a record, by `errors.tolerance`. One that failed with a retriable error is not
    /// reported before its time is over (`errors.retry.timeout`).
    ///
    /// # Errors
    /// [`StoppedAt`] when the record may not be passed over, now or at all.
    pub fn report(&mut self, failed: FailedRecord<'_>) -> Result<Reported, StoppedAt> {
        let FailedRecord {
            topic_partition,
            raw,
            stage,
            class,
            error,
        } = failed;
        let retry_in = self.next_try(topic_partition, raw.offset, &error);
        if retry_in.is_some() {
            return Err(StoppedAt { error, retry_in });
        }
        let errant = Errant {
            topic_partition,
            raw,
            stage,
            class,
            error: &error,
        };
        let reported = self.reporter.report_or_fail(&errant);
        reported.map_err(|error| StoppedAt {
            error,
            retry_in: None,
        })
    }

    /// After which delay what failed at an offset is tried again. None when the error is not
    /// retriable, or the time is over.
    pub fn next_try(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        offset: Offset,
        error: &Error,
    ) -> Option<Duration> {
        if error.kind() != ErrorKind::Retriable {
            return None;
        }
        let delay = self.retries.next_try(topic_partition, offset)?;
        self.reporter.count_retry();
        Some(delay)
    }

    /// The records in front of this offset have passed, or were reported.
    pub fn passed(&mut self, topic_partition: &TopicPartition, next_offset: Offset) {
        self.retries.passed(topic_partition, next_offset);
    }

    /// The partition was another task's meanwhile: what failed of it then has its whole time again.
    pub fn forget(&mut self, topic_partition: &TopicPartition) {
        self.retries.forget(topic_partition);
    }
}
