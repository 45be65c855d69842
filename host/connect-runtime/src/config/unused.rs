//! The worker's properties that nothing reads, or that have no effect here.

use connect_api::Properties;

use super::definition::{CLIENT_KEYS, OPEN_PREFIXES, WITHOUT_EFFECT, config_def};
use crate::suggest::closest;

/// What a worker's properties give for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnusedOptions {
    /// Options of Kafka Connect that tune what works otherwise here.
    pub without_effect: Vec<String>,
    /// Options that neither Kafka Connect's nor Ferrule's workers know.
    pub unknown: Vec<UnknownOption>,
}

/// An option that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOption {
    /// As it is given.
    pub key: String,
    /// The option that was probably meant.
    pub meant: Option<String>,
}

impl UnusedOptions {
    /// Those of the properties. The settings of clients are looked at by
    /// [`super::WorkerConfig::client_settings_without_effect`].
    pub fn of(properties: &Properties) -> Self {
        let def = config_def();
        let known: Vec<&str> = def.keys().iter().map(|key| key.name.as_ref()).collect();
        let mut unused = Self::default();
        for key in properties.keys() {
            let open = OPEN_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
            if open || known.contains(&key.as_str()) || CLIENT_KEYS.contains(&key.as_str()) {
                continue;
            }
            if WITHOUT_EFFECT.contains(&key.as_str()) {
                unused.without_effect.push(key.clone());
                continue;
            }
            let meant = closest(key, known.iter().copied());
            unused.unknown.push(UnknownOption {
                key: key.clone(),
                meant: meant.map(str::to_owned),
            });
        }
        unused
    }
}
