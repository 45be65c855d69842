//! `TombstoneHandler`: drops records without a value, or fails on them. Confluent's and Aiven's.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, Disposition, Error, Importance, Record,
    RecordTransformation, Result, WordCase,
};

const BEHAVIOR: &str = "behavior";

/// What is done about a tombstone. A warning is not written: it would be one for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    Ignore,
    Warn,
    Fail,
}

impl Choice for Behavior {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ignore", Self::Ignore),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// The same in Aiven's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AivensBehavior {
    DropSilent,
    DropWarn,
    Fail,
}

impl Choice for AivensBehavior {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("drop_silent", Self::DropSilent),
        ("drop_warn", Self::DropWarn),
        ("fail", Self::Fail),
    ];
    const CASE: WordCase = WordCase::Any;
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::choice(
            BEHAVIOR,
            Behavior::Warn,
            "Whether tombstones are dropped (ignore, warn) or are errors (fail).",
        )
        .importance(Importance::Medium),
    ])
}

pub(crate) fn aivens_config_def() -> ConfigDef {
    let mut key = ConfigKey::choice(
        BEHAVIOR,
        AivensBehavior::DropSilent,
        "Whether tombstones are dropped (drop_silent, drop_warn) or are errors (fail).",
    );
    key.default = None;
    ConfigDef::new(vec![key])
}

#[derive(PartialEq)]
pub(crate) enum TombstoneHandler {
    Drop,
    Fail,
}

impl TombstoneHandler {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(match config.choice(BEHAVIOR) {
            Behavior::Ignore | Behavior::Warn => Self::Drop,
            Behavior::Fail => Self::Fail,
        })
    }

    pub(crate) fn aivens(config: &Config) -> Result<Self> {
        Ok(match config.choice(BEHAVIOR) {
            AivensBehavior::DropSilent | AivensBehavior::DropWarn => Self::Drop,
            AivensBehavior::Fail => Self::Fail,
        })
    }
}

impl RecordTransformation for TombstoneHandler {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        match self {
            _ if !record.value.value.is_null() => Ok(Disposition::Keep),
            Self::Drop => Ok(Disposition::Drop),
            Self::Fail => Err(Error::data(
                "Tombstone record encountered, and behavior is fail",
            )),
        }
    }
}
