//! `EventRouter`: the rows that are inserted into an outbox table as messages of their own topics.
//!
//! The options and rules are those of Debezium 3.7.

mod json_payload;
mod options;

use std::sync::Arc;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Config, Datum, Disposition, Error, Field, Header, Kind, Record, RecordTransformation, Result,
    Schema, Str, Struct, Timestamp, Value, memory,
};

use super::ENVELOPE;
use crate::java_regex::{JavaRegex, Replacement};
use crate::plans::Plans;
use crate::{rows, topic_name};
pub(crate) use options::config_def;
use options::{MissingField, Options, Placement, REGEX, REPLACEMENT};

/// The field of an envelope that holds the payload.
const PAYLOAD: &str = "payload";
/// Schemas of envelopes that are kept.
const MAX_ENVELOPES: usize = 256;

pub(crate) struct EventRouter {
    options: Options,
    whole: JavaRegex,
    find: JavaRegex,
    replacement: Replacement,
    plans: Plans<Plan>,
    /// Those of payloads that were JSON.
    payloads: Plans<Arc<Schema>>,
    envelopes: Envelopes,
}

/// Where things are in change events of a schema.
struct Plan {
    operation: Option<usize>,
    processed_at: Option<usize>,
    after: Option<usize>,
    row: Option<Row>,
}

/// Where things are in the rows of the outbox.
struct Row {
    schema: Arc<Schema>,
    id: Option<usize>,
    key: Option<usize>,
    payload: Option<usize>,
    timestamp: Option<usize>,
    version: Option<usize>,
    route: Option<usize>,
    /// One for each of the options'.
    additional: Vec<Option<usize>>,
}

impl EventRouter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let pattern = config.text(REGEX);
        let regex = |why| Error::config(why).context(REGEX);
        let find = JavaRegex::find(pattern).map_err(regex)?;
        Ok(Self {
            options: Options::new(config)?,
            whole: JavaRegex::whole(pattern).map_err(regex)?,
            replacement: Replacement::new(config.text(REPLACEMENT), &find)
                .map_err(|why| Error::config(why).context(REPLACEMENT))?,
            find,
            plans: Plans::default(),
            payloads: Plans::default(),
            envelopes: Envelopes::default(),
        })
    }

    /// Sends the record to the topic that a text stands for.
    fn route(&self, record: &mut Record, routed: &str) -> Result<()> {
        match self.whole.is_match(routed)? {
            true => {
                let topic = self.replacement.replace_first(&self.find, routed)?;
                topic_name::route(record, &topic)
            }
            false => topic_name::route(record, routed),
        }
    }
}

impl RecordTransformation for EventRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        if record.value.value.is_null() {
            return Ok(Disposition::Drop);
        }
        let name = record.value.schema.as_ref().and_then(|s| s.name.as_deref());
        if !name.is_some_and(|name| name.ends_with(ENVELOPE)) {
            return Ok(Disposition::Keep);
        }
        let Value::Struct(event) = &record.value.value else {
            return Err(Error::data("a change event that is no Struct"));
        };
        let (schema, event) = (Arc::clone(event.schema()), event.values());
        let options = &self.options;
        let plan = self
            .plans
            .plan(&schema, |schema| Ok(Plan::new(schema, options)))?;
        match plan.operation(event)? {
            "d" => return Ok(Disposition::Drop),
            "u" if options.fails_on_updates => {
                return Err(Error::data(
                    "a row of the outbox was updated, and table.op.invalid.behavior is fatal",
                ));
            }
            "u" => return Ok(Disposition::Drop),
            _ => {}
        }
        let message = plan.message(event, options, &mut self.payloads)?;
        let routed = message.routed.clone();
        message.put(record, options, &mut self.envelopes)?;
        self.route(record, &routed)?;
        Ok(Disposition::Keep)
    }
}

impl Plan {
    fn new(event: &Schema, options: &Options) -> Self {
        let after = event.index_of("after");
        let row = after.map(|at| &rows::fields(event)[at].schema);
        Self {
            operation: event.index_of("op"),
            processed_at: event.index_of("ts_ms"),
            after,
            row: row
                .filter(|row| row.fields().is_some())
                .map(|row| Row::new(row, options)),
        }
    }

    fn operation<'a>(&self, event: &'a [Value]) -> Result<&'a str> {
        let operation = self.operation.and_then(|at| event.get(at)?.as_str());
        operation.ok_or_else(|| Error::data("a change event without an operation"))
    }

    fn message(
        &self,
        event: &[Value],
        options: &Options,
        payloads: &mut Plans<Arc<Schema>>,
    ) -> Result<Message> {
        let row = self.after.and_then(|at| event.get(at)?.as_struct());
        let (Some(values), Some(row)) = (row, &self.row) else {
            return Err(Error::data(
                "Only Struct objects supported for [Read Outbox Event]: the change event has no \
                 row after the change",
            ));
        };
        let values = values.values();
        let processed_at = self.processed_at.and_then(|at| event.get(at));
        let processed_at = match processed_at {
            Some(Value::Int(millis)) => Some(*millis),
            _ => None,
        };
        let additional = options.additional.iter().zip(&row.additional);
        let additional = additional.map(|(of, at)| match (at, options.missing) {
            (None, MissingField::Ignore) => Ok(None),
            (at, _) => row.datum(values, *at, &of.field).map(Some),
        });
        Ok(Message {
            id: row.datum(values, row.id, &options.id)?,
            key: row.datum(values, row.key, &options.key)?,
            payload: row.payload(values, options, payloads)?,
            timestamp: row.timestamp(values, options, processed_at)?,
            routed: row.routed(values, &options.route)?,
            additional: additional.collect::<Result<_>>()?,
            version: match options.has_envelope() {
                true => row.version(values, options)?,
                false => None,
            },
            row: Arc::clone(&row.schema),
        })
    }
}

impl Row {
    fn new(row: &Arc<Schema>, options: &Options) -> Self {
        let find = |name: &Option<Str>| name.as_ref().and_then(|name| row.index_of(name));
        let additional = options.additional.iter();
        Self {
            schema: Arc::clone(row),
            id: row.index_of(&options.id),
            key: row.index_of(&options.key),
            payload: row.index_of(&options.payload),
            timestamp: find(&options.timestamp),
            version: find(&options.version),
            route: row.index_of(&options.route),
            additional: additional.map(|it| row.index_of(&it.field)).collect(),
        }
    }

    /// A field, or its default where it is null.
    fn field<'a>(
        &'a self,
        values: &'a [Value],
        at: Option<usize>,
        name: &str,
    ) -> Result<(&'a Arc<Schema>, &'a Value)> {
        let field = at.and_then(|at| rows::fields(&self.schema).get(at));
        let missing = || Error::data(format!("Unable to find field {name} in event"));
        let schema = &field.ok_or_else(missing)?.schema;
        let value = at.and_then(|at| values.get(at)).unwrap_or(&Value::Null);
        Ok(match (value, &schema.default) {
            (Value::Null, Some(default)) => (schema, default),
            _ => (schema, value),
        })
    }

    fn datum(&self, values: &[Value], at: Option<usize>, name: &str) -> Result<Datum> {
        let (schema, value) = self.field(values, at, name)?;
        memory::charge(value.memory())?;
        Ok(Datum::new(Arc::clone(schema), value.clone()))
    }

    fn payload(
        &self,
        values: &[Value],
        options: &Options,
        payloads: &mut Plans<Arc<Schema>>,
    ) -> Result<Datum> {
        let (_, value) = self.field(values, self.payload, &options.payload)?;
        if let (Some(expansion), Value::String(text)) = (options.expansion, value)
            && let Some(expanded) = expansion.expand(text, &options.payload, payloads)
        {
            return Ok(expanded);
        }
        self.datum(values, self.payload, &options.payload)
    }

    fn routed(&self, values: &[Value], name: &str) -> Result<Str> {
        match self.field(values, self.route, name)? {
            (_, Value::String(text)) => {
                memory::charge(text.len())?;
                Ok(text.clone())
            }
            (schema, _) => Err(Error::data(format!(
                "the field {name} of a row of the outbox names no topic: it is null, or not a \
                 STRING but {}",
                schema.type_name()
            ))),
        }
    }

    fn version(&self, values: &[Value], options: &Options) -> Result<Option<i32>> {
        let Some(name) = &options.version else {
            return Ok(None);
        };
        self.int32(values, self.version, name)
    }

    fn int32(&self, values: &[Value], at: Option<usize>, name: &str) -> Result<Option<i32>> {
        let (schema, value) = self.field(values, at, name)?;
        int32(schema, value, name)
    }

    /// The timestamp of the message: when the event was processed, where the row has none.
    fn timestamp(
        &self,
        values: &[Value],
        options: &Options,
        processed_at: Option<i64>,
    ) -> Result<Option<Timestamp>> {
        let Some(name) = &options.timestamp else {
            return Ok(processed_at.map(Timestamp));
        };
        let (schema, value) = self.field(values, self.timestamp, name)?;
        let of_type = schema.name.as_deref().unwrap_or_default();
        let of_milli = match of_type.strip_prefix("io.debezium.time.") {
            _ if schema.kind != Kind::Int64 => None,
            _ if value.is_null() => return Ok(processed_at.map(Timestamp)),
            Some("Timestamp") => Some(1),
            Some("MicroTimestamp") => Some(1000),
            Some("NanoTimestamp") => Some(1_000_000),
            _ => None,
        };
        match (of_milli, value) {
            (Some(of_milli), Value::Int(count)) => Ok(Some(Timestamp(count / of_milli))),
            _ => Err(Error::data(format!(
                "Unsupported field type {} {of_type} for event timestamp: {name} must be a \
                 Timestamp, MicroTimestamp or NanoTimestamp of io.debezium.time",
                schema.type_name()
            ))),
        }
    }
}

fn int32(schema: &Schema, value: &Value, name: &str) -> Result<Option<i32>> {
    match (&schema.kind, value) {
        (Kind::Int32, Value::Null) => Ok(None),
        (Kind::Int32, Value::Int(number)) => Ok(i32::try_from(*number).ok()),
        _ => Err(Error::data(format!(
            "Field '{name}' is not of type INT32, it is of type {}",
            schema.type_name()
        ))),
    }
}

/// A row of the outbox.
struct Message {
    id: Datum,
    key: Datum,
    payload: Datum,
    timestamp: Option<Timestamp>,
    /// What names the topic.
    routed: Str,
    /// One for each of the options'; none where the row does not have it, and need not.
    additional: Vec<Option<Datum>>,
    version: Option<i32>,
    row: Arc<Schema>,
}

impl Message {
    /// Makes the record that of the message.
    fn put(self, record: &mut Record, options: &Options, envelopes: &mut Envelopes) -> Result<()> {
        let header = |name: &str, value| Header {
            name: name.into(),
            value,
        };
        let is_empty = match &self.payload.value {
            Value::Null => true,
            Value::String(text) => text.chars().all(|c| c <= ' '),
            _ => false,
        };
        let mut fields = vec![(Str::from(PAYLOAD), self.payload)];
        record.headers.push(header("id", self.id));
        for (of, datum) in options.additional.iter().zip(self.additional) {
            let Some(datum) = datum else {
                continue;
            };
            match of.placement {
                Placement::Header => record.headers.push(header(&of.alias, datum)),
                Placement::Envelope => fields.push((of.alias.clone(), datum)),
                // None: the partitioner chooses, where it did so before.
                Placement::Partition => {
                    let schema = datum.schema.as_deref();
                    let any = Schema::any();
                    let partition = int32(schema.unwrap_or(&any), &datum.value, &of.field)?;
                    record.partition = partition.or(record.partition);
                }
            }
        }
        record.key = self.key;
        record.timestamp = self.timestamp;
        record.value = if is_empty && options.empty_is_tombstone {
            Datum::NULL
        } else if options.has_envelope() {
            let of = Envelope {
                row: self.row,
                routed: self.routed,
                version: self.version,
                fields: Vec::with_capacity(fields.len()),
            };
            envelopes.datum(of, fields)?
        } else {
            fields.swap_remove(0).1
        };
        Ok(())
    }
}

/// The schemas of payloads with fields beside them, for the last messages.
#[derive(Default)]
struct Envelopes {
    known: Vec<(Envelope, Arc<Schema>)>,
    kept: KeptBytes,
}

/// What the schema of an envelope is made of.
#[derive(PartialEq)]
struct Envelope {
    row: Arc<Schema>,
    routed: Str,
    version: Option<i32>,
    fields: Vec<(Str, Option<Arc<Schema>>)>,
}

impl Envelopes {
    fn datum(&mut self, mut of: Envelope, fields: Vec<(Str, Datum)>) -> Result<Datum> {
        let named = fields.iter();
        of.fields
            .extend(named.map(|(name, datum)| (name.clone(), datum.schema.clone())));
        let values = fields.into_iter().map(|(_, datum)| datum.value).collect();
        let schema = match self.known.iter().find(|(known, _)| known.is_same(&of)) {
            Some((_, schema)) => Arc::clone(schema),
            None => {
                let schema = of.schema()?;
                let full = self.kept.add(2 * schema.memory()) == Room::AfterClearing;
                if full || self.known.len() >= MAX_ENVELOPES {
                    self.known.clear();
                }
                self.known.push((of, Arc::clone(&schema)));
                schema
            }
        };
        Ok(Datum::row(Struct::new(schema, values)))
    }
}

impl Envelope {
    fn is_same(&self, other: &Self) -> bool {
        let is_same_schema = |one: &Option<Arc<Schema>>, other: &Option<Arc<Schema>>| {
            matches!((one, other), (Some(one), Some(other)) if Arc::ptr_eq(one, other))
                || one == other
        };
        let fields = self.fields.iter().zip(&other.fields);
        self.version == other.version
            && self.routed == other.routed
            && (Arc::ptr_eq(&self.row, &other.row) || self.row == other.row)
            && self.fields.len() == other.fields.len()
            && fields
                .into_iter()
                .all(|(one, other)| one.0 == other.0 && is_same_schema(&one.1, &other.1))
    }

    /// Its name is that of the row's schema, with the routing value before the last part of it.
    fn schema(&self) -> Result<Arc<Schema>> {
        let routed = &self.routed;
        let name = match self.row.name.as_deref().map(|name| (name, name.rfind('.'))) {
            None => routed.to_string(),
            Some((name, None)) => format!("{routed}.{name}"),
            Some((name, Some(dot))) => {
                let (before, after) = name.split_at(dot + 1);
                format!("{before}{routed}.{after}")
            }
        };
        memory::charge(name.len())?;
        let fields = self.fields.iter().map(|(name, schema)| {
            let any = || Arc::new(Schema::any());
            Field::new(name.clone(), schema.clone().unwrap_or_else(any))
        });
        let made = rows::with_fields(&Schema::new(Kind::Any), fields.collect())?;
        Ok(Arc::new(Schema {
            name: Some(name.into()),
            version: self.version,
            ..(*made).clone()
        }))
    }
}
