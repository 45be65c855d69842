//! Which settings of its Kafka clients a connector may override (KIP-458).

use std::collections::BTreeSet;

use connect_api::{Choice, Config, WordCase};

use super::WorkerConfig;

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

/// Where Kafka clients may get tokens to log in with, if that is limited: Java's system property
/// of this name (since Kafka 4.0).
pub(super) const TOKEN_ENDPOINTS: &str = "org.apache.kafka.sasl.oauthbearer.allowed.urls";

impl WorkerConfig {
    /// Why clients may not get tokens from this URL; none: they may.
    pub fn token_refusal(&self, url: &str) -> Option<String> {
        let allowed = self.config.list(TOKEN_ENDPOINTS);
        let is_allowed = allowed.is_empty() || allowed.iter().any(|it| it.trim() == url.trim());
        (!is_allowed).then(|| format!("it is none of {TOKEN_ENDPOINTS}"))
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
