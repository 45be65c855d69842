//! The table of a record.

use std::collections::BTreeMap;

use connect_api::{
    Choice, Config, ConfigKey, ConfigType, Error, Importance, Result, Struct, Validator, Value,
};

use super::filled;
use super::naming::{self, CollectionStrategy, Quoting, Styled};

pub(super) const TABLE_NAME_FORMAT: &str = "table.name.format";

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

/// The table of a record.
#[derive(Clone, Debug)]
pub(crate) struct TableNaming {
    format: Format,
    dots: TableDots,
    /// Whether all but letters, digits and underscores become underscores.
    normalized: bool,
    mapping: BTreeMap<String, String>,
    quoting: Quoting,
}

/// How a name is made of a topic and of what an event tells of its source.
#[derive(Clone, Debug)]
enum Format {
    /// `table.name.format`, in its parts.
    Parts(Vec<Part>),
    /// Debezium's Custom strategy.
    Styled(Styled),
}

/// A part of `table.name.format`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `${topic}`
    Topic,
    /// `${source.…}`: a field of an event's `source`.
    Source(String),
}

impl Part {
    /// The parts of a format.
    ///
    /// # Errors
    /// When it has a placeholder that stands for nothing.
    fn read(format: &str) -> std::result::Result<Vec<Self>, String> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some((text, after)) = rest.split_once("${") {
            if !text.is_empty() {
                parts.push(Self::Text(text.to_owned()));
            }
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| "A placeholder has no closing brace".to_owned())?;
            parts.push(match name.strip_prefix("source.") {
                Some(field) if !field.is_empty() => Self::Source(field.to_owned()),
                _ if name == "topic" => Self::Topic,
                _ => {
                    return Err(format!(
                        "${{{name}}} is not known: ${{topic}} stands for the topic, and \
                         ${{source.FIELD}} for a field of the source of a change event"
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Self::Text(rest.to_owned()));
        }
        Ok(parts)
    }
}

impl TableNaming {
    /// How the options name tables.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the mapping is no list of pairs, or the format has a
    /// placeholder that is not known.
    pub(super) fn resolve(config: &Config) -> Result<Self> {
        let pairs = filled(config.list("topics.to.tables.mapping"));
        let mapping = pairs.iter().map(|pair| {
            let (topic, table) = pair.split_once(':').ok_or_else(|| {
                Error::config("topics.to.tables.mapping must be a list of topic:table pairs")
            })?;
            Ok((topic.trim().to_owned(), table.trim().to_owned()))
        });
        let strategy: CollectionStrategy = config.choice(naming::COLLECTION_STRATEGY);
        let format = match strategy {
            CollectionStrategy::Custom => {
                Format::Styled(Styled::resolve(config, naming::COLLECTION_STYLE))
            }
            _ => Format::Parts(
                Part::read(config.text(TABLE_NAME_FORMAT))
                    .map_err(|why| Error::config(format!("{TABLE_NAME_FORMAT}: {why}")))?,
            ),
        };
        Ok(Self {
            format,
            dots: match strategy {
                CollectionStrategy::Passthrough => TableDots::Schema,
                _ => config.choice("table.name.dots"),
            },
            normalized: config.flag("table.name.normalize"),
            mapping: mapping.collect::<Result<_>>()?,
            quoting: config.choice(naming::QUOTING),
        })
    }

    /// Whether the records of a topic may have several tables.
    pub fn depends_on_source(&self) -> bool {
        let is_source = |part: &Part| matches!(part, Part::Source(_));
        let has_source =
            matches!(&self.format, Format::Parts(parts) if parts.iter().any(is_source));
        self.mapping.is_empty() && has_source
    }

    /// The name of the table, with its schema, not quoted yet, of a record of the topic. The source
    /// is that of the change event, where it is one.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the topic has no table,
    /// [`connect_api::ErrorKind::Data`] when the record does not tell its table.
    pub fn table(&self, topic: &str, source: Option<&Struct>) -> Result<String> {
        if !self.mapping.is_empty() {
            let named = self.mapping.get(topic).cloned().ok_or_else(|| {
                Error::config(format!(
                    "the topic {topic} has no table in topics.to.tables.mapping"
                ))
            });
            return named.map(|name| self.quoting.folded(name));
        }
        let mut name = match &self.format {
            Format::Styled(styled) => styled.name(last_part(topic)),
            Format::Parts(parts) => {
                let mut name = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => name.push_str(text),
                        Part::Topic if self.dots == TableDots::Underscore => {
                            name.push_str(&topic.replace('.', "_"));
                        }
                        Part::Topic => name.push_str(topic),
                        Part::Source(field) => name.push_str(source_field(source, field)?),
                    }
                }
                name
            }
        };
        if self.normalized {
            name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
        }
        Ok(self.quoting.folded(name))
    }
}

/// What Debezium's Custom strategy takes for the table: of `server.schema.table` the third part, of
/// `schema.table` the second.
fn last_part(topic: &str) -> &str {
    let parts: Vec<&str> = topic.split('.').collect();
    match parts[..] {
        [_, _, table, ..] | [_, table] => table,
        _ => topic,
    }
}

fn source_field<'a>(source: Option<&'a Struct>, field: &str) -> Result<&'a str> {
    let source = source.ok_or_else(|| {
        Error::data(format!(
            "the table is named by ${{source.{field}}}, and the record is no change event with a \
             source"
        ))
    })?;
    match source.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(Error::data(format!(
            "the source of the change event has no text {field}, by which its table is named"
        ))),
    }
}

fn check_format(format: &str) -> std::result::Result<(), String> {
    match format.trim().is_empty() {
        true => Err("String must be non-empty".to_owned()),
        false => Part::read(format).map(drop),
    }
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            TABLE_NAME_FORMAT,
            ConfigType::String,
            "${topic}",
            "The table, with an optional schema: ${topic} stands for the topic, and ${source.FIELD} \
             for a field of the source of a change event, such as schema or table.",
        )
        .validator(Validator::Check(check_format)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_parts() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(
            Part::read("raw.${topic}_${source.schema}x"),
            Ok(vec![
                text("raw."),
                Part::Topic,
                text("_"),
                Part::Source("schema".to_owned()),
                text("x"),
            ])
        );
        for format in ["${topic", "${table}", "${source.}", "${Topic}", "${}"] {
            assert!(Part::read(format).is_err(), "{format}");
        }
    }
}
