//! `HasHeaderKey`: whether a record has a header of a name.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Predicate, Record, Result, Str, Validator,
};

pub(crate) struct HasHeaderKey(Str);

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("name", ConfigType::String, "The header name.")
            .validator(Validator::NonEmpty),
    ])
}

impl HasHeaderKey {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self(config.text("name").into()))
    }
}

impl Predicate for HasHeaderKey {
    fn test(&self, record: &Record) -> Result<bool> {
        Ok(record.headers.iter().any(|header| header.name == self.0))
    }
}
