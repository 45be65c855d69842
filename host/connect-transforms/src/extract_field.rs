//! `ExtractField`: one field in place of the whole key or value.

use std::sync::Arc;

use connect_api::json::{self, Shapes};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Importance, Record,
    RecordPart, RecordTransformation, Result, Schema, Validator, Value, memory,
};

use crate::field_path;
use crate::plans::Plans;
use crate::rows::{self, Row};

pub(crate) struct ExtractField {
    part: RecordPart,
    field: String,
    steps: Vec<String>,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

/// Where the field is, step by step, and its schema.
struct Plan {
    at: Vec<usize>,
    schema: Arc<Schema>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("field", ConfigType::String, "Field name to extract."),
        rows::replace_null_with_default(),
        ConfigKey::new(
            "field.syntax.version",
            ConfigType::String,
            "V1",
            "Defines the version of the syntax to access fields. If set to V1, then the field \
             paths are limited to access the elements at the root level of the struct or map. If \
             set to V2, the syntax will support accessing nested elements. To access nested \
             elements, dotted notation is used. If dots are already included in the field name, \
             then backtick pairs can be used to wrap field names containing dots. E.g. to access \
             the subfield baz from a field named \"foo.bar\" in a struct/map the following format \
             can be used to access its elements: \"`foo.bar`.baz\".",
        )
        .validator(Validator::OneOfIgnoreCase(vec!["V1".into(), "V2".into()]))
        .importance(Importance::High),
    ])
}

impl ExtractField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let field = config.text("field").to_owned();
        let steps = if config
            .text("field.syntax.version")
            .eq_ignore_ascii_case("V2")
        {
            field_path::parse(&field).map_err(Error::config)?
        } else {
            vec![field.clone()]
        };
        Ok(Self {
            part,
            field,
            steps,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }

    /// A field of a map; a missing one is null.
    fn extract_from_map(&mut self, datum: &mut Datum) -> Result<()> {
        for (i, step) in self.steps.iter().enumerate() {
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

    fn plan(schema: &Arc<Schema>, steps: &[String], field: &str) -> Result<Plan> {
        let mut at = Vec::with_capacity(steps.len());
        let mut schema = Arc::clone(schema);
        for step in steps {
            let i = schema
                .index_of(step)
                .ok_or_else(|| Error::data(format!("Unknown field: {field}")))?;
            at.push(i);
            schema = Arc::clone(&rows::fields(&schema)[i].schema);
        }
        Ok(Plan { at, schema })
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
        let (steps, field) = (&self.steps, &self.field);
        let plan = self.plans.plan(schema, |s| Self::plan(s, steps, field))?;
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
