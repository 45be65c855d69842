//! Which metrics there are: for each group of Kafka Connect's, its attributes and where their
//! values come from. The names of attributes are Kafka's (its documentation, "Connect Monitoring").

use super::sensor::Reading;
use super::{CommonMetrics, Outcomes, SourceTaskMetrics, TaskMetrics};
use crate::storage::State;

/// One attribute of a group.
pub(super) struct Attribute<T> {
    /// As Kafka's documentation has it, with `-`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its value.
    pub value: fn(&T) -> f64,
}

/// A group of metrics: what the names of its metrics begin with, by each of the exporters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// By the rules of the JMX exporter's example and of Strimzi: the group's name, shortened.
    pub short: &'static str,
    /// By the rules of Confluent and of Strimzi's reporter: the domain and the group's whole name.
    pub full: &'static str,
}

const fn attribute<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> f64,
) -> Attribute<T> {
    Attribute { name, help, value }
}

/// `connector-task-metrics`.
pub(super) const CONNECTOR_TASK: Group = Group {
    short: "kafka_connect_connector_task",
    full: "kafka_connect_connector_task_metrics",
};

/// Of [`CONNECTOR_TASK`].
pub(super) const CONNECTOR_TASK_ATTRIBUTES: &[Attribute<CommonMetrics>] = &[
    attribute(
        "running-ratio",
        "Part of its life that the task has run, from 0 to 1.",
        |it| it.time_in(State::Running),
    ),
    attribute(
        "pause-ratio",
        "Part of its life that the task was paused, from 0 to 1.",
        |it| it.time_in(State::Paused),
    ),
    attribute(
        "offset-commit-max-time-ms",
        "Longest commit of offsets to Kafka in the last windows, in milliseconds.",
        |it| it.commit_time.read().max,
    ),
    attribute(
        "offset-commit-avg-time-ms",
        "Average time of a commit of offsets to Kafka, in milliseconds.",
        |it| it.commit_time.read().average,
    ),
    attribute(
        "offset-commit-success-percentage",
        "Part of the commits of offsets that succeeded, from 0 to 1.",
        |it| it.commits.success_part(),
    ),
    attribute(
        "offset-commit-failure-percentage",
        "Part of the commits of offsets that failed, from 0 to 1.",
        |it| it.commits.failure_part(),
    ),
    attribute(
        "batch-size-max",
        "Most records of a batch in the last windows.",
        |it| it.batch_size.read().max,
    ),
    attribute(
        "batch-size-avg",
        "Average number of records of a batch in the last windows.",
        |it| it.batch_size.read().average,
    ),
];

/// `task-error-metrics`.
pub(super) const TASK_ERROR: Group = Group {
    short: "kafka_connect_task_error",
    full: "kafka_connect_task_error_metrics",
};

/// Of [`TASK_ERROR`].
pub(super) const TASK_ERROR_ATTRIBUTES: &[Attribute<CommonMetrics>] = &[
    attribute(
        "total-record-failures",
        "Records that failed in this task.",
        |it| it.failures.total(),
    ),
    attribute(
        "total-record-errors",
        "Records that failed the task.",
        |it| it.errors.total(),
    ),
    attribute(
        "total-records-skipped",
        "Records that were passed over because of errors.",
        |it| it.skipped.total(),
    ),
    attribute("total-retries", "Calls that were repeated.", |it| {
        it.retries.total()
    }),
    attribute("total-errors-logged", "Errors that were logged.", |it| {
        it.logged.total()
    }),
    attribute(
        "deadletterqueue-produce-requests",
        "Dead letters that were sent.",
        |it| it.dead_letters.total(),
    ),
    attribute(
        "deadletterqueue-produce-failures",
        "Dead letters that could not be written.",
        |it| it.dead_letter_failures.total(),
    ),
    attribute(
        "last-error-timestamp",
        "When a record last failed, in milliseconds since 1970; 0 for never.",
        |it| it.last_error.value(),
    ),
];

/// `sink-task-metrics`.
pub(super) const SINK_TASK: Group = Group {
    short: "kafka_connect_sink_task",
    full: "kafka_connect_sink_task_metrics",
};

/// Of [`SINK_TASK`].
pub(super) const SINK_TASK_ATTRIBUTES: &[Attribute<TaskMetrics>] = &[
    attribute(
        "sink-record-read-total",
        "Records that the task has read, before transforms.",
        |it| it.read.read().total,
    ),
    attribute(
        "sink-record-read-rate",
        "Records that the task reads in a second, before transforms.",
        |it| it.read.read().rate,
    ),
    attribute(
        "sink-record-send-total",
        "Records that the transforms have passed on to the sink.",
        |it| it.sent.read().total,
    ),
    attribute(
        "sink-record-send-rate",
        "Records that the transforms pass on to the sink in a second.",
        |it| it.sent.read().rate,
    ),
    attribute(
        "sink-record-active-count",
        "Records that are read and not yet durable in the target.",
        |it| it.active.read().last,
    ),
    attribute(
        "sink-record-active-count-max",
        "Most records that were read and not durable, in the last windows.",
        |it| it.active.read().max,
    ),
    attribute(
        "sink-record-active-count-avg",
        "Average number of records that are read and not durable.",
        |it| it.active.read().average,
    ),
    attribute(
        "partition-count",
        "Partitions of topics that the task owns.",
        |it| it.partitions.value(),
    ),
    attribute(
        "offset-commit-seq-no",
        "Number of the last commit of offsets.",
        |it| it.common.commits.successes(),
    ),
    attribute(
        "offset-commit-completion-total",
        "Commits of offsets that were completed.",
        |it| it.common.commits.successes(),
    ),
    attribute(
        "offset-commit-completion-rate",
        "Commits of offsets that are completed in a second.",
        |it| it.common.commits.success_rate(),
    ),
    attribute(
        "offset-commit-skip-total",
        "Completions of commits that came too late to count: none, what Kafka lacks is sent again.",
        |_| 0.0,
    ),
    attribute(
        "offset-commit-skip-rate",
        "Completions of commits that come too late in a second: none.",
        |_| 0.0,
    ),
    attribute(
        "put-batch-max-time-ms",
        "Longest put of a batch in the last windows, with its COMMIT, in milliseconds.",
        |it| it.put_time.read().max,
    ),
    attribute(
        "put-batch-avg-time-ms",
        "Average time of the put of a batch, with its COMMIT, in milliseconds.",
        |it| it.put_time.read().average,
    ),
];

/// `source-task-metrics`.
pub(super) const SOURCE_TASK: Group = Group {
    short: "kafka_connect_source_task",
    full: "kafka_connect_source_task_metrics",
};

/// Of [`SOURCE_TASK`].
pub(super) const SOURCE_TASK_ATTRIBUTES: &[Attribute<SourceTaskMetrics>] = &[
    attribute(
        "source-record-poll-total",
        "Records that the source has given, before transforms.",
        |it| it.polled.read().total,
    ),
    attribute(
        "source-record-poll-rate",
        "Records that the source gives in a second, before transforms.",
        |it| it.polled.read().rate,
    ),
    attribute(
        "source-record-write-total",
        "Records that Kafka has acknowledged.",
        |it| it.written.read().total,
    ),
    attribute(
        "source-record-write-rate",
        "Records that Kafka acknowledges in a second.",
        |it| it.written.read().rate,
    ),
    attribute(
        "source-record-active-count",
        "Records that wait for Kafka.",
        |it| it.active.read().last,
    ),
    attribute(
        "source-record-active-count-max",
        "Most records that waited for Kafka in the last windows.",
        |it| it.active.read().max,
    ),
    attribute(
        "source-record-active-count-avg",
        "Average number of records that wait for Kafka.",
        |it| it.active.read().average,
    ),
    attribute(
        "poll-batch-max-time-ms",
        "Longest poll that gave records, in milliseconds.",
        |it| it.poll_time.read().max,
    ),
    attribute(
        "poll-batch-avg-time-ms",
        "Average time of a poll that gave records, in milliseconds.",
        |it| it.poll_time.read().average,
    ),
    attribute(
        "transaction-size-min",
        "Fewest records of a transaction in the last windows.",
        |it| it.transaction_size.read().min,
    ),
    attribute(
        "transaction-size-max",
        "Most records of a transaction in the last windows.",
        |it| it.transaction_size.read().max,
    ),
    attribute(
        "transaction-size-avg",
        "Average number of records of a transaction.",
        |it| it.transaction_size.read().average,
    ),
];

/// What Kafka counts of starts: five attributes behind `connector-startup-` and `task-startup-`.
pub(super) const STARTUP_ATTRIBUTES: &[Attribute<Outcomes>] = &[
    attribute("attempts-total", "Starts that were tried.", |it| {
        it.successes() + it.failures()
    }),
    attribute("success-total", "Starts that succeeded.", |it| {
        it.successes()
    }),
    attribute(
        "success-percentage",
        "Part of the starts of the last windows that succeeded, from 0 to 1.",
        Outcomes::success_part,
    ),
    attribute("failure-total", "Starts that failed.", Outcomes::failures),
    attribute(
        "failure-percentage",
        "Part of the starts of the last windows that failed, from 0 to 1.",
        Outcomes::failure_part,
    ),
];

/// Of a connector's tasks on this worker: the attribute, and the state that it counts.
pub(super) const TASK_COUNTS: &[(&str, &str)] = &[
    ("connector-running-task-count", "running"),
    ("connector-paused-task-count", "paused"),
    ("connector-failed-task-count", "failed"),
    ("connector-unassigned-task-count", "unassigned"),
    ("connector-restarting-task-count", "restarting"),
    // Kafka's word for the moment between the end of a task and its removal; there is none here.
    ("connector-destroyed-task-count", "destroyed"),
];

/// `connect-worker-metrics`.
pub(super) const WORKER: Group = Group {
    short: "kafka_connect_worker",
    full: "kafka_connect_connect_worker_metrics",
};

/// `connect-worker-rebalance-metrics`.
pub(super) const REBALANCE: Group = Group {
    short: "kafka_connect_worker_rebalance",
    full: "kafka_connect_connect_worker_rebalance_metrics",
};

/// `connect-coordinator-metrics`.
pub(super) const COORDINATOR: Group = Group {
    short: "kafka_connect_coordinator",
    full: "kafka_connect_connect_coordinator_metrics",
};

/// Sums and numbers of what took time, for averages over any time: ours, not Kafka's.
pub(super) const SINK_SUMMARY: &str = "kafka_connect_sink_task_put_batch_seconds";
/// The same of polls of a source.
pub(super) const SOURCE_SUMMARY: &str = "kafka_connect_source_task_poll_batch_seconds";

/// The sum, in seconds, of what was taken in in milliseconds.
pub(super) fn seconds(reading: Reading) -> f64 {
    reading.total / 1000.0
}

/// What a metric begins with whose names have no `_total`, since the exporters of today leave it
/// out (client_java 1 has it for counters alone, and these have no type in the rules).
pub(super) const WITHOUT_TOTAL: &[&str] = &[
    "kafka_connect_connect_worker_rebalance_metrics_completed_rebalances",
    "kafka_consumer_consumer_fetch_manager_metrics_bytes_consumed",
    "kafka_consumer_consumer_fetch_manager_metrics_fetch",
    "kafka_consumer_consumer_fetch_manager_metrics_records_consumed",
    "kafka_producer_producer_metrics_outgoing_byte",
    "kafka_producer_producer_metrics_record_send",
    "kafka_producer_producer_metrics_request",
    "kafka_producer_producer_metrics_response",
    "kafka_producer_producer_node_metrics_incoming_byte",
    "kafka_producer_producer_topic_metrics_byte",
    "kafka_producer_producer_topic_metrics_record_send",
];
