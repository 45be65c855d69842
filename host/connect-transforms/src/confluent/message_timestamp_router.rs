//! Confluent's `MessageTimestampRouter`: another topic, from a time that the value holds.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordTransformation, Result, Validator, Value,
};

use crate::simple_date_format::SimpleDateFormat;
use crate::{json_path, rows, topic_name};

const TOPIC: &str = "topic.format";
const MESSAGE: &str = "message.timestamp.format";
const KEYS: &str = "message.timestamp.keys";
const IN_TOPIC: &str = "topic.timestamp.format";

pub(crate) struct MessageTimestampRouter {
    topic: String,
    keys: Vec<String>,
    message: SimpleDateFormat,
    in_topic: SimpleDateFormat,
}

pub(crate) fn config_def() -> ConfigDef {
    let pattern = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, default, doc)
            .validator(Validator::Check(|text| {
                SimpleDateFormat::new(text).map(|_| ())
            }))
            .importance(Importance::High)
    };
    ConfigDef::new(vec![
        ConfigKey::new(
            TOPIC,
            ConfigType::String,
            "${topic}-${timestamp}",
            "Format string which can contain ${topic} and ${timestamp} as placeholders for the \
             topic and timestamp, respectively.",
        )
        .importance(Importance::High),
        pattern(
            MESSAGE,
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            "The format of the timestamps in messages, of java.text.SimpleDateFormat.",
        ),
        ConfigKey::required(
            KEYS,
            ConfigType::List,
            "Comma-separated names of the fields that may hold the timestamp; the first that a \
             message has is used.",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
        pattern(
            IN_TOPIC,
            "yyyyMMdd",
            "The format of the timestamp in the topic, of java.text.SimpleDateFormat.",
        ),
    ])
}

impl MessageTimestampRouter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let pattern = |name: &'static str| {
            let pattern = SimpleDateFormat::new(config.text(name));
            pattern.map_err(|why| Error::config(why).context(name))
        };
        Ok(Self {
            topic: config.text(TOPIC).to_owned(),
            keys: config.list(KEYS).to_vec(),
            message: parsing(pattern(MESSAGE)?)?,
            in_topic: pattern(IN_TOPIC)?,
        })
    }

    fn millis(&self, value: &Value) -> Result<i64> {
        for key in &self.keys {
            let found = json_path::field(value, key)?;
            match found {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => {
                    return self.message.parse(&text).ok_or_else(|| {
                        Error::data(format!("the field {key} is not of the format of {MESSAGE}"))
                    });
                }
                Some(Value::Timestamp(micros)) => return Ok(micros.div_euclid(1000)),
                Some(other) => {
                    let found = rows::java_class(&other, None);
                    return Err(Error::data(format!(
                        "the timestamp in field {key} must be a string, found: {found}"
                    )));
                }
            }
        }
        let keys = self.keys.join(", ");
        Err(Error::data(format!(
            "the value has none of the fields {keys}"
        )))
    }
}

/// # Errors
/// Where texts of the pattern do not tell a date.
fn parsing(pattern: SimpleDateFormat) -> Result<SimpleDateFormat> {
    match pattern.is_for_parsing() {
        true => Ok(pattern),
        false => Err(Error::config(format!(
            "Invalid value for configuration {MESSAGE}: Y is the year of a week, and without one \
             (w) months and days count for nothing; yyyy is the year"
        ))),
    }
}

impl RecordTransformation for MessageTimestampRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let timestamp = self.in_topic.format(self.millis(&record.value.value)?);
        let topic = self.topic.replace("${topic}", &record.topic);
        topic_name::route(record, &topic.replace("${timestamp}", &timestamp))?;
        Ok(Disposition::Keep)
    }
}
