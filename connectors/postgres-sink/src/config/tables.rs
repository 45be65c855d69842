//! The table of a topic, and how names are quoted.

use std::collections::BTreeMap;

use connect_api::{Choice, Config, ConfigKey, ConfigType, Error, Importance, Result, Validator};

use super::filled;

/// What a dot in a topic is in the table's name: `table.name.dots`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableDots {
    /// It parts schema and table.
    Schema,
    /// It becomes an underscore.
    Underscore,
}

impl Choice for TableDots {
    const WORDS: &'static [(&'static str, Self)] =
        &[("schema", Self::Schema), ("underscore", Self::Underscore)];
}

/// The table of a topic.
#[derive(Clone, Debug)]
pub(crate) struct TableNaming {
    format: String,
    dots: TableDots,
    /// Whether all but letters, digits and underscores become underscores.
    normalized: bool,
    mapping: BTreeMap<String, String>,
}

impl TableNaming {
    /// How the options name tables.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the mapping is no list of pairs.
    pub(super) fn resolve(config: &Config) -> Result<Self> {
        let pairs = filled(config.list("topics.to.tables.mapping"));
        let mapping = pairs.iter().map(|pair| {
            let (topic, table) = pair.split_once(':').ok_or_else(|| {
                Error::config("topics.to.tables.mapping must be a list of topic:table pairs")
            })?;
            Ok((topic.trim().to_owned(), table.trim().to_owned()))
        });
        Ok(Self {
            format: config.text("table.name.format").to_owned(),
            dots: config.choice("table.name.dots"),
            normalized: config.flag("table.name.normalize"),
            mapping: mapping.collect::<Result<_>>()?,
        })
    }

    /// The name of the topic's table, with its schema, not quoted yet.
    pub fn table(&self, topic: &str) -> Result<String> {
        if self.mapping.is_empty() {
            let mut name = match self.dots {
                TableDots::Schema => self.format.replace("${topic}", topic),
                TableDots::Underscore => self.format.replace("${topic}", &topic.replace('.', "_")),
            };
            if self.normalized {
                name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
            }
            return Ok(name);
        }
        self.mapping.get(topic).cloned().ok_or_else(|| {
            Error::config(format!(
                "the topic {topic} has no table in topics.to.tables.mapping"
            ))
        })
    }
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "table.name.format",
            ConfigType::String,
            "${topic}",
            "The table, with an optional schema: ${topic} stands for the topic.",
        )
        .validator(Validator::NonEmpty),
        ConfigKey::choice(
            "table.name.dots",
            TableDots::Schema,
            "What a dot in a topic is in the table's name: schema lets it part schema and table; \
             underscore is how Debezium's sink names tables, and the default of its class.",
        )
        .importance(Importance::Low),
        ConfigKey::new(
            "table.name.normalize",
            ConfigType::Boolean,
            "false",
            "Whether each character of the table's name besides letters of ASCII, digits and _ \
             becomes _.",
        )
        .importance(Importance::Low),
        ConfigKey::new(
            "topics.to.tables.mapping",
            ConfigType::List,
            "",
            "topic:table pairs. When there are any, a topic without one fails the task.",
        ),
    ]
}

/// The declaration of what names are written in.
pub(super) fn quoting() -> ConfigKey {
    ConfigKey::new(
        "quote.sql.identifiers",
        ConfigType::String,
        "always",
        "Names are always quoted.",
    )
    .validator(Validator::Check(only_always))
}

fn only_always(value: &str) -> std::result::Result<(), String> {
    if value.eq_ignore_ascii_case("always") {
        return Ok(());
    }
    Err("Only always is supported: names are taken as they are".to_owned())
}
