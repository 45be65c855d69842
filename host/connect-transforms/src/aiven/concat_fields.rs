//! Aiven's `ConcatFields`: the texts of fields, one behind the other, in a field of its own.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Importance, Kind, Record,
    RecordPart, RecordTransformation, Result, Schema, Str, Validator, Value, memory,
};

use crate::cast;
use crate::plans::Plans;
use crate::rows::{self, Row};

pub(crate) struct Transform {
    part: RecordPart,
    fields: Vec<String>,
    output: Str,
    delimiter: String,
    missing: String,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    schema: Arc<Schema>,
    from: Vec<Option<usize>>,
    to: usize,
}

pub(crate) fn config_def() -> ConfigDef {
    let text = |name: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, "", doc).importance(Importance::High)
    };
    ConfigDef::new(vec![
        ConfigKey::required(
            "field.names",
            ConfigType::List,
            "A comma-separated list of fields to concatenate.",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
        ConfigKey::required(
            "output.field.name",
            ConfigType::String,
            "The name of field the concatenated value should be placed into.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        text(
            "delimiter",
            "The string which should be used to join the extracted fields.",
        ),
        text(
            "field.replace.missing",
            "The string which should be used when a field is not found or its value is null.",
        ),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            fields: config.list("field.names").to_vec(),
            output: config.text("output.field.name").into(),
            delimiter: config.text("delimiter").to_owned(),
            missing: config.text("field.replace.missing").to_owned(),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let mut row = Row::take(datum, &mut self.shapes, "concatenating fields")?;
        let (names, output, schemaless) = (&self.fields, &self.output, row.schemaless);
        let plan = self.plans.plan(&row.schema, |schema| {
            let mut fields = rows::fields(schema).to_vec();
            let known = schema.index_of(output).filter(|_| schemaless);
            if known.is_none() {
                let of = match schemaless {
                    true => Schema::any(),
                    false => Schema::optional(Kind::String),
                };
                fields.push(Field::new(output.clone(), of));
            }
            Ok(Plan {
                from: names.iter().map(|name| schema.index_of(name)).collect(),
                to: known.unwrap_or(fields.len() - 1),
                schema: rows::with_fields(schema, fields)?,
            })
        })?;
        let mut text = String::new();
        for (at, from) in plan.from.iter().enumerate() {
            if at > 0 {
                text.push_str(&self.delimiter);
            }
            match from.map(|from| (from, &row.values[from])) {
                None | Some((_, Value::Null)) => text.push_str(&self.missing),
                Some((from, value)) => {
                    let schema = &rows::fields(&row.schema)[from].schema;
                    let schema = Some(&**schema).filter(|_| !row.schemaless);
                    let piece = match value {
                        Value::Int(_) | Value::Float(_) | Value::Boolean(_) | Value::String(_) => {
                            cast::text(value, schema)?
                        }
                        Value::Decimal(decimal) => decimal.to_plain()?,
                        other => {
                            let name = &names[at];
                            return Err(Error::data(format!(
                                "field {name} is a {}, which has no text to concatenate",
                                other.type_name()
                            )));
                        }
                    };
                    memory::charge(piece.len())?;
                    text.push_str(&piece);
                }
            }
        }
        let (schema, to) = (Arc::clone(&plan.schema), plan.to);
        match row.values.get_mut(to) {
            Some(known) => *known = Value::from(&*text),
            None => row.values.push(Value::from(&*text)),
        }
        row.put(datum, &schema);
        Ok(Disposition::Keep)
    }
}
