//! Which settings of its Kafka clients a connector may override (KIP-458).

use std::collections::BTreeSet;

use connect_api::{Choice, Config, WordCase};

/// The client settings that a connector may override unless the worker says otherwise: those that
/// tune a client, or say who it is. None of them leads a client to another cluster or to files of
/// the worker.
pub const OVERRIDE_ALLOWLIST: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "batch.num.messages",
    "batch.size",
    "check.crcs",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.jaas.config",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "send.buffer.bytes",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "transaction.timeout.ms",
];

/// Which client settings a connector may override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Any.
    All,
    /// None.
    None,
    /// Those that say who the client is.
    Principal,
    /// These.
    Allowlist(BTreeSet<String>),
}

impl OverridePolicy {
    /// The policy that the worker's options name.
    pub(super) fn new(config: &Config) -> Self {
        match config.choice("connector.client.config.override.policy") {
            OverridePolicyName::All => Self::All,
            OverridePolicyName::None => Self::None,
            OverridePolicyName::Principal => Self::Principal,
            OverridePolicyName::Allowlist => {
                let keys = config.list("connector.client.config.override.allowlist");
                Self::Allowlist(keys.iter().cloned().collect())
            }
        }
    }

    /// Why a setting may not be overridden, in Kafka Connect's words; none: it may.
    pub fn refusal(&self, setting: &str) -> Option<String> {
        let (name, allowed) = match self {
            Self::All => return None,
            Self::None => ("None", false),
            Self::Principal => (
                "Principal",
                ["sasl.jaas.config", "sasl.mechanism", "security.protocol"].contains(&setting),
            ),
            Self::Allowlist(settings) => ("Allowlist", settings.contains(setting)),
        };
        (!allowed).then(|| {
            format!(
                "The '{name}' policy does not allow '{setting}' to be overridden in the connector \
                 configuration."
            )
        })
    }
}

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
