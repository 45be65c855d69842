//! `InsertHeader`: adds a header with a fixed value.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Header, Importance,
    RecordTransformation, Result, SinkRecord,
};

use crate::values;

pub(crate) struct InsertHeader(Header);

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("header", ConfigType::String, "The name of the header.")
            .importance(Importance::High),
        ConfigKey::required(
            "value.literal",
            ConfigType::String,
            "The literal value that is to be set as the header value on all records.",
        )
        .importance(Importance::High),
    ])
}

impl InsertHeader {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self(Header {
            name: config.text("header").into(),
            value: values::parse_string(config.text("value.literal")),
        }))
    }
}

impl RecordTransformation for InsertHeader {
    fn apply(&mut self, record: &mut SinkRecord) -> Result<Disposition> {
        record.headers.push(self.0.clone());
        Ok(Disposition::Keep)
    }
}
