//! `RecordIsTombstone`: whether a record's value is null.

use connect_api::{Config, ConfigDef, Predicate, Record, Result};

pub(crate) struct RecordIsTombstone;

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::default()
}

impl RecordIsTombstone {
    pub(crate) fn new(_: &Config) -> Result<Self> {
        Ok(Self)
    }
}

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &Record) -> Result<bool> {
        Ok(record.value.value.is_null())
    }
}
