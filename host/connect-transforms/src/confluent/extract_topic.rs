//! Confluent's `ExtractTopic`: the topic out of the key, the value or a header.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Importance,
    Record, RecordPart, RecordTransformation, Result, Validator, Value, WordCase,
};

use crate::json_path::{self, JsonPath};
use crate::{rows, topic_name};

/// `field.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Plain,
    JsonPath,
}

impl Choice for Format {
    const WORDS: &'static [(&'static str, Self)] =
        &[("PLAIN", Self::Plain), ("JSON_PATH", Self::JsonPath)];
    const CASE: WordCase = WordCase::Any;
}

/// Where the topic's name is.
enum Place {
    /// The whole.
    Whole,
    Field(String),
    Path(JsonPath),
}

pub(crate) struct Transform {
    part: RecordPart,
    place: Place,
    skip: bool,
}

pub(crate) struct ExtractTopicFromHeader {
    header: String,
    skip: bool,
}

const SKIP: &str = "skip.missing.or.null";

fn skip_key() -> ConfigKey {
    ConfigKey::new(
        SKIP,
        ConfigType::Boolean,
        "false",
        "How to handle missing fields and null fields, keys, and values. By default, this \
         transformation will throw an exception if a field, or an entire key or value, is missing \
         or null. When set to true, the topic name for the record is not altered.",
    )
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::new(
            "field",
            ConfigType::String,
            "",
            "Field name to use as the topic name. If left blank, the entire key or value is used \
             (and assumed to be a string).",
        ),
        ConfigKey::choice(
            "field.format",
            Format::Plain,
            "Whether the field is a name (PLAIN) or a JSON path (JSON_PATH).",
        ),
        skip_key(),
    ])
}

pub(crate) fn header_config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "field",
            ConfigType::String,
            "The name of the header to use as the topic name.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        skip_key(),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let field = config.text("field");
        let place = match config.choice("field.format") {
            _ if field.is_empty() => Place::Whole,
            Format::Plain => Place::Field(field.to_owned()),
            Format::JsonPath => {
                let refused = |why: String| {
                    Error::config(format!(
                        "Invalid value {field} for configuration field: {why}"
                    ))
                };
                Place::Path(JsonPath::parse(field).map_err(refused)?)
            }
        };
        Ok(Self {
            part,
            place,
            skip: config.flag(SKIP),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let part = match self.part {
            RecordPart::Key => "key",
            RecordPart::Value => "value",
        };
        let datum = &*rows::datum(record, self.part);
        let found = match &self.place {
            Place::Whole => Some(datum.value.clone()),
            Place::Field(name) => json_path::field(&datum.value, name)?,
            Place::Path(path) => path.first(&datum.value)?,
        };
        let topic = match found {
            Some(Value::String(topic)) if !topic.is_empty() => topic,
            None | Some(Value::Null | Value::String(_)) if self.skip => {
                return Ok(Disposition::Keep);
            }
            None | Some(Value::Null | Value::String(_)) => {
                return Err(Error::data(format!(
                    "the {part} has no topic where it is looked for, and {SKIP} is false"
                )));
            }
            Some(other) => return Err(no_string(&other, part)),
        };
        topic_name::route(record, &topic)?;
        Ok(Disposition::Keep)
    }
}

impl ExtractTopicFromHeader {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            header: config.text("field").to_owned(),
            skip: config.flag(SKIP),
        })
    }
}

impl RecordTransformation for ExtractTopicFromHeader {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        // Of several, the last one counts.
        let headers = record.headers.iter().rev();
        let found = headers
            .into_iter()
            .find(|header| *header.name == *self.header);
        let topic = match found.map(|header| &header.value) {
            Some(Datum {
                value: Value::String(topic),
                ..
            }) if !topic.is_empty() => topic.clone(),
            None
            | Some(Datum {
                value: Value::Null | Value::String(_),
                ..
            }) => {
                return match self.skip {
                    true => Ok(Disposition::Keep),
                    false => Err(Error::data(format!(
                        "the header {} has no topic, and {SKIP} is false",
                        self.header
                    ))),
                };
            }
            Some(other) => return Err(no_string(&other.value, "header")),
        };
        topic_name::route(record, &topic)?;
        Ok(Disposition::Keep)
    }
}

fn no_string(value: &Value, part: &str) -> Error {
    let found = rows::java_class(value, None);
    Error::data(format!(
        "the topic's name must be a string, found in the {part}: {found}"
    ))
}
