//! Aiven's `ExtractTimestamp`: the record's timestamp out of a field.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordPart, RecordTransformation, Result, Timestamp, Validator, Value, WordCase,
};

use crate::{json_path, rows};

/// `timestamp.resolution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    Milliseconds,
    Seconds,
}

impl Choice for Resolution {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("milliseconds", Self::Milliseconds),
        ("seconds", Self::Seconds),
    ];
    const CASE: WordCase = WordCase::Any;
}

pub(crate) struct Transform {
    part: RecordPart,
    field: String,
    resolution: Resolution,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "field.name",
            ConfigType::String,
            "The name of the field is to be used as the source of timestamp. The field must have \
             INT64 or org.apache.kafka.connect.data.Timestamp type and must not be null.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::choice(
            "timestamp.resolution",
            Resolution::Milliseconds,
            "What a field of type INT64 counts since 1970: milliseconds or seconds.",
        )
        .importance(Importance::Low),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            field: config.text("field.name").to_owned(),
            resolution: config.choice("timestamp.resolution"),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let field = &self.field;
        let missing = || {
            Error::data(format!(
                "{field} field must be present and its value can't be null"
            ))
        };
        let out_of_range = || Error::data(format!("the timestamp of {field} is out of range"));
        let millis = match json_path::field(&datum.value, field)?.ok_or_else(missing)? {
            Value::Null => return Err(missing()),
            Value::Int(number) => match self.resolution {
                Resolution::Milliseconds => number,
                Resolution::Seconds => number.checked_mul(1000).ok_or_else(out_of_range)?,
            },
            Value::Timestamp(micros) | Value::Time(micros) => micros.div_euclid(1000),
            Value::Date(days) => i64::from(days) * crate::simple_date_format::DAY,
            _ => {
                return Err(Error::data(format!(
                    "{field} field must be INT64 or org.apache.kafka.connect.data.Timestamp"
                )));
            }
        };
        record.timestamp = Some(Timestamp(millis));
        Ok(Disposition::Keep)
    }
}
