//! `HoistField`: the whole key or value as the one field of a row.

use std::sync::Arc;

use connect_api::json;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Field, Kind, Record, RecordPart,
    RecordTransformation, Result, Schema, Str, Struct, Value,
};

use crate::plans::Plans;
use crate::rows;

pub(crate) struct HoistField {
    part: RecordPart,
    field: Str,
    shape: Arc<Schema>,
    plans: Plans<Arc<Schema>>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![ConfigKey::required(
        "field",
        ConfigType::String,
        "Field name for the single field that will be created in the resulting Struct or Map.",
    )])
}

fn one_field(field: &Str, schema: impl Into<Arc<Schema>>) -> Arc<Schema> {
    Arc::new(Schema::new(Kind::Struct(vec![Field::new(
        field.clone(),
        schema,
    )])))
}

impl HoistField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let field = Str::from(config.text("field"));
        Ok(Self {
            part,
            shape: one_field(&field, Schema::any()),
            field,
            plans: Plans::default(),
        })
    }
}

impl RecordTransformation for HoistField {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let value = std::mem::take(&mut datum.value);
        *datum = match &datum.schema {
            None => {
                // What is nested in schemaless data is JSON text.
                let value = match value {
                    Value::Struct(_) | Value::Array(_) | Value::Map(_) => {
                        let mut text = String::new();
                        json::write(&value, &mut text)?;
                        Value::Json(text.into())
                    }
                    value => value,
                };
                Datum::schemaless_row(Struct::new(Arc::clone(&self.shape), vec![value]))
            }
            Some(schema) => {
                let field = &self.field;
                let plan = self
                    .plans
                    .plan(schema, |schema| Ok(one_field(field, Arc::clone(schema))))?;
                Datum::row(Struct::new(Arc::clone(plan), vec![value]))
            }
        };
        Ok(Disposition::Keep)
    }
}
