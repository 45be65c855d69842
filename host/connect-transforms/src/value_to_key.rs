//! `ValueToKey`: a key made of fields of the value.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Field, Importance, Kind,
    Record, RecordTransformation, Result, Schema, Struct, Validator, Value, memory,
};

use crate::field_path::{self, FieldPath};
use crate::plans::Plans;
use crate::rows::{self, Row};

pub(crate) struct ValueToKey {
    paths: Vec<FieldPath>,
    /// That of keys without a schema.
    shape: Arc<Schema>,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    key: Arc<Schema>,
    /// Where each field of the key is in the value.
    from: Vec<Vec<usize>>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "fields",
            ConfigType::List,
            "Field names on the record value to extract as the record key.",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
        rows::replace_null_with_default(),
        field_path::syntax_key(),
    ])
}

impl ValueToKey {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let mut paths: Vec<FieldPath> = Vec::new();
        for field in config.list("fields") {
            // As Kafka: a field that is named twice is one.
            if paths.iter().all(|path| path.text != *field) {
                paths.push(FieldPath::new(field, config)?);
            }
        }
        let names = paths.iter().map(|path| path.text.clone());
        let fields = names.map(|name| Field::new(name, Schema::any())).collect();
        Ok(Self {
            paths,
            shape: rows::with_fields(&Schema::new(Kind::Any), fields)?,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }

    /// The key of schemaless data: what is missing is null.
    fn of_map(&mut self, row: &Row) -> Result<Datum> {
        let (paths, shape) = (&self.paths, &self.shape);
        let plan = self.plans.plan(&row.schema, |schema| {
            let from = paths.iter().map(|path| path.first_in(schema));
            Ok(Plan {
                key: Arc::clone(shape),
                from: from.map(|at| at.into_iter().collect()).collect(),
            })
        })?;
        let values = paths.iter().zip(&plan.from).map(|(path, at)| {
            let first = at.first().and_then(|at| row.values.get(*at));
            let value = path.value_from(first.unwrap_or(&Value::Null))?;
            memory::charge(value.memory())?;
            Ok(value.into_owned())
        });
        let values = values.collect::<Result<_>>()?;
        Ok(Datum::schemaless_row(Struct::new(
            Arc::clone(shape),
            values,
        )))
    }

    fn of_row(&mut self, row: &Row) -> Result<Datum> {
        let paths = &self.paths;
        let plan = self
            .plans
            .plan(&row.schema, |schema| Plan::new(schema, paths))?;
        let mut values = Vec::with_capacity(plan.from.len());
        for (at, field) in plan.from.iter().zip(rows::fields(&plan.key)) {
            let value = match nested(&row.schema, &row.values, at) {
                Value::Null if self.replace_null && is_reached(row, at) => {
                    field.schema.default.as_ref().unwrap_or(&Value::Null)
                }
                value => value,
            };
            if value.is_null() && at.len() > 1 && !field.schema.optional {
                return Err(Error::data(format!(
                    "Invalid value: null used for required field: \"{}\", schema type: {}",
                    field.name,
                    field.schema.type_name()
                )));
            }
            memory::charge(value.memory())?;
            values.push(value.clone());
        }
        Ok(Datum::row(Struct::new(Arc::clone(&plan.key), values)))
    }
}

impl Plan {
    fn new(schema: &Arc<Schema>, paths: &[FieldPath]) -> Result<Self> {
        let fields = paths.iter().map(|path| {
            let missing = || Error::data(format!("Field does not exist: {}", path.text));
            let place = path.find(schema)?.ok_or_else(missing)?;
            Ok((Field::new(path.text.clone(), place.schema), place.at))
        });
        let (fields, from) = fields.collect::<Result<(Vec<_>, _)>>()?;
        let key = rows::with_fields(&Schema::new(Kind::Any), fields)?;
        Ok(Self { key, from })
    }
}

/// The value at the end of a path; null where a row on the way is null and has no default.
fn nested<'a>(schema: &'a Schema, values: &'a [Value], at: &[usize]) -> &'a Value {
    let (Some(first), rest) = (at.first(), at.get(1..).unwrap_or_default()) else {
        return &Value::Null;
    };
    let value = values.get(*first).unwrap_or(&Value::Null);
    if rest.is_empty() {
        return value;
    }
    let Some(field) = rows::fields(schema).get(*first) else {
        return &Value::Null;
    };
    match value
        .as_struct()
        .or_else(|| field.schema.default.as_ref()?.as_struct())
    {
        Some(row) => nested(&field.schema, row.values(), rest),
        None => &Value::Null,
    }
}

/// Whether the last row of a path is there: only then a default stands for what is null in it.
fn is_reached(row: &Row, at: &[usize]) -> bool {
    match at {
        [] | [_] => true,
        [before @ .., _] => {
            let last = nested(&row.schema, &row.values, before);
            !last.is_null()
        }
    }
}

impl RecordTransformation for ValueToKey {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let purpose = "copying fields from value to key";
        let row = Row::take(&mut record.value, &mut self.shapes, purpose)?;
        record.key = match row.schemaless {
            true => self.of_map(&row)?,
            false => self.of_row(&row)?,
        };
        let schema = Arc::clone(&row.schema);
        row.put(&mut record.value, &schema);
        Ok(Disposition::Keep)
    }
}
