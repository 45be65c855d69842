//! `ExtractField`: one field in place of the whole key or value.

use std::sync::Arc;

use connect_api::json::{self, Shapes};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Record, RecordPart,
    RecordTransformation, Result, Value, memory,
};

use crate::field_path::{self, FieldPath, Place};
use crate::plans::Plans;
use crate::rows::{self, Row};

pub(crate) struct ExtractField {
    part: RecordPart,
    path: FieldPath,
    replace_null: bool,
    plans: Plans<Place>,
    shapes: Shapes,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("field", ConfigType::String, "Field name to extract."),
        rows::replace_null_with_default(),
        field_path::syntax_key(),
    ])
}

impl ExtractField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            path: FieldPath::new(config.text("field"), config)?,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }

    /// A field of a map; a missing one is null.
    fn extract_from_map(&mut self, datum: &mut Datum) -> Result<()> {
        for (i, step) in self.path.steps.iter().enumerate() {
            if datum.value.is_null() {
                return Ok(());
            }
            let purpose = match i {
                0 => "field extraction",
                _ => "nested field access",
            };
            let mut row = Row::take(datum, &mut self.shapes, purpose)?;
            if let Some(at) = row.schema.index_of(step) {
                datum.value = std::mem::take(&mut row.values[at]);
            }
        }
        // What was nested is now the whole: a row, or an array.
        if let Value::Json(text) = &datum.value {
            datum.value = match text.starts_with('{') {
                true => self.shapes.read(text.as_bytes())?,
                false => json::parse(text)?,
            };
        }
        Ok(())
    }
}

impl RecordTransformation for ExtractField {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let Some(schema) = &datum.schema else {
            self.extract_from_map(datum)?;
            return Ok(Disposition::Keep);
        };
        if !matches!(datum.value, Value::Struct(_) | Value::Null) {
            Row::take(datum, &mut self.shapes, "field extraction")?;
            return Ok(Disposition::Keep);
        }
        let path = &self.path;
        let plan = self.plans.plan(schema, |schema| {
            let unknown = || Error::data(format!("Unknown field: {}", path.text));
            path.find(schema)?.ok_or_else(unknown)
        })?;
        let mut value = std::mem::take(&mut datum.value);
        let mut parent = false;
        for at in &plan.at {
            let inner = value
                .as_struct_mut()
                .and_then(|row| row.values_mut().get_mut(*at));
            parent = inner.is_some();
            value = inner.map(std::mem::take).unwrap_or_default();
        }
        // A null of the row itself, or on the way, has no default.
        if value.is_null() && self.replace_null && parent {
            value = plan.schema.default.clone().unwrap_or_default();
            memory::charge(value.memory())?;
        }
        *datum = Datum::new(Arc::clone(&plan.schema), value);
        Ok(Disposition::Keep)
    }
}
