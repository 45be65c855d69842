//! `TopicNameMatches`: whether the whole name of a record's topic matches.

use crate::java_regex::{self, JavaRegex};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Error, Predicate, Record, Result, Validator,
};

pub(crate) struct TopicNameMatches(JavaRegex);

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "pattern",
            ConfigType::String,
            "A Java regular expression for matching against the name of a record's topic.",
        )
        .validator(Validator::Check(|text| match text {
            "" => Err("String must be non-empty".into()),
            _ => java_regex::check(text),
        })),
    ])
}

impl TopicNameMatches {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        JavaRegex::whole(config.text("pattern"))
            .map(Self)
            .map_err(|why| Error::config(why).context("pattern"))
    }
}

impl Predicate for TopicNameMatches {
    fn test(&self, record: &Record) -> Result<bool> {
        self.0.is_match(&record.topic)
    }
}
