//! `TimestampRouter`: another topic, from the record's topic and timestamp.

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordTransformation, Result, Validator,
};

use crate::simple_date_format::SimpleDateFormat;

pub(crate) struct TimestampRouter {
    topic_format: String,
    timestamp_format: SimpleDateFormat,
    /// The topic made last: records that follow mostly share it.
    last: Option<Arc<str>>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::new(
            "topic.format",
            ConfigType::String,
            "${topic}-${timestamp}",
            "Format string which can contain ${topic} and ${timestamp} as placeholders for the \
             topic and timestamp, respectively.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            "timestamp.format",
            ConfigType::String,
            "yyyyMMdd",
            "Format string for the timestamp that is compatible with java.text.SimpleDateFormat.",
        )
        .validator(Validator::Check(|text| {
            SimpleDateFormat::new(text).map(|_| ())
        }))
        .importance(Importance::High),
    ])
}

impl TimestampRouter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            topic_format: config.text("topic.format").to_owned(),
            timestamp_format: SimpleDateFormat::new(config.text("timestamp.format"))
                .map_err(|why| Error::config(why).context("timestamp.format"))?,
            last: None,
        })
    }
}

impl RecordTransformation for TimestampRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let timestamp = record
            .timestamp
            .ok_or_else(|| Error::data("Timestamp missing on record"))?;
        let timestamp = self.timestamp_format.format(timestamp.0);
        let topic = self.topic_format.replace("${topic}", &record.topic);
        let topic = topic.replace("${timestamp}", &timestamp);
        let topic = match self.last.take() {
            Some(last) if *last == *topic => last,
            _ => topic.into(),
        };
        self.last = Some(Arc::clone(&topic));
        record.topic = topic;
        Ok(Disposition::Keep)
    }
}
