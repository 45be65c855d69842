//! From what a plugin says of itself to what the worker shows.

use std::collections::HashSet;
use std::path::Path;

use connect_api::{ConfigDef, ConfigKey, ConfigType, Importance, Properties, Validator};

use super::{PluginInfo, Reads};
use crate::bindings::exports::ferrule::transform::plugin::{self as wit, Description, Parts};
use crate::limits::host_config_def;

const NAME_BYTES: usize = 128;
/// Keys of every transform of Kafka Connect.
const RESERVED: [&str; 3] = ["type", "predicate", "negate"];

/// # Errors
/// What is wrong with the description.
pub(super) fn info(
    description: Description,
    path: &Path,
    sha256: String,
) -> Result<PluginInfo, String> {
    let name = description.name;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(good) {
        return Err(format!(
            "its name is not 1 to {NAME_BYTES} letters, digits, -, _ and ."
        ));
    }
    let host = host_config_def();
    let mut names: HashSet<String> = host.keys().iter().map(|k| k.name.to_string()).collect();
    names.extend(RESERVED.map(String::from));
    let mut keys = Vec::with_capacity(description.config.len());
    for key in description.config {
        if key.name.is_empty() || !names.insert(key.name.clone()) {
            return Err(format!(
                "its key {:?} is empty, given twice, or one of the worker's",
                key.name
            ));
        }
        keys.push(checked(config_key(key))?);
    }
    Ok(PluginInfo {
        name,
        version: description.version,
        documentation: description.documentation,
        sha256,
        path: path.to_owned(),
        config_def: ConfigDef::new(keys),
        reads: Reads {
            key: description.reads.contains(Parts::KEY),
            value: description.reads.contains(Parts::VALUE),
            headers: description.reads.contains(Parts::HEADERS),
            fields: description
                .fields
                .map(|fields| fields.into_iter().collect()),
        },
        ticks: description.ticks,
        stateful: description.stateful,
    })
}

/// # Errors
/// The key's default is no value that the key takes.
fn checked(key: ConfigKey) -> Result<ConfigKey, String> {
    if let Some(Some(default)) = &key.default {
        let given = Properties::from([(key.name.to_string(), default.to_string())]);
        let parsed = ConfigDef::new(vec![key.clone()]).parse(&given);
        parsed.map_err(|why| format!("the default of its key {:?} is refused: {why}", key.name))?;
    }
    Ok(key)
}

fn config_key(key: wit::ConfigKey) -> ConfigKey {
    let kind = match key.kind {
        wit::ConfigType::Boolean => ConfigType::Boolean,
        wit::ConfigType::Text => ConfigType::String,
        wit::ConfigType::Int => ConfigType::Int,
        wit::ConfigType::Long => ConfigType::Long,
        wit::ConfigType::Double => ConfigType::Double,
        wit::ConfigType::List => ConfigType::List,
        wit::ConfigType::Password => ConfigType::Password,
    };
    let validator = match key.validator {
        wit::Validator::Any => Validator::Any,
        wit::Validator::NonEmpty => Validator::NonEmpty,
        wit::Validator::OneOf(texts) => {
            Validator::OneOf(texts.into_iter().map(Into::into).collect())
        }
        wit::Validator::Between((least, most)) => Validator::Between(least, most),
    };
    let importance = match key.importance {
        wit::Importance::High => Importance::High,
        wit::Importance::Medium => Importance::Medium,
        wit::Importance::Low => Importance::Low,
    };
    match key.default_value {
        Some(default) => ConfigKey::new(key.name, kind, default, key.documentation),
        None => ConfigKey::required(key.name, kind, key.documentation),
    }
    .validator(validator)
    .importance(importance)
}
