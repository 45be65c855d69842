//! Errant records of sources: tolerance and logging. They have no dead letter queue, since their
//! bytes are not in Kafka yet.

use std::sync::Arc;

use connect_api::{Error, Result, Senders, SourceOffset, SourcePartition, Tolerance};
use tracing::error;

use super::tolerance::tolerance_exceeded;
use super::{ErrorConfig, RetryPolicy, Stage};
use crate::metrics::SourceTaskMetrics;

/// A record of a source that failed, and all that a report says of it.
#[derive(Debug)]
pub struct SourceErrant<'a> {
    /// What it was read from.
    pub source_partition: &'a SourcePartition,
    /// Where the source goes on behind it.
    pub source_offset: &'a SourceOffset,
    /// Where it failed.
    pub stage: Stage,
    /// The class of the transform or the converter; for the producer, Kafka's.
    pub class: &'a str,
    /// Why.
    pub error: &'a Error,
}

/// Reports errant records of one source task.
#[derive(Debug)]
pub struct SourceErrors {
    config: ErrorConfig,
    senders: Senders,
    metrics: Arc<SourceTaskMetrics>,
}

impl SourceErrors {
    /// A reporter with these options.
    pub fn new(config: ErrorConfig, metrics: Arc<SourceTaskMetrics>) -> Self {
        Self {
            config,
            senders: Senders::Absent,
            metrics,
        }
    }

    /// Says who waits for what becomes of records.
    pub fn set_senders(&mut self, senders: Senders) {
        self.senders = senders;
    }

    /// When a record is tried again.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.config.retry
    }

    /// Whether a record that fails is passed over: by `errors.tolerance`, or because its sender is
    /// told.
    pub fn tolerates(&self) -> bool {
        self.config.tolerance == Tolerance::All || self.senders == Senders::Waiting
    }

    /// Reports a record; then it is passed over (Invariant 3).
    ///
    /// # Errors
    /// The record may not be passed over: the task is to fail with this error.
    pub fn report(&self, errant: &SourceErrant<'_>) -> Result<()> {
        self.metrics.common.record_failed();
        if self.config.log {
            self.log(errant);
        }
        if self.tolerates() {
            self.metrics.common.skipped.increment(1);
            return Ok(());
        }
        self.metrics.common.errors.increment(1);
        let SourceErrant {
            source_partition,
            source_offset,
            stage,
            class,
            error,
        } = errant;
        let record =
            format!("source partition {source_partition}, in front of offset {source_offset}");
        let at = format!("{} (class {class}), {record}", stage.name());
        Err(tolerance_exceeded(&at, record, error))
    }

    fn log(&self, errant: &SourceErrant<'_>) {
        self.metrics.common.logged.increment(1);
        let (stage, class) = (errant.stage.name(), errant.class);
        let cause = errant.error.chain();
        if self.config.log_messages {
            let (partition, offset) = (errant.source_partition, errant.source_offset);
            error!(stage, class, error = %cause, %partition, %offset, "errant record");
        } else {
            error!(stage, class, error = %cause, "errant record");
        }
    }
}
