//! `DropHeaders`: removes headers by name.

use std::collections::HashSet;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Importance, Record,
    RecordTransformation, Result, Str, Validator,
};

use crate::rows;

pub(crate) struct DropHeaders(HashSet<Str>);

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "headers",
            ConfigType::List,
            "The name of the headers to be removed.",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
    ])
}

impl DropHeaders {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self(config.list("headers").iter().map(Str::from).collect()))
    }
}

impl RecordTransformation for DropHeaders {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        record
            .headers
            .retain(|header| !self.0.contains(&header.name));
        Ok(Disposition::Keep)
    }
}
