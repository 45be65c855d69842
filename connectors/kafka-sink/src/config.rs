//! The options of the sink.

use connect_api::{Config, ConfigDef, ConfigKey, ConfigType, Importance, Result, Validator};

use crate::changelog::ChangelogConfig;
use crate::encode::Format;

const TOPIC: &str = "topic.name.format";
const KEY: &str = "output.key.converter";
const VALUE: &str = "output.value.converter";
const GUARANTEE: &str = "delivery.guarantee";
const STATE_TOPIC: &str = "state.topic.name";
const STATE_PARTITIONS: &str = "state.topic.partitions";
const STATE_REPLICATION: &str = "state.topic.replication.factor";

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
        ConfigKey::nullable(
            STATE_TOPIC,
            ConfigType::String,
            "The compacted topic that keeps the state of plugins. Left out, it is \
             connect-<name>-state. It is made when it is absent and a plugin needs it.",
        )
        .importance(Importance::Low),
        ConfigKey::new(
            STATE_PARTITIONS,
            ConfigType::Int,
            "25",
            "Partitions of the state topic when it is made. They cannot be changed later.",
        )
        .validator(Validator::AtLeast(1))
        .importance(Importance::Low),
        ConfigKey::new(
            STATE_REPLICATION,
            ConfigType::Short,
            "-1",
            "Replication factor of the state topic when it is made; -1 is the broker's default.",
        )
        .validator(Validator::AtLeast(-1))
        .importance(Importance::Low),
    ])
}

/// What a task is to do.
#[derive(Clone, Debug)]
pub(crate) struct KafkaSinkConfig {
    pub topic: String,
    pub key: Format,
    pub value: Format,
    pub exactly_once: bool,
    pub changelog: ChangelogConfig,
}

impl KafkaSinkConfig {
    pub(crate) fn resolve(config: &Config, connector: &str) -> Result<Self> {
        let number = |key| i32::try_from(config.integer(key)).unwrap_or(i32::MAX);
        let topic = config.optional_text(STATE_TOPIC).filter(|t| !t.is_empty());
        Ok(Self {
            changelog: ChangelogConfig {
                topic: topic.map_or_else(|| format!("connect-{connector}-state"), str::to_owned),
                partitions: number(STATE_PARTITIONS),
                replication: number(STATE_REPLICATION),
            },
            topic: config.text(TOPIC).to_owned(),
            key: Format::named(config.text(KEY))?,
            value: Format::named(config.text(VALUE))?,
            exactly_once: config.text(GUARANTEE).eq_ignore_ascii_case("exactly_once"),
        })
    }
}
