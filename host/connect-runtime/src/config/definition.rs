//! The worker's options, declared once.

use connect_api::{
    Choice, ConfigDef, ConfigKey, ConfigType as T, Importance, MemoryLimit, Validator, WordCase,
};
use connect_wasm::WasmLimits;

/// Prefixes whose keys belong to clients, converters, providers or topics.
pub const OPEN_PREFIXES: &[&str] = &[
    "producer.",
    "consumer.",
    "admin.",
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "config.providers.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
    "sasl.",
    "ssl.",
    "listeners.https.",
];

/// Client settings that stand in the worker's properties without a prefix.
pub const CLIENT_KEYS: &[&str] = &[
    "bootstrap.servers",
    "client.dns.lookup",
    "connections.max.idle.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.ms",
    "security.protocol",
];

/// Options of Kafka Connect that have no effect here: what they tune works otherwise.
pub const WITHOUT_EFFECT: &[&str] = &[
    "access.control.allow.methods",
    "access.control.allow.origin",
    "admin.listeners",
    "auto.include.jmx.reporter",
    "client.id",
    "connect.protocol",
    "heartbeat.interval.ms",
    "inter.worker.key.generation.algorithm",
    "inter.worker.key.size",
    "inter.worker.key.ttl.ms",
    "inter.worker.signature.algorithm",
    "inter.worker.verification.algorithms",
    "internal.topics.automatic.creation.enable",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "offset.flush.timeout.ms",
    "plugin.discovery",
    "rebalance.timeout.ms",
    "receive.buffer.bytes",
    "request.timeout.ms",
    "response.http.headers.config",
    "rest.extension.classes",
    "scheduled.rebalance.max.delay.ms",
    "send.buffer.bytes",
    "session.timeout.ms",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "worker.sync.timeout.ms",
    "worker.unsync.backoff.ms",
];

/// `connector.client.config.override.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverridePolicyName {
    /// A connector may override any client setting.
    All,
    /// A connector may override none.
    None,
    /// A connector may override what says who the client is.
    Principal,
    /// A connector may override what `connector.client.config.override.allowlist` names.
    Allowlist,
}

impl Choice for OverridePolicyName {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("All", Self::All),
        ("None", Self::None),
        ("Principal", Self::Principal),
        ("Allowlist", Self::Allowlist),
    ];
    // Kafka Connect takes a policy's short name, its class name, and that with the package.
    const ALIASES: &'static [(&'static str, Self)] = &[
        ("AllConnectorClientConfigOverridePolicy", Self::All),
        ("NoneConnectorClientConfigOverridePolicy", Self::None),
        (
            "PrincipalConnectorClientConfigOverridePolicy",
            Self::Principal,
        ),
        (
            "AllowlistConnectorClientConfigOverridePolicy",
            Self::Allowlist,
        ),
        (
            "org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy",
            Self::All,
        ),
        (
            "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy",
            Self::None,
        ),
        (
            "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
            Self::Principal,
        ),
        (
            "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy",
            Self::Allowlist,
        ),
    ];
    const CASE: WordCase = WordCase::Exact;
}

/// `exactly.once.source.support` (KIP-618).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnceWorker {
    /// Sources deliver at least once.
    Disabled,
    /// The same: a step of an upgrade of several workers, in which all are prepared first.
    Preparing,
    /// Sources write records and offsets in transactions.
    Enabled,
}

impl Choice for ExactlyOnceWorker {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("disabled", Self::Disabled),
        ("preparing", Self::Preparing),
        ("enabled", Self::Enabled),
    ];
}

/// The options that the worker uses.
pub fn config_def() -> ConfigDef {
    let mut keys = cluster();
    keys.extend(rest());
    keys.extend(plugins());
    keys.extend(own());
    ConfigDef::new(keys)
}

fn cluster() -> Vec<ConfigKey> {
    let high = |key: ConfigKey| key.importance(Importance::High);
    let topic =
        |name: &'static str, doc: &'static str| high(ConfigKey::required(name, T::String, doc));
    let replication = |name: &'static str| {
        let doc = "Replicas of the topic when the worker creates it; -1: as the broker's default.";
        ConfigKey::new(name, T::Short, "3", doc).validator(Validator::Check(replication_factor))
    };
    let partitions = |name: &'static str, count: &'static str| {
        let doc =
            "Partitions of the topic when the worker creates it; -1: as the broker's default.";
        ConfigKey::new(name, T::Int, count, doc).validator(Validator::Check(replication_factor))
    };
    vec![
        high(ConfigKey::new(
            "bootstrap.servers",
            T::List,
            "localhost:9092",
            "Kafka brokers to begin with, as host:port, separated by commas.",
        )),
        topic(
            "group.id",
            "The name of the group of workers that this one belongs to.",
        )
        .validator(Validator::NonEmpty),
        topic(
            "config.storage.topic",
            "The topic that holds the connectors' configs.",
        ),
        replication("config.storage.replication.factor"),
        topic(
            "offset.storage.topic",
            "The topic that holds the offsets of source connectors.",
        ),
        replication("offset.storage.replication.factor"),
        partitions("offset.storage.partitions", "25"),
        topic("status.storage.topic", "The topic that holds the statuses."),
        replication("status.storage.replication.factor"),
        partitions("status.storage.partitions", "5"),
        ConfigKey::new(
            "offset.flush.interval.ms",
            T::Long,
            "60000",
            "Milliseconds between commits of offsets to Kafka, at most; sinks commit each second.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::choice(
            "exactly.once.source.support",
            ExactlyOnceWorker::Disabled,
            "Whether sources write records and offsets in transactions: disabled, preparing or \
             enabled.",
        ),
        ConfigKey::new(
            "topic.creation.enable",
            T::Boolean,
            "true",
            "Whether topics are created by the topic.creation.default.* of sources.",
        ),
        ConfigKey::new(
            "task.shutdown.graceful.timeout.ms",
            T::Long,
            "5000",
            "Milliseconds that all tasks together have to end when they are stopped.",
        )
        .validator(Validator::AtLeast(0)),
    ]
}

fn rest() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "listeners",
            T::List,
            "http://:8083",
            "The addresses of the REST API, as http://host:port; no host: all interfaces.",
        ),
        ConfigKey::nullable(
            "rest.advertised.host.name",
            T::String,
            "The host that others reach this worker by; it is part of worker_id.",
        ),
        ConfigKey::nullable(
            "rest.advertised.port",
            T::Int,
            "The port that others reach this worker by.",
        ),
        ConfigKey::nullable(
            "rest.advertised.listener",
            T::String,
            "The protocol that others reach this worker by.",
        ),
        ConfigKey::new(
            "topic.tracking.enable",
            T::Boolean,
            "true",
            "Whether the topics that a connector uses are shown.",
        ),
        ConfigKey::new(
            "topic.tracking.allow.reset",
            T::Boolean,
            "true",
            "Whether the topics that a connector uses may be reset.",
        ),
        ConfigKey::new(
            "ferrule.rest.state.enable",
            T::Boolean,
            "false",
            "Whether GET /connectors/{name}/state shows what plugins keep: it may hold data of the \
             records.",
        ),
    ]
}

fn plugins() -> Vec<ConfigKey> {
    let converter = |name: &'static str| {
        ConfigKey::required(
            name,
            T::Class,
            "The converter of connectors that name none.",
        )
        .importance(Importance::High)
    };
    vec![
        converter("key.converter"),
        converter("value.converter"),
        ConfigKey::new(
            "header.converter",
            T::Class,
            "org.apache.kafka.connect.storage.SimpleHeaderConverter",
            "The header converter of connectors that name none.",
        ),
        ConfigKey::nullable("plugin.path", T::List, "Folders that hold WASM plugins."),
        ConfigKey::new(
            "config.providers",
            T::List,
            "",
            "The providers that ${provider:path:key} in a config may name.",
        ),
        ConfigKey::choice(
            "connector.client.config.override.policy",
            OverridePolicyName::All,
            "Which client settings a connector may override: All, None, Principal or Allowlist.",
        ),
        ConfigKey::new(
            "connector.client.config.override.allowlist",
            T::List,
            "",
            "The client settings that the policy Allowlist lets a connector override.",
        ),
    ]
}

fn own() -> Vec<ConfigKey> {
    let most = WasmLimits::default();
    let limit = |name: &'static str, least: i64, default: u64, doc: &'static str| {
        ConfigKey::new(name, T::Long, default.to_string(), doc).validator(Validator::AtLeast(least))
    };
    vec![
        limit(
            "ferrule.plugin.memory.max.bytes",
            1 << 16,
            most.memory_bytes,
            "Most bytes of memory that one instance of a plugin may use; a transform's \
             memory.max.bytes can only lower it.",
        ),
        limit(
            "ferrule.plugin.call.timeout.ms",
            10,
            u64::try_from(most.call_timeout.as_millis()).unwrap_or(u64::MAX),
            "Milliseconds that one call into a plugin may take; call.timeout.ms can only lower it.",
        ),
        limit(
            "ferrule.plugin.output.max.bytes",
            1,
            most.output_bytes,
            "Most bytes that one reply of a plugin may take; output.max.bytes can only lower it.",
        ),
        limit(
            "ferrule.plugin.state.max.bytes",
            1,
            most.state_bytes,
            "Most bytes of state that a transform may keep for a partition: keys, values and 64 for \
             each entry; state.max.bytes can only lower it.",
        ),
        ConfigKey::new(
            "ferrule.task.buffer.bytes",
            T::Long,
            "4194304",
            "Bytes of records that one task may hold; a quarter of them may go into one transaction.",
        )
        .validator(Validator::AtLeast(1 << 16)),
        ConfigKey::new(
            MemoryLimit::OPTION,
            T::Long,
            MemoryLimit::DEFAULT.0.to_string(),
            "Bytes of memory that the data of one record may take in a converter, a transform or a \
             sink, beside its own bytes: a record that would take more is errant. The records that \
             wait for a sink together take no more either.",
        )
        .validator(Validator::AtLeast(1 << 20)),
        ConfigKey::nullable(
            "ferrule.plugin.cache.path",
            T::String,
            "A folder for compiled WASM plugins; without it, ferrule/plugins in the user's cache folder.",
        ),
    ]
}

fn replication_factor(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(-1 | 1..=i64::MAX) => Ok(()),
        _ => Err("Value must be -1 or at least 1".into()),
    }
}
