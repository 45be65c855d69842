//! `TimestampConverter`: between Unix epochs, texts, and the logical types of dates and times.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Field, Importance, Kind, Record,
    RecordPart, RecordTransformation, Result, Schema, Str, Validator, Value, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};
use crate::simple_date_format::{DAY, SimpleDateFormat};

const PURPOSE: &str = "converting timestamp formats";

pub(crate) struct TimestampConverter {
    part: RecordPart,
    field: Str,
    conversion: Conversion,
    replace_null: bool,
    plans: Plans<Plan>,
    /// For the whole value: the schema that it gets.
    whole: Plans<Arc<Schema>>,
    shapes: Shapes,
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    at: Option<usize>,
}

struct Conversion {
    target: Kind,
    format: Option<SimpleDateFormat>,
    precision: Precision,
}

#[derive(Clone, Copy)]
enum Precision {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

pub(crate) fn config_def() -> ConfigDef {
    let target = ["string", "unix", "Date", "Time", "Timestamp"];
    let precision = ["nanoseconds", "microseconds", "milliseconds", "seconds"];
    ConfigDef::new(vec![
        ConfigKey::new(
            "field",
            ConfigType::String,
            "",
            "The field containing the timestamp, or empty if the entire value is a timestamp",
        )
        .importance(Importance::High),
        ConfigKey::required(
            "target.type",
            ConfigType::String,
            "The desired timestamp representation: string, unix, Date, Time, or Timestamp",
        )
        .validator(Validator::OneOf(target.map(Into::into).into()))
        .importance(Importance::High),
        ConfigKey::new(
            "format",
            ConfigType::String,
            "",
            "A SimpleDateFormat-compatible format for the timestamp, in UTC. Used to generate the \
             output when type=string or used to parse the input if the input is a string.",
        )
        .validator(Validator::Check(|text| {
            SimpleDateFormat::new(text).map(|_| ())
        })),
        ConfigKey::new(
            "unix.precision",
            ConfigType::String,
            "milliseconds",
            "The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, or \
             nanoseconds. Used to generate the output when type=unix or used to parse the input if \
             the input is a Long. Note: This SMT will cause precision loss during conversions \
             from, and to, values with sub-millisecond components.",
        )
        .validator(Validator::OneOf(precision.map(Into::into).into()))
        .importance(Importance::Low),
        rows::replace_null_with_default(),
    ])
}

impl TimestampConverter {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let target = match config.text("target.type") {
            "string" => Kind::String,
            "unix" => Kind::Int64,
            "Date" => Kind::Date,
            "Time" => Kind::Time,
            _ => Kind::Timestamp,
        };
        let format = match config.text("format") {
            "" if target == Kind::String => {
                return Err(Error::config(
                    "TimestampConverter requires format option to be specified when using string \
                     timestamps",
                ));
            }
            "" => None,
            pattern => Some(SimpleDateFormat::new(pattern).map_err(|why| {
                Error::config(format!(
                    "TimestampConverter requires a SimpleDateFormat-compatible pattern for string \
                     timestamps: {pattern}: {why}"
                ))
            })?),
        };
        if target != Kind::String && format.as_ref().is_some_and(|it| !it.is_for_parsing()) {
            return Err(Error::config(format!(
                "Invalid value {} for configuration format: Y is the year of a week, and without \
                 one (w) months and days count for nothing; yyyy is the year",
                config.text("format")
            )));
        }
        let precision = match config.text("unix.precision") {
            "seconds" => Precision::Seconds,
            "microseconds" => Precision::Micros,
            "nanoseconds" => Precision::Nanos,
            _ => Precision::Millis,
        };
        Ok(Self {
            part,
            field: config.text("field").into(),
            conversion: Conversion {
                target,
                format,
                precision,
            },
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            whole: Plans::default(),
            shapes: Shapes::default(),
        })
    }

    fn apply_whole(&mut self, record: &mut Record) -> Result<()> {
        let datum = rows::datum(record, self.part);
        let conversion = &self.conversion;
        if let Some(schema) = &datum.schema {
            datum.schema = Some(Arc::clone(self.whole.plan(schema, |schema| {
                check_input(schema)?;
                Ok(conversion.schema(schema.optional))
            })?));
        }
        datum.value = conversion.convert(std::mem::take(&mut datum.value))?;
        Ok(())
    }
}

impl RecordTransformation for TimestampConverter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        if self.field.is_empty() {
            self.apply_whole(record)?;
            return Ok(Disposition::Keep);
        }
        let datum = rows::datum(record, self.part);
        let schemaless = datum.schema.is_none();
        let mut row = match (&datum.value, &datum.schema) {
            (Value::Null, None) => return Ok(Disposition::Keep),
            (Value::Null, Some(schema)) => Row {
                schema: Arc::clone(schema),
                values: Vec::new(),
                schemaless,
            },
            _ => Row::take(datum, &mut self.shapes, PURPOSE)?,
        };
        let (field, conversion, replace_null) = (&self.field, &self.conversion, self.replace_null);
        let plan = self.plans.plan(&row.schema, |schema| {
            Plan::new(schema, (field, conversion), (schemaless, replace_null))
        })?;
        if row.values.is_empty() && !rows::fields(&row.schema).is_empty() {
            datum.schema = Some(Arc::clone(&plan.schema));
            return Ok(Disposition::Keep);
        }
        plan.defaults.fill(&mut row.values)?;
        if let Some(at) = plan.at {
            if at == row.values.len() {
                row.values.push(Value::Null);
            }
            let value = conversion.convert(std::mem::take(&mut row.values[at]));
            row.values[at] = value.map_err(|e| e.context(format_args!("field {field}")))?;
        }
        row.put(datum, &plan.schema);
        Ok(Disposition::Keep)
    }
}

impl Plan {
    fn new(
        schema: &Arc<Schema>,
        (name, conversion): (&Str, &Conversion),
        (schemaless, replace_null): (bool, bool),
    ) -> Result<Self> {
        let defaults = Defaults::of(schema, replace_null);
        let mut at = schema.index_of(name);
        let mut fields = rows::fields(schema).to_vec();
        match at {
            Some(_) if schemaless => {
                return Ok(Self {
                    schema: Arc::clone(schema),
                    defaults,
                    at,
                });
            }
            Some(at) => {
                let field = &mut fields[at];
                check_input(&field.schema).map_err(|e| e.context(format_args!("field {name}")))?;
                field.schema = conversion.schema(field.schema.optional);
            }
            // As Kafka Connect: a map without the field gets one that is null.
            None if schemaless => {
                at = Some(fields.len());
                fields.push(Field::new(name.clone(), Schema::any()));
            }
            None => {}
        }
        let mut updated = Schema::clone(&*rows::with_fields(schema, fields)?);
        updated.optional = schema.optional;
        Ok(Self {
            schema: Arc::new(updated),
            defaults,
            at,
        })
    }
}

fn check_input(schema: &Schema) -> Result<()> {
    match schema.kind {
        Kind::Timestamp | Kind::Date | Kind::Time | Kind::String | Kind::Int64 | Kind::Any => {
            Ok(())
        }
        _ => Err(Error::data(format!(
            "Schema of type {} does not correspond to a known timestamp type format",
            schema.type_name()
        ))),
    }
}

impl Conversion {
    fn schema(&self, optional: bool) -> Arc<Schema> {
        let schema = Schema::new(self.target.clone());
        Arc::new(Schema { optional, ..schema })
    }

    fn convert(&self, value: Value) -> Result<Value> {
        if value.is_null() {
            return Ok(value);
        }
        let millis = self.read(&value)?;
        let out_of_range = || Error::data("timestamp out of range of its target type");
        let micros = |millis: i64| millis.checked_mul(1000).ok_or_else(out_of_range);
        Ok(match &self.target {
            Kind::Date => {
                Value::Date(i32::try_from(millis.div_euclid(DAY)).map_err(|_| out_of_range())?)
            }
            Kind::Time => Value::Time(micros(millis.rem_euclid(DAY))?),
            Kind::Timestamp => Value::Timestamp(micros(millis)?),
            Kind::String => match &self.format {
                Some(format) => {
                    let text = format.format(millis);
                    memory::charge(text.len())?;
                    Value::String(text.into())
                }
                None => return Err(no_format()),
            },
            _ => Value::Int(match self.precision {
                Precision::Seconds => millis / 1000,
                Precision::Millis => millis,
                Precision::Micros => micros(millis)?,
                Precision::Nanos => millis.checked_mul(1_000_000).ok_or_else(out_of_range)?,
            }),
        })
    }

    /// Milliseconds, to which Kafka Connect rounds all that passes here.
    fn read(&self, value: &Value) -> Result<i64> {
        match value {
            Value::Timestamp(micros) | Value::Time(micros) => Ok(micros.div_euclid(1000)),
            Value::Date(days) => Ok(i64::from(*days) * DAY),
            Value::Int(number) => match self.precision {
                Precision::Seconds => number
                    .checked_mul(1000)
                    .ok_or_else(|| Error::data("Unix timestamp out of range")),
                Precision::Millis => Ok(*number),
                Precision::Micros => Ok(number / 1000),
                Precision::Nanos => Ok(number / 1_000_000),
            },
            Value::String(text) => {
                let format = self.format.as_ref().ok_or_else(no_format)?;
                format.parse(text).ok_or_else(|| {
                    Error::data("Could not parse timestamp: value does not match pattern")
                })
            }
            other => Err(Error::data(format!(
                "TimestampConverter does not support class {} objects as timestamps",
                rows::java_class(other, None)
            ))),
        }
    }
}

fn no_format() -> Error {
    Error::data("string timestamps need the option format")
}
