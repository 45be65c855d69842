//! The worker's options, declared once.

use connect_api::{
    Choice, ConfigDef, ConfigKey, ConfigType as T, Importance, MemoryLimit, Validator,
};
use connect_kafka::overridable_settings;
use connect_wasm::{CompileLimits, WasmLimits};

use super::override_policy::{OverridePolicyName, TOKEN_ENDPOINTS};
use crate::task_restart::worker_keys as restart_keys;

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
    "admin.listeners.https.",
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

/// Options of Kafka Connect that have no effect here: what they tune works otherwise. None of them
/// protects anything here: the keys of `inter.worker.*` sign requests between workers, which this
/// one neither sends nor takes.
pub const WITHOUT_EFFECT: &[&str] = &[
    "auto.include.jmx.reporter",
    "client.id",
    "connect.protocol",
    "inter.worker.key.generation.algorithm",
    "inter.worker.key.size",
    "inter.worker.key.ttl.ms",
    "inter.worker.signature.algorithm",
    "inter.worker.verification.algorithms",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "offset.flush.timeout.ms",
    "plugin.discovery",
    "rebalance.timeout.ms",
    "receive.buffer.bytes",
    "request.timeout.ms",
    "scheduled.rebalance.max.delay.ms",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "worker.sync.timeout.ms",
    "worker.unsync.backoff.ms",
];

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
    keys.extend(group());
    keys.extend(rest());
    keys.extend(rest_security());
    keys.extend(rest_limits());
    keys.extend(plugins());
    keys.extend(own());
    keys.extend(restart_keys());
    ConfigDef::new(keys)
}

/// What the workers of one group need to know each other.
fn group() -> Vec<ConfigKey> {
    vec![
        ConfigKey::nullable(
            "ferrule.cluster.storage.topic",
            T::String,
            "The topic in which the workers of a group agree on what Kafka Connect has no record for: \
             who runs which task. By default the name of config.storage.topic with -cluster behind \
             it; created with config.storage.replication.factor.",
        ),
        ConfigKey::new(
            "internal.topics.automatic.creation.enable",
            T::Boolean,
            "true",
            "Whether the worker creates the topics in which it keeps what it knows; else it refuses \
             to start where one is missing, with the command that creates it.",
        ),
        ConfigKey::new(
            "session.timeout.ms",
            T::Int,
            "10000",
            "Milliseconds without a sign of life after which a worker's tasks go to others.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "heartbeat.interval.ms",
            T::Int,
            "1000",
            "Milliseconds between a worker's signs of life; a third of the session at most.",
        )
        .validator(Validator::AtLeast(1)),
    ]
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
            "The addresses of the REST API, as http://host:port or https://host:port; no host: all \
             interfaces.",
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

/// Who may speak to the REST API.
fn rest_security() -> Vec<ConfigKey> {
    let text = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, T::String, default, doc)
    };
    let file = |name: &'static str, doc: &'static str| ConfigKey::nullable(name, T::String, doc);
    vec![
        file(
            "admin.listeners",
            "Addresses of their own for /admin; empty: /admin is off; not given: it is on listeners.",
        ),
        text(
            "rest.extension.classes",
            "",
            "Kafka's BasicAuthSecurityRestExtension, or nothing: requests need a user and password.",
        ),
        text(
            "access.control.allow.origin",
            "",
            "Origins whose pages may use the REST API, separated by commas: https://ui.example.com, \
             https://*.example.com, or * for all. Empty: none but its own.",
        ),
        text(
            "access.control.allow.methods",
            "",
            "Methods that such pages may use, separated by commas. Empty: GET, POST and HEAD.",
        ),
        text(
            "response.http.headers.config",
            "",
            "Headers of all answers, separated by commas: set X-Frame-Options: DENY. The actions are \
             set, add, setDate and addDate.",
        ),
        text(
            "ferrule.rest.allowed.hosts",
            "",
            "Names that requests may call this worker by, besides addresses, loopback names and the \
             advertised host, separated by commas: *.example.com for all below, * for all.",
        ),
        file(
            "ferrule.rest.jaas.file",
            "A JAAS file with the entry KafkaConnect: requests need one of its users and passwords.",
        ),
        file(
            "java.security.auth.login.config",
            "The same for rest.extension.classes; taken from -D in KAFKA_OPTS.",
        ),
        file(
            "ferrule.rest.tokens.file",
            "A file of name=token lines: requests need one of the tokens as Authorization: Bearer.",
        ),
        file(
            "ferrule.rest.roles.file",
            "A file that says who may view, operate, edit and administer which connectors.",
        ),
        file(
            "ferrule.audit.topic",
            "A topic that gets the lines of the audit log as JSON; it is created when it is absent.",
        ),
    ]
}

/// How much of the REST API there is at once.
fn rest_limits() -> Vec<ConfigKey> {
    let count = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, T::Int, default, doc).validator(Validator::AtLeast(4))
    };
    vec![
        count(
            "ferrule.rest.max.connections",
            "256",
            "Connections to the REST API at once; never more than a quarter of the descriptors.",
        ),
        count(
            "ferrule.rest.max.connections.per.peer",
            "64",
            "Connections to the REST API from one address at once.",
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
            OverridePolicyName::Allowlist,
            "Which client settings a connector may override: All, None, Principal or Allowlist. \
             Whatever the policy, a setting that loads code, runs commands or breaks delivery is \
             refused.",
        ),
        ConfigKey::new(
            "connector.client.config.override.allowlist",
            T::List,
            overridable_settings().collect::<Vec<_>>().join(","),
            "The client settings that the policy Allowlist lets a connector override.",
        ),
        ConfigKey::new(
            TOKEN_ENDPOINTS,
            T::List,
            "",
            "URLs that Kafka clients may get tokens from; taken from -D in KAFKA_OPTS. Empty: any.",
        ),
    ]
}

fn own() -> Vec<ConfigKey> {
    let most = WasmLimits::default();
    let compiling = CompileLimits::default();
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
            "A folder for compiled WASM plugins, which nobody but the worker's user may be able to \
             write; without it, ferrule/plugins in the user's cache folder.",
        ),
        limit(
            "ferrule.plugin.compile.timeout.ms",
            100,
            u64::try_from(compiling.timeout.as_millis()).unwrap_or(u64::MAX),
            "Milliseconds that compiling one WASM plugin may take; the worker goes on meanwhile.",
        ),
        limit(
            "ferrule.plugin.compile.memory.max.bytes",
            64 << 20,
            compiling.memory_bytes,
            "Bytes of address space that compiling one WASM plugin may take, in a process of its own.",
        ),
    ]
}

fn replication_factor(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(-1 | 1..=i64::MAX) => Ok(()),
        _ => Err("Value must be -1 or at least 1".into()),
    }
}
