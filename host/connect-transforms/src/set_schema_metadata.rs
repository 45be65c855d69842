//! `SetSchemaMetadata`: another name or version for the schema.

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record, RecordPart,
    RecordTransformation, Result, Schema, Str, Struct, Value,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults};

pub(crate) struct SetSchemaMetadata {
    part: RecordPart,
    name: Option<Str>,
    version: Option<i32>,
    replace_null: bool,
    plans: Plans<(Arc<Schema>, Defaults)>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::nullable("schema.name", ConfigType::String, "Schema name to set.")
            .importance(Importance::High),
        ConfigKey::nullable("schema.version", ConfigType::Int, "Schema version to set.")
            .importance(Importance::High),
        rows::replace_null_with_default(),
    ])
}

impl SetSchemaMetadata {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let name = config.optional_text("schema.name").map(Str::from);
        let version = config.optional_integer("schema.version");
        if name.is_none() && version.is_none() {
            return Err(Error::config("Neither schema name nor version configured"));
        }
        Ok(Self {
            part,
            name,
            version: version.and_then(|v| i32::try_from(v).ok()),
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
        })
    }
}

impl RecordTransformation for SetSchemaMetadata {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let Some(schema) = &datum.schema else {
            return match datum.value {
                Value::Null => Ok(Disposition::Keep),
                _ => Err(Error::data(
                    "Schema required for [updating schema metadata]",
                )),
            };
        };
        let (name, version, replace_null) = (&self.name, self.version, self.replace_null);
        let (updated, defaults) = self.plans.plan(schema, |schema| {
            let mut updated = Schema::clone(schema);
            updated.name = name.clone().or(updated.name);
            updated.version = version.or(updated.version);
            Ok((Arc::new(updated), Defaults::of(schema, replace_null)))
        })?;
        datum.value = match std::mem::take(&mut datum.value) {
            Value::Struct(row) => {
                let mut values = row.into_parts().1;
                defaults.fill(&mut values)?;
                Value::Struct(Box::new(Struct::new(Arc::clone(updated), values)))
            }
            value => value,
        };
        datum.schema = Some(Arc::clone(updated));
        Ok(Disposition::Keep)
    }
}
