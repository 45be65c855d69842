//! Subjects: the name that a schema is registered under.

use connect_api::{
    Choice, Config, ConfigKey, ConfigType, Error, RecordPart, Result, Schema, WordCase,
};

const KEY_STRATEGY: &str = "key.subject.name.strategy";
const VALUE_STRATEGY: &str = "value.subject.name.strategy";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Topic,
    Record,
    TopicRecord,
}

impl Choice for Strategy {
    const WORDS: &'static [(&'static str, Self)] = &[
        (
            "io.confluent.kafka.serializers.subject.TopicNameStrategy",
            Self::Topic,
        ),
        (
            "io.confluent.kafka.serializers.subject.RecordNameStrategy",
            Self::Record,
        ),
        (
            "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
            Self::TopicRecord,
        ),
    ];
    const ALIASES: &'static [(&'static str, Self)] = &[
        ("TopicNameStrategy", Self::Topic),
        ("RecordNameStrategy", Self::Record),
        ("TopicRecordNameStrategy", Self::TopicRecord),
    ];
    const CASE: WordCase = WordCase::Exact;
}

pub(super) fn config_keys() -> Vec<ConfigKey> {
    let doc = "What the subject of a schema to write with is named by: TopicNameStrategy by the \
               topic, with -key or -value behind, RecordNameStrategy by the name of the record, \
               TopicRecordNameStrategy by both.";
    let key = |name: &'static str| ConfigKey {
        kind: ConfigType::Class,
        ..ConfigKey::choice(name, Strategy::Topic, doc)
    };
    vec![key(KEY_STRATEGY), key(VALUE_STRATEGY)]
}

/// How the subjects of one part of records are named.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubjectName {
    strategy: Strategy,
    part: RecordPart,
}

impl SubjectName {
    pub(super) fn new(config: &Config, part: RecordPart) -> Self {
        let strategy = config.choice(match part {
            RecordPart::Key => KEY_STRATEGY,
            RecordPart::Value => VALUE_STRATEGY,
        });
        Self { strategy, part }
    }

    /// The subject of a schema, which is this record.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the strategy names it by a record and it is none.
    pub(super) fn of(self, topic: &str, record: Option<&str>, schema: &Schema) -> Result<String> {
        let record = || {
            record.ok_or_else(|| {
                Error::data(format!(
                    "the subject is to be named by the record, and a schema of type {} is none, or \
                     has no name: use TopicNameStrategy",
                    schema.type_name()
                ))
            })
        };
        Ok(match (self.strategy, self.part) {
            (Strategy::Topic, RecordPart::Key) => format!("{topic}-key"),
            (Strategy::Topic, RecordPart::Value) => format!("{topic}-value"),
            (Strategy::Record, _) => record()?.to_owned(),
            (Strategy::TopicRecord, _) => format!("{topic}-{}", record()?),
        })
    }
}
