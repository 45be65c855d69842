//! What is shown of Kafka's clients: the groups of their metrics, and the counts and times in them.

use connect_kafka::{ClientNumbers, Spread};

use crate::metrics::tables::Group;

/// `connect-metrics`: of the worker's own client.
pub(super) const WORKER_CLIENT: Group = Group {
    short: "kafka_connect",
    full: "kafka_connect_connect_metrics",
};
pub(super) const CONSUMER: Group = Group {
    short: "kafka_consumer",
    full: "kafka_consumer_consumer_metrics",
};
pub(super) const CONSUMER_GROUP: Group = Group {
    short: "kafka_consumer_coordinator",
    full: "kafka_consumer_consumer_coordinator_metrics",
};
pub(super) const FETCHES: Group = Group {
    short: "kafka_consumer_fetch_manager",
    full: "kafka_consumer_consumer_fetch_manager_metrics",
};
pub(super) const PRODUCER: Group = Group {
    short: "kafka_producer",
    full: "kafka_producer_producer_metrics",
};
pub(super) const PRODUCER_NODE: Group = Group {
    short: "kafka_producer_node",
    full: "kafka_producer_producer_node_metrics",
};
pub(super) const PRODUCER_TOPIC: Group = Group {
    short: "kafka_producer_topic",
    full: "kafka_producer_producer_topic_metrics",
};

pub(super) type Count = fn(&ClientNumbers) -> f64;
/// A count is two attributes: `NAME-total`, and `NAME-rate`.
pub(super) type Counts = &'static [(&'static str, &'static str, Count)];
/// None: nothing was measured, which is NaN as in Kafka.
pub(super) type Times = &'static [(
    &'static str,
    &'static str,
    fn(&ClientNumbers) -> Option<Spread>,
)];

pub(super) const OF_ALL: Counts = &[
    (
        "incoming-byte",
        "Bytes that the client has received",
        |it| it.bytes_received,
    ),
    ("outgoing-byte", "Bytes that the client has sent", |it| {
        it.bytes_sent
    }),
    ("request", "Requests that the client has sent", |it| {
        it.requests
    }),
    ("response", "Responses that the client has received", |it| {
        it.responses
    }),
];
pub(super) const OF_WORKER: Counts =
    &[
        ("network-io", "Requests and responses of the client", |it| {
            it.requests + it.responses
        }),
    ];
pub(super) const OF_GROUP: Counts = &[
    ("heartbeat", "Heartbeats to the group of workers", |it| {
        kind(it, "Heartbeat")
    }),
    ("join", "Joins of the group of workers", |it| {
        kind(it, "JoinGroup")
    }),
    ("sync", "Answers of the group about who has what", |it| {
        kind(it, "SyncGroup")
    }),
    ("rebalance", "Rebalances of the group of workers", |it| {
        it.rebalances
    }),
];
pub(super) const OF_CONSUMERS: Counts =
    &[("fetch", "Requests for records", |it| kind(it, "Fetch"))];
pub(super) const OF_GROUPS: Counts = &[
    ("commit", "Commits of offsets that were asked for", |it| {
        kind(it, "OffsetCommit")
    }),
    (
        "heartbeat",
        "Heartbeats to the group of the connector",
        |it| kind(it, "Heartbeat"),
    ),
    (
        "rebalance",
        "Rebalances of the group of the connector",
        |it| it.rebalances,
    ),
];
pub(super) const OF_PRODUCERS: Counts = &[("record-send", "Records that were sent", |it| {
    it.records_sent
})];
pub(super) const TIMES_OF_PRODUCERS: Times = &[
    ("request-latency", "of a request, in milliseconds", |it| {
        it.latency
    }),
    (
        "record-queue-time",
        "in the client's queue, in milliseconds",
        |it| it.queued,
    ),
    (
        "produce-throttle-time",
        "by brokers, in milliseconds",
        |it| it.throttled,
    ),
    ("batch-size", "of a batch, in bytes", |it| it.batch),
];
pub(super) const TIMES_OF_CONSUMERS: Times = &[
    ("fetch-latency", "of a request, in milliseconds", |it| {
        it.latency
    }),
    ("fetch-throttle-time", "by brokers, in milliseconds", |it| {
        it.throttled
    }),
];

fn kind(numbers: &ClientNumbers, name: &str) -> f64 {
    numbers.kinds.get(name).copied().unwrap_or(0.0)
}
