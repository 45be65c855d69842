//! `Filter`: drops every record that it gets; a predicate tells which.

use connect_api::{Config, ConfigDef, Disposition, Record, RecordTransformation, Result};

pub(crate) struct Filter;

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::default()
}

impl Filter {
    pub(crate) fn new(_: &Config) -> Result<Self> {
        Ok(Self)
    }
}

impl RecordTransformation for Filter {
    fn apply(&mut self, _: &mut Record) -> Result<Disposition> {
        Ok(Disposition::Drop)
    }
}
