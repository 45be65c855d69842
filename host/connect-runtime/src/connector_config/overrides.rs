//! The settings of its Kafka clients that a connector's config gives: `consumer.override.*`,
//! `producer.override.*` and `admin.override.*` (KIP-458).

use connect_api::{ConfigKey, ConfigType, Error, Properties, Result};
use connect_kafka::{GivenBy, has_no_effect, is_secret_setting, setting_refusal};

use crate::config::{WorkerConfig, with_prefix};

/// What the keys of overrides begin with.
pub const OVERRIDE_PREFIXES: [&str; 3] = [
    "consumer.override.",
    "producer.override.",
    "admin.override.",
];

/// A connector's settings of its Kafka clients, in Java's names, without the prefixes. There are
/// none of these but such as the worker's policy and the closed list of settings allow.
#[derive(Clone, Debug, Default)]
pub struct ClientOverrides {
    consumer: Properties,
    producer: Properties,
    admin: Properties,
}

impl ClientOverrides {
    /// Of a config with what its config providers gave, whichever way that config came.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming each key that may not be given.
    pub fn new(worker: &WorkerConfig, properties: &Properties) -> Result<Self> {
        let refused: Vec<String> = refusals(worker, properties)
            .into_iter()
            .map(|refusal| format!("{}: {}", refusal.key, refusal.why))
            .collect();
        if !refused.is_empty() {
            return Err(Error::config(refused.join("; ")));
        }
        Ok(Self {
            consumer: with_prefix(properties, "consumer.override."),
            producer: with_prefix(properties, "producer.override."),
            admin: with_prefix(properties, "admin.override."),
        })
    }

    /// `consumer.override.*`.
    pub fn consumer(&self) -> &Properties {
        &self.consumer
    }

    /// `producer.override.*`.
    pub fn producer(&self) -> &Properties {
        &self.producer
    }

    /// `admin.override.*`.
    pub fn admin(&self) -> &Properties {
        &self.admin
    }
}

/// An override that may not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The key in the connector's config.
    pub(super) key: String,
    /// What is wrong with it.
    pub(super) why: String,
}

/// The overrides of a config that may not be given.
pub(super) fn refusals(worker: &WorkerConfig, config: &Properties) -> Vec<Refusal> {
    let refused = |(key, value): (&String, &String)| {
        let setting = setting_of(key)?;
        // What a provider is yet to give is looked at when it has.
        let value = Some(value.as_str()).filter(|value| !worker.providers().provides(value));
        let denied = || setting_refusal(GivenBy::Connector, setting, value);
        // What only a JVM has is a warning: it changes no client.
        let policy = worker.override_policy().refusal(setting);
        let why = policy.filter(|_| !has_no_effect(setting)).or_else(denied)?;
        let key = key.clone();
        Some(Refusal { key, why })
    };
    config.iter().filter_map(refused).collect()
}

/// The client's setting that a key overrides; none: the key is no override.
pub(super) fn setting_of(key: &str) -> Option<&str> {
    OVERRIDE_PREFIXES
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix))
}

/// The declaration of an override; none: the key is none.
pub(super) fn declaration(key: &str) -> Option<ConfigKey> {
    let setting = setting_of(key)?;
    let kind = match is_secret_setting(setting) {
        true => ConfigType::Password,
        false => ConfigType::String,
    };
    let doc = format!("{setting} of the connector's own Kafka client.");
    Some(ConfigKey::nullable(key.to_owned(), kind, doc).group("Overrides"))
}

/// Whether a key gives a client a secret.
pub(super) fn is_secret(key: &str) -> bool {
    setting_of(key).is_some_and(is_secret_setting)
}
