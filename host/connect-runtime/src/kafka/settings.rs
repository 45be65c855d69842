//! Settings of the clients that a connector has: the worker's, with the connector's overrides.

use connect_api::{Properties, Result, TaskContext};
use kafka_sink::Clients;
use rdkafka::config::ClientConfig;

use super::client_config;
use crate::config::WorkerConfig;

/// Where librdkafka's defaults do not suit a sink task.
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    // Kafka Connect's; without it a new connector would skip what the topic holds.
    ("auto.offset.reset", "earliest"),
    // Exactly once is worth nothing when aborted transactions are read.
    ("isolation.level", "read_committed"),
    // Per consumer, beside the task's own buffers (Invariant 8). A message in the queue costs half
    // a kilobyte besides its bytes, and a fetch is unpacked whole.
    ("queued.max.messages.kbytes", "512"),
    ("queued.min.messages", "2000"),
    ("fetch.message.max.bytes", "262144"),
    // New partitions and topics are seen in seconds.
    ("topic.metadata.refresh.interval.ms", "10000"),
    // Once its queue is full the client would not look for a second whether it still is.
    ("fetch.queue.backoff.ms", "10"),
    // A member hears of a rebalance with its next heartbeat, and the others wait for it: with the
    // usual 3 s a connector of several tasks can take that long to write its first row.
    ("heartbeat.interval.ms", "500"),
];

/// Whose clients they are.
#[derive(Clone, Copy)]
pub struct ClientSettings<'a> {
    /// The worker.
    pub worker: &'a WorkerConfig,
    /// The task, or task 0 for the connector as a whole.
    pub context: &'a TaskContext,
    /// The connector's configuration, resolved.
    pub config: &'a Properties,
}

impl ClientSettings<'_> {
    /// What a sink that writes to this cluster may use.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a setting that is none.
    pub fn lent(&self) -> Result<Clients> {
        Ok(Clients {
            producer: self.client("producer.", "connector-producer")?,
            consumer: self.consumer(&overrides(self.config, "consumer.override."))?,
            admin: self.client("admin.", "connector-adminclient")?,
        })
    }

    /// The worker's settings of a kind of client, with the connector's overrides.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a setting that is none.
    pub fn client(&self, prefix: &str, id: &str) -> Result<ClientConfig> {
        let TaskContext {
            connector, task, ..
        } = self.context;
        let mut properties = self.worker.client_properties(prefix);
        properties.extend(overrides(self.config, &format!("{prefix}override.")));
        let id = format!("{id}-{connector}-{task}");
        properties.entry("client.id".into()).or_insert(id);
        client_config(&properties)
    }

    /// The settings of the task's consumer, with these overrides.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a setting that is none.
    pub fn consumer(&self, overrides: &Properties) -> Result<ClientConfig> {
        let TaskContext {
            connector, task, ..
        } = self.context;
        let mut properties = self.worker.client_properties("consumer.");
        properties.extend(overrides.clone());
        let new_protocol = properties
            .get("group.protocol")
            .is_some_and(|p| p == "consumer");
        for (key, value) in CONSUMER_DEFAULTS {
            properties
                .entry((*key).into())
                .or_insert_with(|| (*value).into());
        }
        if !new_protocol {
            let assignor = "partition.assignment.strategy";
            properties
                .entry(assignor.into())
                .or_insert_with(|| "cooperative-sticky".into());
        }
        properties
            .entry("group.id".into())
            .or_insert_with(|| format!("connect-{connector}"));
        let id = format!("connector-consumer-{connector}-{task}");
        properties.entry("client.id".into()).or_insert(id);
        client_config(&properties)
    }
}

/// What stands under a prefix, without it.
pub fn overrides(config: &Properties, prefix: &str) -> Properties {
    let stripped = |(key, value): (&String, &String)| {
        Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))
    };
    config.iter().filter_map(stripped).collect()
}
