//! The options of the sink.

use connect_api::{Config, ConfigDef, ConfigKey, ConfigType, Importance, Result, Validator};

use crate::encode::Format;

const TOPIC: &str = "topic.name.format";
const KEY: &str = "output.key.converter";
const VALUE: &str = "output.value.converter";
const GUARANTEE: &str = "delivery.guarantee";

pub(crate) fn config_def() -> ConfigDef {
    let formats =
        || Validator::Check(|class| Format::named(class).map(drop).map_err(|e| e.chain()));
    ConfigDef::new(vec![
        ConfigKey::new(
            TOPIC,
            ConfigType::String,
            "${topic}",
            "The topic to write a record to. ${topic} is the record's own, which a transform may \
             have set. It has to be another one than the record was read from.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::new(
            KEY,
            ConfigType::Class,
            Format::CLASSES[0],
            "How keys are written: as text, as JSON without schemas, or as the bytes that they are.",
        )
        .validator(formats())
        .importance(Importance::Medium),
        ConfigKey::new(
            VALUE,
            ConfigType::Class,
            Format::CLASSES[1],
            "How values are written: as text, as JSON without schemas, or as the bytes that they \
             are.",
        )
        .validator(formats())
        .importance(Importance::High),
        ConfigKey::new(
            GUARANTEE,
            ConfigType::String,
            "exactly_once",
            "exactly_once: records and the offsets that they came from are one transaction. \
             at_least_once: no transactions; after a fault records may be written again.",
        )
        .validator(Validator::OneOfIgnoreCase(vec![
            "exactly_once".into(),
            "at_least_once".into(),
        ]))
        .importance(Importance::Medium),
    ])
}

/// What a task is to do.
#[derive(Clone, Debug)]
pub(crate) struct KafkaSinkConfig {
    pub topic: String,
    pub key: Format,
    pub value: Format,
    pub exactly_once: bool,
}

impl KafkaSinkConfig {
    pub(crate) fn resolve(config: &Config) -> Result<Self> {
        Ok(Self {
            topic: config.text(TOPIC).to_owned(),
            key: Format::named(config.text(KEY))?,
            value: Format::named(config.text(VALUE))?,
            exactly_once: config.text(GUARANTEE).eq_ignore_ascii_case("exactly_once"),
        })
    }
}
