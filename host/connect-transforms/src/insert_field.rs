//! `InsertField`: adds what is known of the record, or a fixed text.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Kind, Origin, Record,
    RecordPart, RecordTransformation, Result, Schema, Str, Value, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

pub(crate) struct InsertField {
    part: RecordPart,
    insertions: Vec<Insertion>,
    replace_null: bool,
    plans: Plans<Plan>,
    /// For schemaless records without a timestamp: they get no field for it.
    plans_without_timestamp: Plans<Plan>,
    shapes: Shapes,
}

struct Insertion {
    name: Str,
    schema: Arc<Schema>,
    what: What,
}

#[derive(PartialEq)]
enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(Str),
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    /// The position of each insertion; None: it is left out.
    at: Vec<Option<usize>>,
}

const OPTIONALITY: &str =
    "Suffix with ! to make this a required field, or ? to keep it optional (the default).";

pub(crate) fn config_def() -> ConfigDef {
    let field = |name, what| {
        ConfigKey::nullable(name, ConfigType::String, format!("{what}. {OPTIONALITY}"))
    };
    ConfigDef::new(vec![
        field("topic.field", "Field name for Kafka topic"),
        field("partition.field", "Field name for Kafka partition"),
        field("offset.field", "Field name for Kafka offset"),
        field("timestamp.field", "Field name for record timestamp"),
        field("static.field", "Field name for static data field"),
        ConfigKey::nullable(
            "static.value",
            ConfigType::String,
            "Static field value, if field name configured.",
        ),
        rows::replace_null_with_default(),
    ])
}

impl InsertField {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let mut insertions = Vec::new();
        let mut insert = |key, kind, what| {
            if let Some(spec) = config.optional_text(key) {
                let (name, schema) = match spec.strip_suffix('!') {
                    Some(name) => (name, Schema::new(kind)),
                    None => (
                        spec.strip_suffix('?').unwrap_or(spec),
                        Schema::optional(kind),
                    ),
                };
                insertions.push(Insertion {
                    name: name.into(),
                    schema: Arc::new(schema),
                    what,
                });
            }
        };
        insert("topic.field", Kind::String, What::Topic);
        insert("partition.field", Kind::Int32, What::Partition);
        insert("offset.field", Kind::Int64, What::Offset);
        insert("timestamp.field", Kind::Timestamp, What::Timestamp);
        match (
            config.optional_text("static.field"),
            config.optional_text("static.value"),
        ) {
            (Some(field), None) => {
                return Err(Error::config(format!(
                    "Invalid value null for configuration static.value: \
                     No value specified for static field: {field}"
                )));
            }
            (Some(_), Some(text)) => {
                insert("static.field", Kind::String, What::Static(text.into()));
            }
            (None, _) => {}
        }
        if insertions.is_empty() {
            return Err(Error::config("No field insertion configured"));
        }
        Ok(Self {
            part,
            insertions,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            plans_without_timestamp: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl Plan {
    fn new(schema: &Schema, insertions: &[Insertion], wants: Wants) -> Result<Self> {
        let mut fields = rows::fields(schema).to_vec();
        let mut at = Vec::with_capacity(insertions.len());
        for insertion in insertions {
            if wants.no_timestamp && insertion.what == What::Timestamp {
                at.push(None);
                continue;
            }
            let known = fields.iter().position(|f| f.name == insertion.name);
            at.push(Some(match known {
                Some(known) if wants.schemaless => known,
                _ => {
                    let schema = match wants.schemaless {
                        true => Arc::new(Schema::any()),
                        false => Arc::clone(&insertion.schema),
                    };
                    fields.push(Field::new(insertion.name.clone(), schema));
                    fields.len() - 1
                }
            }));
        }
        Ok(Self {
            schema: rows::with_fields(schema, fields)?,
            defaults: Defaults::of(schema, wants.replace_null),
            at,
        })
    }
}

/// What a plan depends on beside the schema.
#[derive(Clone, Copy)]
struct Wants {
    schemaless: bool,
    no_timestamp: bool,
    replace_null: bool,
}

impl RecordTransformation for InsertField {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        self.apply_from(record, None)
    }

    fn apply_from(&mut self, record: &mut Record, origin: Option<&Origin>) -> Result<Disposition> {
        let (topic, timestamp) = (Arc::clone(&record.topic), record.timestamp);
        let (partition, offset) = (record.partition, origin.map(|origin| origin.offset));
        let datum = rows::datum(record, self.part);
        if datum.value.is_null() {
            return Ok(Disposition::Keep);
        }
        let mut row = Row::take(datum, &mut self.shapes, "field insertion")?;
        let wants = Wants {
            schemaless: row.schemaless,
            no_timestamp: row.schemaless && timestamp.is_none(),
            replace_null: self.replace_null,
        };
        let plans = match wants.no_timestamp {
            true => &mut self.plans_without_timestamp,
            false => &mut self.plans,
        };
        let insertions = &self.insertions;
        let plan = plans.plan(&row.schema, |schema| Plan::new(schema, insertions, wants))?;
        plan.defaults.fill(&mut row.values)?;
        row.values.reserve(insertions.len());
        for (insertion, at) in insertions.iter().zip(&plan.at) {
            let Some(at) = *at else { continue };
            let value = match &insertion.what {
                What::Topic => Value::String(Str::from(&*topic)),
                What::Partition => match partition {
                    Some(number) => Value::Int(number.into()),
                    None if wants.schemaless || insertion.schema.optional => Value::Null,
                    None => {
                        let name = &insertion.name;
                        return Err(Error::data(format!(
                            "Invalid value: null used for required field: \"{name}\", schema \
                             type: INT32: the record has no partition yet; make the field optional \
                             ({name}?)"
                        )));
                    }
                },
                What::Offset => match offset {
                    Some(offset) => Value::Int(offset.0),
                    None => {
                        return Err(Error::data(
                            "Only SinkRecord supported for [field insertion], found: \
                             org.apache.kafka.connect.source.SourceRecord",
                        ));
                    }
                },
                What::Static(text) => {
                    memory::charge(text.len())?;
                    Value::String(text.clone())
                }
                What::Timestamp => match timestamp {
                    None => Value::Null,
                    Some(at) if wants.schemaless => Value::Int(at.0),
                    Some(at) => Value::Timestamp(
                        at.0.checked_mul(1000)
                            .ok_or_else(|| Error::data("the record's timestamp is out of range"))?,
                    ),
                },
            };
            match row.values.get_mut(at) {
                Some(known) => *known = value,
                None => row.values.push(value),
            }
        }
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}
