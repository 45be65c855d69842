//! Aiven's `KeyToValue`: fields of the key, or the whole of it, in the value.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Importance, Kind, Record,
    RecordTransformation, Result, Schema, Str, Validator, Value, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Row};

/// What the whole key is called where nothing else is said.
const WHOLE_KEY: &str = "_key";

pub(crate) struct KeyToValue {
    copies: Vec<Copied>,
    /// By the schema of the value, for the key's schema that was last seen.
    plans: Plans<Plan>,
    key: Option<Arc<Schema>>,
    shapes: Shapes,
}

/// A field that is added to the value, or replaced there.
struct Copied {
    to: Str,
    /// None: the whole key.
    from: Option<Str>,
}

struct Plan {
    schema: Arc<Schema>,
    at: Vec<usize>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "key.fields",
            ConfigType::List,
            "Comma-separated list of field names on the record key to copy into the record value \
             (or * to copy the entire key).",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
        ConfigKey::new(
            "value.fields",
            ConfigType::List,
            "",
            "Corresponding destination field names to be added or replaced on the record value, or \
             empty if the same field name should be used as the key.",
        )
        .importance(Importance::High),
    ])
}

impl KeyToValue {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let to = config.list("value.fields");
        let mut copies: Vec<Copied> = Vec::new();
        for (at, from) in config.list("key.fields").iter().enumerate() {
            // One that is left empty has the name that it has in the key.
            let to = to.get(at).filter(|to| !to.is_empty());
            let name = match to.unwrap_or(from).as_str() {
                "*" => WHOLE_KEY,
                name => name,
            };
            if copies.iter().any(|copied| copied.to == name) {
                return Err(Error::config(format!(
                    "More than one key value is copied to the value field name '{name}'"
                )));
            }
            copies.push(Copied {
                to: name.into(),
                from: (from != "*").then(|| from.into()),
            });
        }
        Ok(Self {
            copies,
            plans: Plans::default(),
            key: None,
            shapes: Shapes::default(),
        })
    }

    /// What is copied of a key.
    fn copied(&mut self, record: &mut Record) -> Result<Vec<Value>> {
        let mut values = Vec::with_capacity(self.copies.len());
        let has_named = self.copies.iter().any(|copied| copied.from.is_some());
        let has_whole = self.copies.iter().any(|copied| copied.from.is_none());
        let whole = match has_whole {
            true => record.key.value.clone(),
            false => Value::Null,
        };
        let row = match has_named {
            true => Some(Row::take(
                &mut record.key,
                &mut self.shapes,
                "named key fields",
            )?),
            false => None,
        };
        for copied in &self.copies {
            let value = match (&copied.from, &row) {
                (None, _) | (_, None) => Some(&whole),
                (Some(from), Some(row)) => match row.schema.index_of(from) {
                    Some(at) => Some(&row.values[at]),
                    None if row.schemaless => None,
                    None => {
                        return Err(Error::data(format!(
                            "Key field '{from}' not found in key schema"
                        )));
                    }
                },
            };
            let value = value.unwrap_or(&Value::Null);
            memory::charge(value.memory())?;
            values.push(value.clone());
        }
        if let Some(row) = row {
            let schema = Arc::clone(&row.schema);
            row.put(&mut record.key, &schema);
        }
        Ok(values)
    }
}

impl RecordTransformation for KeyToValue {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let values = self.copied(record)?;
        let key = record.key.schema.clone();
        let is_same = match (&self.key, &key) {
            (Some(known), Some(key)) => Arc::ptr_eq(known, key) || known == key,
            (known, key) => known.is_none() && key.is_none(),
        };
        if !is_same {
            self.plans = Plans::default();
            self.key.clone_from(&key);
        }
        let purpose = "appending fields of the key";
        let mut row = Row::take(&mut record.value, &mut self.shapes, purpose)?;
        let (copies, schemaless) = (&self.copies, row.schemaless);
        let plan = self.plans.plan(&row.schema, |schema| {
            let mut fields = rows::fields(schema).to_vec();
            let mut places = Vec::with_capacity(copies.len());
            for (copied, value) in copies.iter().zip(&values) {
                let of = match (schemaless, &key) {
                    (true, _) => Arc::new(Schema::any()),
                    (false, None) => Arc::new(inferred(value)?),
                    (false, Some(key)) => match &copied.from {
                        None => Arc::clone(key),
                        Some(from) => {
                            let at = key.index_of(from);
                            let field = at.and_then(|at| rows::fields(key).get(at));
                            field.map_or_else(|| Arc::new(Schema::any()), |f| Arc::clone(&f.schema))
                        }
                    },
                };
                let field = Field::new(copied.to.clone(), of);
                let known = fields.iter().position(|known| known.name == copied.to);
                places.push(known.unwrap_or(fields.len()));
                match known {
                    Some(at) => fields[at] = field,
                    None => fields.push(field),
                }
            }
            Ok(Plan {
                schema: rows::with_fields(schema, fields)?,
                at: places,
            })
        })?;
        memory::charge_values(values.len())?;
        for (at, value) in plan.at.iter().zip(values) {
            match row.values.get_mut(*at) {
                Some(known) => *known = value,
                None => row.values.push(value),
            }
        }
        let schema = Arc::clone(&plan.schema);
        row.put(&mut record.value, &schema);
        Ok(Disposition::Keep)
    }
}

/// The schema of a key that has none.
fn inferred(value: &Value) -> Result<Schema> {
    let kind = match value {
        Value::Boolean(_) => Kind::Boolean,
        Value::Int(_) => Kind::Int64,
        Value::Float(_) => Kind::Float64,
        Value::String(_) => Kind::String,
        Value::Bytes(_) => Kind::Bytes,
        other => {
            let found = rows::java_class(other, None);
            return Err(Error::data(format!(
                "The value requires a schema, but the key class is a schemaless {found}"
            )));
        }
    };
    Ok(Schema::optional(kind))
}
