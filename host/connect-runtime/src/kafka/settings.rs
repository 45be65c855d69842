//! Settings of the clients that a connector has: the worker's, with the connector's overrides.

use connect_api::{ClientProperties, Properties, Result};
use rdkafka::config::ClientConfig;

use super::client_config;
use crate::config::WorkerConfig;
use crate::connector_config::ConnectorConfig;

/// The longest pause between two tries to connect to a broker.
const RECONNECT_MAX: (&str, &str) = ("reconnect.backoff.max.ms", "1000");

/// How long the partitions of a worker that vanished stay with it, where Kafka Connect waits for
/// 45 s. What it may still write is fenced, so that a worker that only hung costs a rebalance.
const SESSION_TIMEOUT: (&str, &str) = ("session.timeout.ms", "10000");

/// Where librdkafka's defaults do not suit a sink task.
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    // Kafka Connect's; without it a new connector would skip what the topic holds.
    ("auto.offset.reset", "earliest"),
    // Exactly once is worth nothing when aborted transactions are read.
    ("isolation.level", "read_committed"),
    // Java's: what has been damaged on its way must not be taken for a record.
    ("check.crcs", "true"),
    // Per consumer, beside the task's own buffers (Invariant 8). A message in the queue costs half
    // a kilobyte besides its bytes, and a fetch is unpacked whole.
    ("queued.max.messages.kbytes", "512"),
    ("queued.min.messages", "2000"),
    ("fetch.message.max.bytes", "262144"),
    // New partitions and topics are seen in seconds.
    ("topic.metadata.refresh.interval.ms", "10000"),
    // Once its queue is full the client would not look for a second whether it still is.
    ("fetch.queue.backoff.ms", "10"),
    // Java's. A broker that was killed and is back is then found within a second, not within ten.
    RECONNECT_MAX,
    // A member hears of a rebalance with its next heartbeat, and the others wait for it: with the
    // usual 3 s a connector of several tasks can take that long to write its first row.
    ("heartbeat.interval.ms", "500"),
];

/// Where librdkafka's defaults do not suit a producer, of dead letters too.
const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    // Java's: what has a key goes to the partition that a JVM worker would have chosen.
    ("partitioner", "murmur2_random"),
    // Java's, and what brokers take unless they are told otherwise; librdkafka's is 5 % less.
    ("max.request.size", "1048576"),
    RECONNECT_MAX,
];

/// A kind of Kafka client of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// It writes records.
    Producer,
    /// It makes topics and looks at groups.
    Admin,
}

/// Whose clients they are.
#[derive(Clone, Copy)]
pub struct ClientSettings<'a> {
    /// The worker.
    pub worker: &'a WorkerConfig,
    /// The connector.
    pub config: &'a ConnectorConfig,
    /// The task, or 0 for the connector as a whole.
    pub task: u32,
}

impl ClientSettings<'_> {
    /// Settings for the clients that a connector makes itself, of the cluster that the worker reads
    /// from.
    pub fn for_connector(&self) -> ClientProperties {
        ClientProperties {
            producer: self.properties(Client::Producer, "connector-producer"),
            consumer: self.consumer_properties(),
            admin: self.properties(Client::Admin, "connector-adminclient"),
            internal_topics: self.worker.internal_topics(),
        }
    }

    /// The worker's settings of a kind of client, with the connector's overrides. `id` is the start
    /// of its `client.id`.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting cannot be brought to librdkafka's.
    pub fn client(&self, client: Client, id: &str) -> Result<ClientConfig> {
        client_config(&self.properties(client, id))
    }

    fn properties(&self, client: Client, id: &str) -> Properties {
        let (prefix, overrides, defaults) = match client {
            Client::Producer => (
                "producer.",
                self.config.clients.producer(),
                PRODUCER_DEFAULTS,
            ),
            Client::Admin => ("admin.", self.config.clients.admin(), &[RECONNECT_MAX][..]),
        };
        let mut properties = self.worker.client_properties(prefix);
        properties.extend(overrides.clone());
        for (key, value) in defaults {
            properties
                .entry((*key).into())
                .or_insert_with(|| (*value).into());
        }
        self.named(properties, id)
    }

    /// The settings of the task's consumer.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting cannot be brought to librdkafka's.
    pub fn consumer(&self) -> Result<ClientConfig> {
        client_config(&self.consumer_properties())
    }

    fn consumer_properties(&self) -> Properties {
        let mut properties = self.worker.client_properties("consumer.");
        properties.extend(self.config.clients.consumer().clone());
        let new_protocol = properties
            .get("group.protocol")
            .is_some_and(|p| p == "consumer");
        let mut default = |key: &str, value: &str| {
            properties.entry(key.into()).or_insert_with(|| value.into());
        };
        for (key, value) in CONSUMER_DEFAULTS {
            default(key, value);
        }
        if let Some(bytes) = largest_answer(&properties) {
            properties
                .entry("receive.message.max.bytes".into())
                .or_insert_with(|| bytes.to_string());
        }
        let mut default = |key: &str, value: &str| {
            properties.entry(key.into()).or_insert_with(|| value.into());
        };
        if !new_protocol {
            default("partition.assignment.strategy", "cooperative-sticky");
            // With the new protocol the broker has the time-out.
            default(SESSION_TIMEOUT.0, SESSION_TIMEOUT.1);
        }
        properties.insert("group.id".into(), self.config.group_id.clone());
        self.named(properties, "connector-consumer")
    }

    fn named(&self, mut properties: Properties, id: &str) -> Properties {
        let id = format!("{id}-{}-{}", self.config.name, self.task);
        properties.entry("client.id".into()).or_insert(id);
        properties
    }
}

/// How large an answer of a broker may be, where fetches may be larger than what librdkafka takes
/// by default. Java has no such limit: who raises the size of fetches there reads what fits in.
fn largest_answer(properties: &Properties) -> Option<u64> {
    let given = FETCH_SIZES.iter().filter_map(|key| properties.get(*key));
    let largest = given
        .filter_map(|bytes| bytes.trim().parse::<u64>().ok())
        .max()?;
    let with_frame = largest.saturating_add(ANSWER_FRAME).min(MOST_ANSWER);
    (with_frame > RECEIVE_DEFAULT).then_some(with_frame)
}

const FETCH_SIZES: [&str; 3] = [
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "max.partition.fetch.bytes",
];
/// librdkafka's default of `receive.message.max.bytes`.
const RECEIVE_DEFAULT: u64 = 100_000_000;
/// The most that it takes.
const MOST_ANSWER: u64 = 2_147_483_647;
/// What an answer has beside the records.
const ANSWER_FRAME: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::minimal;
    use crate::connectors;
    use crate::plugins::Plugins;
    use connect_wasm::{WasmOptions, WasmPlugins};

    /// The settings of a consumer and of a producer, with a connector's overrides.
    fn clients(overrides: &[(&str, &str)]) -> (ClientConfig, ClientConfig) {
        let worker = WorkerConfig::new(&minimal(&[])).unwrap();
        let plugins = Plugins::new(
            connectors::all(),
            WasmPlugins::new(WasmOptions::default()).unwrap(),
        );
        let own = [("connector.class", "FerruleBlackholeSink"), ("topics", "t")];
        let config = own.iter().chain(overrides);
        let config = config.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = ConnectorConfig::resolve(&plugins, &worker, "c", &config.collect()).unwrap();
        let settings = ClientSettings {
            worker: &worker,
            config: &config,
            task: 0,
        };
        let producer = settings.client(Client::Producer, "connector-dlq-producer");
        (settings.consumer().unwrap(), producer.unwrap())
    }

    #[test]
    fn defaults_are_javas_where_records_depend_on_them() {
        let (consumer, producer) = clients(&[]);
        assert_eq!(consumer.get("check.crcs"), Some("true"));
        assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
        assert_eq!(producer.get("message.max.bytes"), Some("1048576"));
        assert_eq!(
            producer.get("client.id"),
            Some("connector-dlq-producer-c-0")
        );
        let (consumer, producer) = clients(&[
            ("consumer.override.check.crcs", "false"),
            ("producer.override.partitioner", "consistent"),
            ("producer.override.max.request.size", "2000000"),
        ]);
        assert_eq!(consumer.get("check.crcs"), Some("false"));
        assert_eq!(producer.get("partitioner"), Some("consistent"));
        assert_eq!(producer.get("message.max.bytes"), Some("2000000"));
    }

    #[test]
    fn an_answer_may_be_as_large_as_the_fetches() {
        let of = |key: &str, bytes: &str| {
            let given = Properties::from([(key.to_owned(), bytes.to_owned())]);
            largest_answer(&given)
        };
        for key in FETCH_SIZES {
            assert_eq!(of(key, "262144"), None);
            assert_eq!(of(key, "110000000"), Some(111_048_576));
            assert_eq!(of(key, "2147483647"), Some(2_147_483_647));
            assert_eq!(of(key, "many"), None);
        }
        assert_eq!(of("max.poll.records", "110000000"), None);
    }
}
