//! `MaskField`: a typed zero, or a fixed value, in place of what is not to be seen.

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Decimal, Disposition, Error, Field, Importance, Kind,
    Record, RecordPart, RecordTransformation, Result, Schema, Str, Validator, Value,
};
use std::sync::Arc;

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

pub(crate) struct MaskField {
    part: RecordPart,
    fields: Vec<Str>,
    replacement: Option<Str>,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    at: Vec<usize>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("fields", ConfigType::List, "Names of fields to mask.")
            .validator(Validator::Check(rows::non_empty_list))
            .importance(Importance::High),
        ConfigKey::nullable(
            "replacement",
            ConfigType::String,
            "Custom value replacement, that will be applied to all 'fields' values (numeric or \
             non-empty string values only).",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::Low),
        rows::replace_null_with_default(),
    ])
}

impl MaskField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            fields: config.list("fields").iter().map(Str::from).collect(),
            replacement: config.optional_text("replacement").map(Str::from),
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for MaskField {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let mut row = Row::take(datum, &mut self.shapes, "mask fields")?;
        let (names, schemaless, replace_null) = (&self.fields, row.schemaless, self.replace_null);
        let plan = self.plans.plan(&row.schema, |schema| {
            let mut fields = rows::fields(schema).to_vec();
            for name in names.iter().filter(|_| schemaless) {
                // As Kafka Connect: a map without the field gets one that is null.
                if !fields.iter().any(|f| f.name == *name) {
                    fields.push(Field::new(name.clone(), Schema::any()));
                }
            }
            let at = names
                .iter()
                .filter_map(|n| fields.iter().position(|f| f.name == *n));
            Ok(Plan {
                at: at.collect(),
                defaults: Defaults::of(schema, replace_null),
                schema: match fields.len() == rows::fields(schema).len() {
                    true => Arc::clone(schema),
                    false => rows::with_fields(schema, fields)?,
                },
            })
        })?;
        plan.defaults.fill(&mut row.values)?;
        row.values
            .resize(rows::fields(&plan.schema).len(), Value::Null);
        for at in &plan.at {
            let field = &rows::fields(&plan.schema)[*at];
            let masked = match &self.replacement {
                _ if row.values[*at].is_null() => continue,
                None => zero(&row.values[*at], &field.schema),
                Some(text) => replaced(&row.values[*at], &field.schema, text),
            };
            row.values[*at] =
                masked.map_err(|e| e.context(format_args!("field {}", field.name)))?;
        }
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}

fn zero(value: &Value, schema: &Schema) -> Result<Value> {
    Ok(match value {
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int(_) => Value::Int(0),
        Value::Float(_) => Value::Float(0.0),
        Value::String(_) => Value::String(Str::default()),
        Value::Decimal(_) => {
            let scale = match schema.kind {
                Kind::Decimal(Some(scale)) => scale,
                _ => 0,
            };
            Value::Decimal(Box::new(Decimal::new(0.into(), scale)))
        }
        Value::Date(_) => Value::Date(0),
        Value::Time(_) => Value::Time(0),
        Value::Timestamp(_) => Value::Timestamp(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        Value::Json(text) if text.starts_with('[') => Value::Json("[]".into()),
        Value::Json(_) => Value::Json("{}".into()),
        Value::Null | Value::Bytes(_) | Value::Struct(_) => {
            return Err(Error::data(format!(
                "Cannot mask value of type: class {}",
                rows::java_class(value, Some(schema))
            )));
        }
    })
}

fn replaced(value: &Value, schema: &Schema, text: &str) -> Result<Value> {
    let integer = |least: i64, most: i64| {
        let number = text.parse::<i64>().ok();
        number
            .filter(|n| (least..=most).contains(n))
            .map(Value::Int)
    };
    let masked = match (value, &schema.kind) {
        (Value::String(_), _) => Some(Value::from(text)),
        (Value::Int(_), Kind::Int8) => integer(i8::MIN.into(), i8::MAX.into()),
        (Value::Int(_), Kind::Int16) => integer(i16::MIN.into(), i16::MAX.into()),
        (Value::Int(_), Kind::Int32) => integer(i32::MIN.into(), i32::MAX.into()),
        (Value::Int(_), _) => integer(i64::MIN, i64::MAX),
        (Value::Float(_), Kind::Float32) => {
            text.parse::<f32>().ok().map(|n| Value::Float(n.into()))
        }
        (Value::Float(_), _) => text.parse().ok().map(Value::Float),
        (Value::Decimal(_), _) => text.parse().ok().map(|d| Value::Decimal(Box::new(d))),
        _ => {
            return Err(Error::data(format!(
                "Cannot mask value of type class {} with custom replacement.",
                rows::java_class(value, Some(schema))
            )));
        }
    };
    masked.ok_or_else(|| Error::data("Unable to convert the replacement to number"))
}
