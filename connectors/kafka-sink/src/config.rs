//! The options of the sink.

use std::sync::Arc;

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Error, Importance, Properties,
    RecordPart, Result, Validator,
};
use connect_converters::{SerializerType, serializers};

use crate::changelog::ChangelogConfig;
use crate::encode::{Format, Writer};

const TOPIC: &str = "topic.name.format";
const KEY: &str = "output.key.converter";
const VALUE: &str = "output.value.converter";
const GUARANTEE: &str = "delivery.guarantee";
const STATE_TOPIC: &str = "state.topic.name";
const STATE_PARTITIONS: &str = "state.topic.partitions";
const STATE_REPLICATION: &str = "state.topic.replication.factor";

/// Of the options of JSON, only those that stand on their own.
const SCHEMAS_ENABLE: &str = "schemas.enable";

/// `delivery.guarantee`.
#[derive(Clone, Copy, PartialEq)]
enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

impl Choice for Guarantee {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("exactly_once", Self::ExactlyOnce),
        ("at_least_once", Self::AtLeastOnce),
    ];
}

pub(crate) fn config_def() -> ConfigDef {
    let mut keys = own();
    for part in [KEY, VALUE] {
        for serializer in serializers() {
            let theirs = (serializer.config_def)();
            for mut key in theirs.keys().iter().cloned() {
                let name = format!("{part}.{}", key.name);
                if keys.iter().any(|known| known.name == name) {
                    continue;
                }
                if key.name == SCHEMAS_ENABLE {
                    key.default = Some(Some("false".into()));
                } else if key.default.is_none() {
                    // Needed only with one of the classes.
                    key.default = Some(None);
                }
                let class = serializer.class.rsplit('.').next().unwrap_or_default();
                key.group = Some(format!("{part}: {class}").into());
                key.name = name.into();
                keys.push(key);
            }
        }
    }
    ConfigDef::new(keys)
}

fn own() -> Vec<ConfigKey> {
    let formats =
        || Validator::Check(|class| Format::named(class).map(drop).map_err(|e| e.chain()));
    vec![
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
            "How keys are written: as text, as JSON, as Avro, or as the bytes that they are. The \
             converter's own options stand behind: output.key.converter.schemas.enable, \
             output.key.converter.schema.registry.url and others.",
        )
        .validator(formats())
        .importance(Importance::Medium),
        ConfigKey::new(
            VALUE,
            ConfigType::Class,
            Format::CLASSES[1],
            "How values are written: as text, as JSON, as Avro, or as the bytes that they are. \
             The converter's own options stand behind, as for keys.",
        )
        .validator(formats())
        .importance(Importance::High),
        ConfigKey::choice(
            GUARANTEE,
            Guarantee::ExactlyOnce,
            "exactly_once: records and the offsets that they came from are one transaction. \
             at_least_once: no transactions; after a fault records may be written again.",
        )
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
    ]
}

/// The options of a part's own class.
fn options(part: &str, properties: &Properties) -> Properties {
    let prefix = format!("{part}.");
    let own = properties.iter();
    let own = own.filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_owned(), v.clone())));
    own.collect()
}

/// Adds what is wrong with the options of the classes that are named.
pub(crate) fn validate(properties: &Properties, values: &mut [ConfigValue]) {
    for part in [KEY, VALUE] {
        let class = properties.get(part).map_or("", |class| class.trim());
        let Some(Format::Schemas(serializer)) = Format::named(class).ok().map(|format| {
            let options = options(part, properties);
            let enabled = options.get(SCHEMAS_ENABLE);
            format.with_schemas(enabled.is_some_and(|on| on.trim().eq_ignore_ascii_case("true")))
        }) else {
            continue;
        };
        for missing in (serializer.config_def)().keys() {
            let name = format!("{part}.{}", missing.name);
            if missing.default.is_none()
                && !properties.contains_key(&name)
                && let Some(value) = values.iter_mut().find(|value| value.name == name)
            {
                value.errors.push(format!(
                    "Missing required configuration \"{name}\" which has no default value."
                ));
            }
        }
    }
}

fn writer(config: &Config, name: &str, part: RecordPart) -> Result<Writer> {
    let enabled = config.flag(&format!("{name}.{SCHEMAS_ENABLE}"));
    let format = Format::named(config.text(name))?.with_schemas(enabled);
    let Format::Schemas(serializer) = format else {
        return Ok(Writer::Plain(format));
    };
    let all: Properties = config
        .resolved()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let build = |serializer: &SerializerType| {
        let config = (serializer.config_def)().parse(&options(name, &all))?;
        (serializer.build)(&config, part)
    };
    let built = build(serializer).map_err(|e: Error| e.context(name))?;
    Ok(Writer::Schemas(Arc::from(built)))
}

/// What a task is to do.
#[derive(Clone)]
pub(crate) struct KafkaSinkConfig {
    pub topic: String,
    pub key: Writer,
    pub value: Writer,
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
            key: writer(config, KEY, RecordPart::Key)?,
            value: writer(config, VALUE, RecordPart::Value)?,
            exactly_once: config.choice::<Guarantee>(GUARANTEE) == Guarantee::ExactlyOnce,
        })
    }
}
