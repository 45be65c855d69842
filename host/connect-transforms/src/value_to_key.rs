//! `ValueToKey`: a key made of fields of the value.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Field, Importance, Kind,
    Record, RecordTransformation, Result, Schema, Str, Struct, Validator, Value, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Row};

pub(crate) struct ValueToKey {
    fields: Vec<Str>,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    key: Arc<Schema>,
    from: Vec<Option<usize>>,
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
    ])
}

impl ValueToKey {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            fields: config.list("fields").iter().map(Str::from).collect(),
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for ValueToKey {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let purpose = "copying fields from value to key";
        let row = Row::take(&mut record.value, &mut self.shapes, purpose)?;
        let (names, schemaless) = (&self.fields, row.schemaless);
        let plan = self.plans.plan(&row.schema, |schema| {
            let fields = names.iter().map(|name| match schema.index_of(name) {
                Some(at) => Ok((
                    Field::new(name.clone(), Arc::clone(&rows::fields(schema)[at].schema)),
                    Some(at),
                )),
                None if schemaless => Ok((Field::new(name.clone(), Schema::any()), None)),
                None => Err(Error::data(format!("Field does not exist: {name}"))),
            });
            let (fields, from) = fields.collect::<Result<(Vec<_>, _)>>()?;
            let key = rows::with_fields(&Schema::new(Kind::Any), fields)?;
            Ok(Plan { key, from })
        })?;
        let copied = plan.from.iter().flatten();
        let copied = copied.map(|at| row.values[*at].memory());
        memory::charge(copied.fold(0, usize::saturating_add))?;
        let values = plan.from.iter().zip(rows::fields(&plan.key));
        let values = values.map(|(at, field)| match at.map(|at| &row.values[at]) {
            Some(Value::Null) | None if self.replace_null => {
                field.schema.default.clone().unwrap_or_default()
            }
            value => value.cloned().unwrap_or_default(),
        });
        let key = Struct::new(Arc::clone(&plan.key), values.collect());
        record.key = match schemaless {
            true => Datum::schemaless_row(key),
            false => Datum::row(key),
        };
        let schema = Arc::clone(&row.schema);
        row.put(&mut record.value, &schema);
        Ok(Disposition::Keep)
    }
}
