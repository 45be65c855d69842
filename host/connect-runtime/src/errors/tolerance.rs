//! The policy: which errors are tolerated, and how they are reported.

use std::sync::Arc;

use connect_api::{DeadLetter, Error, Properties, Result, Tolerance};
use tracing::error;

use super::{DeadLetterQueue, Delivery, Errant, RetryPolicy};
use crate::metrics::TaskMetrics;

/// The `errors.*` options of a connector.
#[derive(Clone, Debug)]
pub struct ErrorConfig {
    /// `errors.retry.timeout` and `errors.retry.delay.max.ms`.
    pub retry: RetryPolicy,
    /// `errors.tolerance`.
    pub tolerance: Tolerance,
    /// `errors.log.enable`.
    pub log: bool,
    /// `errors.log.include.messages`.
    pub log_messages: bool,
    /// `errors.deadletterqueue.topic.name`.
    pub dead_letter_topic: Option<String>,
    /// `errors.deadletterqueue.topic.replication.factor`.
    pub dead_letter_replication: i32,
    /// `errors.deadletterqueue.context.headers.enable`.
    pub context_headers: bool,
}

impl ErrorConfig {
    /// Reads the options.
    ///
    /// # Errors
    /// When a value does not parse; `/validate` would have said so.
    pub fn new(properties: &Properties) -> Result<Self> {
        let config = crate::connector_config::error_config_def().parse(properties)?;
        let topic = config.text("errors.deadletterqueue.topic.name");
        let replication = config.integer("errors.deadletterqueue.topic.replication.factor");
        Ok(Self {
            retry: RetryPolicy::new(
                config.integer("errors.retry.timeout"),
                config.integer("errors.retry.delay.max.ms"),
            ),
            tolerance: config.choice(Tolerance::KEY),
            log: config.flag("errors.log.enable"),
            log_messages: config.flag("errors.log.include.messages"),
            dead_letter_topic: (!topic.is_empty()).then(|| topic.to_owned()),
            dead_letter_replication: i32::try_from(replication).unwrap_or(-1),
            context_headers: config.flag("errors.deadletterqueue.context.headers.enable"),
        })
    }
}

/// Reports errant records of one task. Shared by its two threads.
#[derive(Debug)]
pub struct ErrorReporter {
    config: ErrorConfig,
    queue: Option<DeadLetterQueue>,
    sink_keeps: bool,
    metrics: Arc<TaskMetrics>,
    runtime: tokio::runtime::Handle,
}

/// What is owed for a record that was passed over, before its offset may count as done
/// (Invariant 3).
#[derive(Default)]
pub struct Reported {
    /// Its dead letter in Kafka, which must be delivered.
    pub delivery: Option<Delivery>,
    /// Its dead letter for a sink that keeps them.
    pub letter: Option<DeadLetter>,
}

impl ErrorReporter {
    /// A reporter; `queue` is there when a dead letter topic is configured. `sink_keeps`: the sink
    /// keeps dead letters.
    pub fn new(
        config: ErrorConfig,
        (queue, sink_keeps): (Option<DeadLetterQueue>, bool),
        metrics: Arc<TaskMetrics>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            config,
            queue,
            sink_keeps,
            metrics,
            runtime,
        }
    }

    /// When records that may succeed later are tried again.
    pub fn retry_policy(&self) -> RetryPolicy {
        self.config.retry
    }

    /// Counts a call that is made again.
    pub fn count_retry(&self) {
        self.metrics.common.retries.increment(1);
    }

    /// Reports a record.
    ///
    /// # Errors
    /// The record may not be passed over: the task is to fail with this error, once the dead
    /// letter that it holds is on its way.
    pub fn report(&self, errant: &Errant<'_>) -> std::result::Result<Reported, Intolerable> {
        self.metrics.common.record_failed();
        if self.config.log {
            self.log(errant);
        }
        let delivery = self.queue.as_ref().map(|queue| {
            self.metrics.common.dead_letters.increment(1);
            let delivery = queue.send(errant, self.config.context_headers);
            let metrics = Arc::clone(&self.metrics);
            let delivery: Delivery = Box::pin(async move {
                let delivered = delivery.await;
                if delivered.is_err() {
                    metrics.common.dead_letter_failures.increment(1);
                }
                delivered
            });
            delivery
        });
        match self.config.tolerance {
            Tolerance::All => {
                self.metrics.common.skipped.increment(1);
                let letter = self.sink_keeps.then(|| {
                    self.metrics.common.dead_letters.increment(1);
                    errant.letter()
                });
                Ok(Reported { delivery, letter })
            }
            Tolerance::None => {
                self.metrics.common.errors.increment(1);
                Err(Intolerable {
                    delivery,
                    error: intolerable(errant),
                })
            }
        }
    }

    /// Reports a record from outside the runtime. Should it fail the task, its dead letter is
    /// delivered first.
    ///
    /// # Errors
    /// The record may not be passed over.
    pub fn report_or_fail(&self, errant: &Errant<'_>) -> Result<Reported> {
        self.report(errant).map_err(|intolerable| {
            let letter = intolerable.delivery.into_iter().collect();
            match self.runtime.block_on(delivered(letter)) {
                Ok(()) => intolerable.error,
                Err(undelivered) => undelivered,
            }
        })
    }

    fn log(&self, errant: &Errant<'_>) {
        self.metrics.common.logged.increment(1);
        let (stage, class) = (errant.stage.name(), errant.class);
        let cause = errant.error.chain();
        if self.config.log_messages {
            let (of, raw) = (errant.topic_partition, errant.raw);
            error!(
                stage, class, error = %cause, topic = %of.topic, partition = of.partition,
                offset = raw.offset.0, timestamp = raw.timestamp.map(|at| at.0), "errant record"
            );
        } else {
            error!(stage, class, error = %cause, "errant record");
        }
    }
}

/// An errant record that fails the task.
pub struct Intolerable {
    /// Its dead letter: it is written even so.
    pub delivery: Option<Delivery>,
    /// What the task fails with.
    pub error: Error,
}

fn intolerable(errant: &Errant<'_>) -> Error {
    let Errant {
        topic_partition,
        raw,
        stage,
        class,
        error,
    } = errant;
    let at = format!(
        "{} (class {class}), {topic_partition} at offset {}",
        stage.name(),
        raw.offset
    );
    let record = format!("{topic_partition} at offset {}", raw.offset);
    tolerance_exceeded(&at, record, error)
}

/// What a task fails with for a record that may not be passed over. `at` says where it failed, and
/// `record` which one it is.
pub(super) fn tolerance_exceeded(at: &str, record: String, error: &Error) -> Error {
    let cause = format!("{}: {}", error.class_name(), error.chain());
    let exceeded = Error::fatal(format!("Tolerance exceeded in error handler: {at}"));
    let exceeded = exceeded.with_source(cause);
    // A service that was away for too long is not the record's fault.
    match error.is_transient() {
        true => exceeded.transient(),
        false => exceeded.of_record(record),
    }
}

/// Waits for dead letters.
///
/// # Errors
/// When one cannot be delivered: then no offset may move past its record.
pub async fn delivered(letters: Vec<Delivery>) -> Result<()> {
    for letter in letters {
        letter.await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_retries_are_read() {
        let options = |timeout: &str, delay: &str| {
            let options = [
                ("errors.retry.timeout", timeout),
                ("errors.retry.delay.max.ms", delay),
            ];
            let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
            ErrorConfig::new(&Properties::from(options)).map(|config| config.retry)
        };
        assert_eq!(options("2000", "500").unwrap(), RetryPolicy::new(2000, 500));
        let refused = options("2000", "0").unwrap_err().chain();
        assert!(refused.contains("errors.retry.delay.max.ms"), "{refused}");
    }
}
