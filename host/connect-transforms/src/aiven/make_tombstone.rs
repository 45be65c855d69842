//! Aiven's `MakeTombstone`: a null in place of the value.

use connect_api::{Config, ConfigDef, Datum, Disposition, Record, RecordTransformation, Result};

pub(crate) struct MakeTombstone;

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(Vec::new())
}

impl MakeTombstone {
    pub(crate) fn new(_config: &Config) -> Result<Self> {
        Ok(Self)
    }
}

impl RecordTransformation for MakeTombstone {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        record.value = Datum::NULL;
        Ok(Disposition::Keep)
    }
}
