//! The metrics: their names, as the JMX exporter's rules spell Kafka Connect's, and their handles.

mod recorders;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

pub(crate) use recorders::forget_task;
pub use recorders::{Buckets, install, render};

/// Records that the consumer handed to the task.
pub const SINK_RECORD_READ_TOTAL: &str = "kafka_connect_sink_task_sink_record_read_total";
/// Records that the transforms passed on to the sink.
pub const SINK_RECORD_SEND_TOTAL: &str = "kafka_connect_sink_task_sink_record_send_total";
/// Partitions that the task owns.
pub const PARTITION_COUNT: &str = "kafka_connect_sink_task_partition_count";
/// Records that are read and not yet durable.
pub const SINK_RECORD_ACTIVE_COUNT: &str = "kafka_connect_sink_task_sink_record_active_count";
/// Offsets committed to Kafka, in commits.
pub const OFFSET_COMMIT_TOTAL: &str = "kafka_connect_sink_task_offset_commit_completion_total";
/// Seconds that a put took, with its COMMIT.
pub const PUT_BATCH_SECONDS: &str = "kafka_connect_sink_task_put_batch_seconds";
/// Records that a source's task gave.
pub const SOURCE_RECORD_POLL_TOTAL: &str = "kafka_connect_source_task_source_record_poll_total";
/// Records of a source that Kafka has acknowledged.
pub const SOURCE_RECORD_WRITE_TOTAL: &str = "kafka_connect_source_task_source_record_write_total";
/// Records of a source that wait for Kafka.
pub const SOURCE_RECORD_ACTIVE_COUNT: &str = "kafka_connect_source_task_source_record_active_count";
/// Seconds that a poll took that gave records.
pub const POLL_BATCH_SECONDS: &str = "kafka_connect_source_task_poll_batch_seconds";
/// Records of a source in one transaction.
pub const TRANSACTION_SIZE: &str = "kafka_connect_source_task_transaction_size";
/// Records that failed.
pub const TOTAL_RECORD_FAILURES: &str = "kafka_connect_task_error_total_record_failures";
/// Records that failed the task.
pub const TOTAL_RECORD_ERRORS: &str = "kafka_connect_task_error_total_record_errors";
/// Records that were passed over.
pub const TOTAL_RECORDS_SKIPPED: &str = "kafka_connect_task_error_total_records_skipped";
/// Calls that were repeated.
pub const TOTAL_RETRIES: &str = "kafka_connect_task_error_total_retries";
/// Errant records that were logged.
pub const TOTAL_ERRORS_LOGGED: &str = "kafka_connect_task_error_total_errors_logged";
/// Dead letters that were sent.
pub const DEAD_LETTERS: &str = "kafka_connect_task_error_deadletterqueue_produce_requests";
/// Whether the target is away: 1, else 0.
pub const TARGET_UNAVAILABLE: &str = "ferrule_task_target_unavailable";

/// Partitions that are held, because workers died over them.
pub const HELD_PARTITIONS: &str = "ferrule_task_held_partition_count";

/// Restarts of a task by `task.restart.policy` since it was last healthy.
pub const TASK_RESTARTS: &str = "ferrule_task_restart_count";
/// Whether a failed task stays failed although it has a policy to restart it: 1, else 0.
pub const TASK_RESTARTS_EXHAUSTED: &str = "ferrule_task_restart_exhausted";

/// The handles of one task's metrics, looked up once.
pub struct TaskMetrics {
    /// [`SINK_RECORD_READ_TOTAL`].
    pub read: Counter,
    /// [`SINK_RECORD_SEND_TOTAL`].
    pub sent: Counter,
    /// [`PARTITION_COUNT`].
    pub partitions: Gauge,
    /// [`SINK_RECORD_ACTIVE_COUNT`].
    pub active: Gauge,
    /// [`OFFSET_COMMIT_TOTAL`].
    pub commits: Counter,
    /// [`PUT_BATCH_SECONDS`].
    pub put_seconds: Histogram,
    /// [`TOTAL_RECORD_FAILURES`].
    pub failures: Counter,
    /// [`TOTAL_RECORD_ERRORS`].
    pub errors: Counter,
    /// [`TOTAL_RECORDS_SKIPPED`].
    pub skipped: Counter,
    /// [`TOTAL_RETRIES`].
    pub retries: Counter,
    /// [`TOTAL_ERRORS_LOGGED`].
    pub logged: Counter,
    /// [`DEAD_LETTERS`].
    pub dead_letters: Counter,
    /// [`TARGET_UNAVAILABLE`].
    pub target_unavailable: Gauge,
    /// [`HELD_PARTITIONS`].
    pub held_partitions: Gauge,
}

impl TaskMetrics {
    /// The metrics of a task.
    pub fn new(connector: &str, task: u32) -> Self {
        let labels = [
            ("connector", connector.to_owned()),
            ("task", task.to_string()),
        ];
        let count = |name: &'static str| counter!(name, &labels);
        let level = |name: &'static str| gauge!(name, &labels);
        Self {
            read: count(SINK_RECORD_READ_TOTAL),
            sent: count(SINK_RECORD_SEND_TOTAL),
            partitions: level(PARTITION_COUNT),
            active: level(SINK_RECORD_ACTIVE_COUNT),
            commits: count(OFFSET_COMMIT_TOTAL),
            put_seconds: histogram!(PUT_BATCH_SECONDS, &labels),
            failures: count(TOTAL_RECORD_FAILURES),
            errors: count(TOTAL_RECORD_ERRORS),
            skipped: count(TOTAL_RECORDS_SKIPPED),
            retries: count(TOTAL_RETRIES),
            logged: count(TOTAL_ERRORS_LOGGED),
            dead_letters: count(DEAD_LETTERS),
            target_unavailable: level(TARGET_UNAVAILABLE),
            held_partitions: level(HELD_PARTITIONS),
        }
    }
}

impl std::fmt::Debug for TaskMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TaskMetrics")
    }
}

/// The handles of the metrics of one task's restarts.
pub struct TaskRestartMetrics {
    /// [`TASK_RESTARTS`].
    pub count: Gauge,
    /// [`TASK_RESTARTS_EXHAUSTED`].
    pub exhausted: Gauge,
}

impl TaskRestartMetrics {
    /// The metrics of a task's restarts.
    pub fn new(connector: &str, task: u32) -> Self {
        let labels = [
            ("connector", connector.to_owned()),
            ("task", task.to_string()),
        ];
        Self {
            count: gauge!(TASK_RESTARTS, &labels),
            exhausted: gauge!(TASK_RESTARTS_EXHAUSTED, &labels),
        }
    }
}

/// The handles of the metrics of one source task, looked up once.
pub struct SourceTaskMetrics {
    /// [`SOURCE_RECORD_POLL_TOTAL`].
    pub polled: Counter,
    /// [`SOURCE_RECORD_WRITE_TOTAL`].
    pub written: Counter,
    /// [`SOURCE_RECORD_ACTIVE_COUNT`].
    pub active: Gauge,
    /// [`POLL_BATCH_SECONDS`].
    pub poll_seconds: Histogram,
    /// [`TRANSACTION_SIZE`].
    pub transaction_size: Histogram,
    /// [`TOTAL_RECORD_FAILURES`].
    pub failures: Counter,
    /// [`TOTAL_RECORD_ERRORS`].
    pub errors: Counter,
    /// [`TOTAL_RECORDS_SKIPPED`].
    pub skipped: Counter,
    /// [`TOTAL_RETRIES`].
    pub retries: Counter,
    /// [`TOTAL_ERRORS_LOGGED`].
    pub logged: Counter,
}

impl SourceTaskMetrics {
    /// The metrics of a task.
    pub fn new(connector: &str, task: u32) -> Self {
        let labels = [
            ("connector", connector.to_owned()),
            ("task", task.to_string()),
        ];
        let count = |name: &'static str| counter!(name, &labels);
        Self {
            polled: count(SOURCE_RECORD_POLL_TOTAL),
            written: count(SOURCE_RECORD_WRITE_TOTAL),
            active: gauge!(SOURCE_RECORD_ACTIVE_COUNT, &labels),
            poll_seconds: histogram!(POLL_BATCH_SECONDS, &labels),
            transaction_size: histogram!(TRANSACTION_SIZE, &labels),
            failures: count(TOTAL_RECORD_FAILURES),
            errors: count(TOTAL_RECORD_ERRORS),
            skipped: count(TOTAL_RECORDS_SKIPPED),
            retries: count(TOTAL_RETRIES),
            logged: count(TOTAL_ERRORS_LOGGED),
        }
    }
}

impl std::fmt::Debug for SourceTaskMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SourceTaskMetrics")
    }
}
