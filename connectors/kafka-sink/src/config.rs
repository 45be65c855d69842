//! The options of the sink.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Converter, HeaderConverter,
    Importance, Properties, RecordPart, Result, Validator,
};
use connect_converters::{ConverterContext, ConverterType, converter, converters};
use tokio::runtime::Handle;

use crate::changelog::ChangelogConfig;

const TOPIC: &str = "topic.name.format";
const KEY: &str = "output.key.converter";
const VALUE: &str = "output.value.converter";
const GUARANTEE: &str = "delivery.guarantee";
const STATE_TOPIC: &str = "state.topic.name";
const STATE_PARTITIONS: &str = "state.topic.partitions";
const STATE_REPLICATION: &str = "state.topic.replication.factor";

/// The one option of a converter whose default is another here: most topics have plain JSON.
const SCHEMAS_ENABLE: &str = "schemas.enable";
/// How headers are written.
const HEADER_CLASS: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

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
        for converter in writers() {
            let theirs = (converter.config_def)();
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
                key.group = Some(format!("{part}: {}", converter.simple_name()).into());
                key.name = name.into();
                keys.push(key);
            }
        }
    }
    ConfigDef::new(keys)
}

/// The classes that write keys and values.
fn writers() -> impl Iterator<Item = &'static ConverterType> {
    converters().iter().filter(|known| known.build.is_some())
}

fn check_class(class: &str) -> std::result::Result<(), String> {
    if converter(class).is_some() {
        return Ok(());
    }
    let known: Vec<_> = writers().map(|known| known.class).collect();
    Err(format!("This sink writes with {}", known.join(", ")))
}

fn own() -> Vec<ConfigKey> {
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
            "org.apache.kafka.connect.storage.StringConverter",
            "How keys are written: as text, as JSON, as Avro, as numbers, or as the bytes that \
             they are. The converter's own options stand behind: output.key.converter.schemas.enable, \
             output.key.converter.schema.registry.url and others.",
        )
        .validator(Validator::Check(check_class))
        .importance(Importance::Medium),
        ConfigKey::new(
            VALUE,
            ConfigType::Class,
            "org.apache.kafka.connect.json.JsonConverter",
            "How values are written: as text, as JSON, as Avro, as numbers, or as the bytes that \
             they are. The converter's own options stand behind, as for keys.",
        )
        .validator(Validator::Check(check_class))
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
        let class = properties.get(part).and_then(|class| converter(class));
        let Some(class) = class else {
            continue;
        };
        for missing in (class.config_def)().keys() {
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

/// The converter of one part of records, as the config names it.
#[derive(Clone)]
struct NamedConverter {
    /// The option that names it.
    option: &'static str,
    class: String,
    options: Properties,
    part: RecordPart,
}

impl NamedConverter {
    fn new(config: &Config, option: &'static str, part: RecordPart) -> Self {
        let resolved = config.resolved();
        let resolved = resolved.map(|(key, value)| (key.to_owned(), value));
        Self {
            option,
            class: config.text(option).to_owned(),
            options: options(option, &resolved.collect()),
            part,
        }
    }

    fn build(&self, runtime: Handle) -> Result<Box<dyn Converter>> {
        let context = ConverterContext {
            runtime,
            part: self.part,
        };
        let built = connect_converters::build(&self.class, &self.options, &context);
        built.map_err(|e| e.context(self.option))
    }
}

/// What a task writes records with.
pub(crate) struct Converters {
    pub key: Box<dyn Converter>,
    pub value: Box<dyn Converter>,
    pub header: Box<dyn HeaderConverter>,
}

/// What a task is to do.
#[derive(Clone)]
pub(crate) struct KafkaSinkConfig {
    pub topic: String,
    key: NamedConverter,
    value: NamedConverter,
    pub exactly_once: bool,
    pub changelog: ChangelogConfig,
}

impl KafkaSinkConfig {
    pub(crate) fn resolve(config: &Config, connector: &str) -> Self {
        let number = |key| i32::try_from(config.integer(key)).unwrap_or(i32::MAX);
        let topic = config.optional_text(STATE_TOPIC).filter(|t| !t.is_empty());
        Self {
            changelog: ChangelogConfig {
                topic: topic.map_or_else(|| format!("connect-{connector}-state"), str::to_owned),
                partitions: number(STATE_PARTITIONS),
                replication: number(STATE_REPLICATION),
            },
            topic: config.text(TOPIC).to_owned(),
            key: NamedConverter::new(config, KEY, RecordPart::Key),
            value: NamedConverter::new(config, VALUE, RecordPart::Value),
            exactly_once: config.choice::<Guarantee>(GUARANTEE) == Guarantee::ExactlyOnce,
        }
    }

    /// The converters of a task; those with a Schema Registry ask it on the runtime.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the option of the converter that cannot be made.
    pub(crate) fn converters(&self, runtime: &Handle) -> Result<Converters> {
        Ok(Converters {
            key: self.key.build(runtime.clone())?,
            value: self.value.build(runtime.clone())?,
            header: connect_converters::build_header(HEADER_CLASS, &Properties::new())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use connect_api::{Datum, Error, Value, json};

    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Properties {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// What a value becomes.
    fn written(pairs: &[(&str, &str)], value: Value) -> Result<Option<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|e| Error::fatal("no runtime").with_source(e))?;
        let config = config_def().parse(&given(pairs))?;
        let config = KafkaSinkConfig::resolve(&config, "name");
        let mut converters = config.converters(runtime.handle())?;
        let datum = Datum::schemaless(value);
        let bytes = converters.value.from_connect_data("topic", &datum)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[test]
    fn values_are_plain_json_unless_told_otherwise() {
        let object = || json::parse(r#"{"a": [1]}"#).unwrap();
        let enveloped = r#"{"schema":null,"payload":{"a":[1]}}"#;
        for (pairs, expect) in [
            (&[][..], r#"{"a":[1]}"#),
            (&[(VALUE, "JsonConverter")], r#"{"a":[1]}"#),
            (
                &[("output.value.converter.schemas.enable", "true")],
                enveloped,
            ),
            (&[(VALUE, "StringConverter")], r#"{"a":[1]}"#),
        ] {
            let found = written(pairs, object()).unwrap();
            assert_eq!(found.as_deref(), Some(expect), "{pairs:?}");
        }
        let found = written(&[(VALUE, "ShortConverter")], Value::Int(0x4142)).unwrap();
        assert_eq!(found.as_deref(), Some("AB"));
        let error = written(&[(VALUE, "ByteArrayConverter")], object()).unwrap_err();
        assert_eq!(error.chain(), "ByteArrayConverter writes bytes, not struct");
    }

    #[test]
    fn a_class_that_does_not_write_is_refused() {
        for class in ["SimpleHeaderConverter", "com.example.ProtobufConverter"] {
            let error = config_def().parse(&given(&[(KEY, class)])).unwrap_err();
            let told = error.chain();
            assert!(told.contains("This sink writes with org.apache"), "{told}");
            assert!(told.contains("io.confluent.connect.avro.AvroConverter"));
        }
        for class in writers() {
            assert!(check_class(class.class).is_ok());
            assert!(check_class(class.simple_name()).is_ok());
        }
    }

    #[test]
    fn an_option_that_a_class_needs_is_missed() {
        let properties = given(&[(VALUE, "AvroConverter")]);
        let mut values = config_def().validate(&properties);
        validate(&properties, &mut values);
        let wrong: Vec<_> = values.iter().filter(|v| !v.errors.is_empty()).collect();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(wrong[0].name, "output.value.converter.schema.registry.url");
        let error = written(&[(VALUE, "AvroConverter")], Value::Int(1)).unwrap_err();
        let told = error.chain();
        assert!(
            told.starts_with("output.value.converter: Missing"),
            "{told}"
        );
    }
}
