//! `Cast`: fields, or the whole key or value, as another primitive type.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Importance, Kind, Record,
    RecordPart, RecordTransformation, Result, Schema, Str, Validator, Value,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

mod convert;

use convert::{Source, cast};

/// The text of a primitive value, as `Cast` to a string makes it.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is no primitive value.
pub(crate) fn text(value: &Value, schema: Option<&Schema>) -> Result<String> {
    let source = schema.map(Source::of).unwrap_or_default();
    match cast(value.clone(), source, Target::String)? {
        Value::String(text) => Ok(text.to_string()),
        _ => Ok(String::new()),
    }
}

pub(crate) struct Cast {
    part: RecordPart,
    spec: Spec,
    replace_null: bool,
    plans: Plans<Plan>,
    /// For the whole value: the schema that it gets.
    whole: Plans<(Arc<Schema>, Source)>,
    shapes: Shapes,
}

enum Spec {
    Whole(Target),
    Fields(Vec<(Str, Target)>),
}

/// What can be cast to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

const TARGETS: [(&str, Target, Kind); 8] = [
    ("INT8", Target::Int8, Kind::Int8),
    ("INT16", Target::Int16, Kind::Int16),
    ("INT32", Target::Int32, Kind::Int32),
    ("INT64", Target::Int64, Kind::Int64),
    ("FLOAT32", Target::Float32, Kind::Float32),
    ("FLOAT64", Target::Float64, Kind::Float64),
    ("BOOLEAN", Target::Boolean, Kind::Boolean),
    ("STRING", Target::String, Kind::String),
];

impl Target {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let name = text.trim().to_uppercase();
        if let Some((_, target, _)) = TARGETS.iter().find(|(n, ..)| *n == name) {
            return Ok(*target);
        }
        Err(match name.as_str() {
            "BYTES" | "ARRAY" | "MAP" | "STRUCT" => format!(
                "Cast transformation does not support casting to {name}; supported types are \
                 [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]"
            ),
            _ => format!("Invalid type found in casting spec: {}", text.trim()),
        })
    }

    fn name(self) -> &'static str {
        TARGETS[self as usize].0
    }

    fn kind(self) -> Kind {
        TARGETS[self as usize].2.clone()
    }
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "spec",
            ConfigType::List,
            "List of fields and the type to cast them to of the form field1:type,field2:type to \
             cast fields of Maps or Structs. A single type to cast the entire value. Valid types \
             are int8, int16, int32, int64, float32, float64, boolean, and string. Note that \
             binary fields can only be cast to string. As in Java, a number that does not fit a \
             narrower type is cut off without an error; text that does not fit is an error.",
        )
        .validator(Validator::Check(|text| {
            Spec::parse(text.split(',').filter(|_| !text.is_empty())).map(|_| ())
        }))
        .importance(Importance::High),
        rows::replace_null_with_default(),
    ])
}

impl Spec {
    fn parse<'a>(mappings: impl Iterator<Item = &'a str>) -> std::result::Result<Self, String> {
        let (mut whole, mut count) = (None, 0);
        let mut fields: Vec<(Str, Target)> = Vec::new();
        for mapping in mappings {
            count += 1;
            match mapping.split_once(':') {
                None => whole = Some(Target::parse(mapping)?),
                Some((_, target)) if target.contains(':') => {
                    return Err(format!("Invalid rename mapping: {mapping}"));
                }
                Some((field, target)) => {
                    let target = Target::parse(target)?;
                    fields.retain(|(known, _)| known != field.trim());
                    fields.push((field.trim().into(), target));
                }
            }
        }
        match whole {
            _ if count == 0 => Err("Must specify at least one field to cast.".into()),
            Some(_) if count > 1 => Err(
                "Cast transformations that specify a type to cast the entire value to may only \
                 specify a single cast in their spec"
                    .into(),
            ),
            Some(target) => Ok(Self::Whole(target)),
            None => Ok(Self::Fields(fields)),
        }
    }
}

impl Cast {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let spec = config.list("spec").iter().map(String::as_str);
        Ok(Self {
            part,
            spec: Spec::parse(spec).map_err(Error::config)?,
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            whole: Plans::default(),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for Cast {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        if datum.value.is_null() {
            return Ok(Disposition::Keep);
        }
        let fields = match &self.spec {
            Spec::Fields(fields) => fields,
            Spec::Whole(target) => {
                let mut source = Source::default();
                if let Some(schema) = &datum.schema {
                    let plan = self.whole.plan(schema, |schema| {
                        Ok((cast_schema(schema, *target)?, Source::of(schema)))
                    })?;
                    source = plan.1;
                    datum.schema = Some(Arc::clone(&plan.0));
                }
                datum.value = cast(std::mem::take(&mut datum.value), source, *target)?;
                return Ok(Disposition::Keep);
            }
        };
        let mut row = Row::take(datum, &mut self.shapes, "cast types")?;
        let (schemaless, replace_null) = (row.schemaless, self.replace_null);
        let plan = self.plans.plan(&row.schema, |schema| {
            Plan::new(schema, fields, (schemaless, replace_null))
        })?;
        plan.defaults.fill(&mut row.values)?;
        row.values
            .resize(rows::fields(&plan.schema).len(), Value::Null);
        for (at, source, target) in &plan.casts {
            let value = cast(std::mem::take(&mut row.values[*at]), *source, *target);
            row.values[*at] = value.map_err(|e| {
                let name = &rows::fields(&plan.schema)[*at].name;
                e.context(format_args!("field {name}"))
            })?;
        }
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    casts: Vec<(usize, Source, Target)>,
}

impl Plan {
    fn new(
        schema: &Arc<Schema>,
        spec: &[(Str, Target)],
        (schemaless, replace_null): (bool, bool),
    ) -> Result<Self> {
        let mut fields = rows::fields(schema).to_vec();
        let mut casts = Vec::new();
        for (name, target) in spec {
            match fields.iter().position(|f| f.name == *name) {
                Some(at) => {
                    let field = &mut fields[at];
                    casts.push((at, Source::of(&field.schema), *target));
                    if !schemaless {
                        field.schema = cast_schema(&field.schema, *target)
                            .map_err(|e| e.context(format_args!("field {name}")))?;
                    }
                }
                // As Kafka Connect: a map without the field gets one that is null.
                None if schemaless => fields.push(Field::new(name.clone(), Schema::any())),
                None => {}
            }
        }
        let mut updated = Schema::clone(&*rows::with_fields(schema, fields)?);
        updated.optional = schema.optional;
        Ok(Self {
            schema: Arc::new(updated),
            defaults: Defaults::of(schema, replace_null),
            casts,
        })
    }
}

/// The schema after a cast: of the old one, only the optionality and the default are left.
fn cast_schema(schema: &Schema, target: Target) -> Result<Arc<Schema>> {
    let default = schema
        .default
        .clone()
        .map(|v| cast(v, Source::of(schema), target));
    Ok(Arc::new(Schema {
        optional: schema.optional,
        default: default.transpose()?,
        ..Schema::new(target.kind())
    }))
}
