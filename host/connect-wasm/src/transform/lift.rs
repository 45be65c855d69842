//! From what a plugin answers to records. Nothing of it is believed before it is checked.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Datum, Decimal, Error, Header, Kind, Outcome, Schema, SinkRecord, Str, Struct, TimestampType,
    TopicPartition, Value,
};

use super::lower::{InputShape, MAX_DIGITS};
use super::nested;
use super::shapes::{Shapes, is_schemaless};
use crate::bindings::ferrule::transform::data::{
    HeaderResult, OutRecord, Outcome as WitOutcome, PayloadResult, RowResult, ShapeResult,
    ValueResult,
};
use crate::host::Secrets;

/// What is wrong with an answer.
type Checked<T> = Result<T, Cow<'static, str>>;

/// A reason that is longer is cut: it goes into the log and into headers.
const REASON_BYTES: usize = 1024;
/// The same for the name of a field.
const NAME_BYTES: usize = 256;
/// Of more records that replace one, none is compared with it: each comparison writes it anew.
const COMPARED: usize = 16;
/// The longest name of a topic, by Kafka.
const TOPIC_BYTES: usize = 249;
const DAY_MICROS: i64 = 86_400_000_000;

/// Lifts the records of one reply.
pub(super) struct Lift<'a> {
    plugin: &'a dyn fmt::Display,
    secrets: &'a Secrets,
    inputs: &'a [InputShape],
    /// The schema of each new shape, and whether its rows count as schemaless.
    made: Vec<Result<(Arc<Schema>, bool), String>>,
}

impl<'a> Lift<'a> {
    pub(super) fn new(
        (plugin, secrets): (&'a dyn fmt::Display, &'a Secrets),
        inputs: &'a [InputShape],
        shapes: &mut Shapes,
        made: &[ShapeResult],
    ) -> Self {
        Self {
            plugin,
            secrets,
            inputs,
            made: made
                .iter()
                .map(|shape| {
                    shapes
                        .intern(shape)
                        .map(|it| (Arc::clone(&it), is_schemaless(&it)))
                })
                .collect(),
        }
    }

    /// What becomes of a record; a bad answer fails it.
    pub(super) fn outcome(&self, record: &SinkRecord, outcome: WitOutcome) -> Outcome {
        match outcome {
            WitOutcome::Keep => Outcome::Keep,
            WitOutcome::Drop => Outcome::Drop,
            WitOutcome::Fail(failure) => {
                let field = failure.field.map(|field| self.told(field, NAME_BYTES));
                let reason = self.told(failure.reason, REASON_BYTES);
                Outcome::Fail(Error::data(match field {
                    Some(field) => format!("{}: {field}: {reason}", self.plugin),
                    None => format!("{}: {reason}", self.plugin),
                }))
            }
            WitOutcome::Replace(records) if records.is_empty() => Outcome::Drop,
            WitOutcome::Replace(records) => {
                let few = records.len() <= COMPARED;
                // With its capacity: what collects results starts with room for four.
                let mut replacing = Vec::with_capacity(records.len());
                for made in records {
                    match self.record((record, few), made) {
                        Ok(record) => replacing.push(record),
                        Err(why) => return Outcome::Fail(Error::data(self.broken(&why))),
                    }
                }
                Outcome::Replace(replacing)
            }
        }
    }

    /// A record that a tick made, at the place and the time that the partition has come to.
    pub(super) fn emitted(
        &self,
        (source, offset): (&Arc<TopicPartition>, i64),
        now: i64,
        made: OutRecord,
    ) -> connect_api::Result<SinkRecord> {
        let base = SinkRecord {
            source: Arc::clone(source),
            offset,
            topic: Arc::clone(&source.topic),
            key: Datum::NULL,
            value: Datum::NULL,
            headers: Vec::new(),
            timestamp: Some(now),
            timestamp_type: TimestampType::CreateTime,
        };
        self.record((&base, false), made)
            .map_err(|why| Error::fatal(self.broken(&why)).context("tick"))
    }

    fn broken(&self, why: &str) -> String {
        // It may name what the plugin has named.
        let why = self.told(why.to_owned(), REASON_BYTES);
        format!("{} broke the contract: {why}", self.plugin)
    }

    /// The plugin's words, as they may stand in a log and a header (Invariants 8 and 9).
    fn told(&self, words: String, most: usize) -> String {
        // Hidden first, lest the cut leave a part of a secret.
        let mut words = self.secrets.hide(words).into_owned();
        words.truncate(words.floor_char_boundary(most));
        words
    }

    /// With `few`, what is nested is compared with what it was.
    fn record(&self, (input, few): (&SinkRecord, bool), made: OutRecord) -> Checked<SinkRecord> {
        let (timestamp, timestamp_type) = match made.timestamp {
            Some(millis) if millis < 0 => return Err("a timestamp is negative".into()),
            Some(millis) => (Some(millis), TimestampType::CreateTime),
            None => (input.timestamp, input.timestamp_type),
        };
        Ok(SinkRecord {
            source: Arc::clone(&input.source),
            offset: input.offset,
            topic: match made.topic {
                Some(topic) if *topic == *input.topic => Arc::clone(&input.topic),
                Some(topic) => checked_topic(&topic)?,
                None => Arc::clone(&input.topic),
            },
            key: match made.key {
                Some(key) => self.payload((&input.key, few), key)?,
                None => input.key.clone(),
            },
            value: match made.value {
                Some(value) => self.payload((&input.value, few), value)?,
                None => input.value.clone(),
            },
            headers: match made.headers {
                Some(headers) => headers
                    .into_iter()
                    .map(|header| self.header(header))
                    .collect::<Checked<_>>()?,
                None => input.headers.clone(),
            },
            timestamp,
            timestamp_type,
        })
    }

    fn header(&self, made: HeaderResult) -> Checked<Header> {
        Ok(Header {
            name: made.name.into(),
            value: Datum::schemaless(value(made.value)?),
        })
    }

    fn payload(&self, part: (&Datum, bool), made: PayloadResult) -> Checked<Datum> {
        match made {
            PayloadResult::Scalar(made) => scalar(part, made),
            PayloadResult::Row(row) => self.row(part, row),
        }
    }

    fn row(&self, (part, few): (&Datum, bool), made: RowResult) -> Checked<Datum> {
        let place = made.shape as usize;
        let (schema, schemaless) = match self.inputs.get(place) {
            Some(input) => (&input.schema, input.schemaless),
            None => match self.made.get(place - self.inputs.len()) {
                Some(Ok((schema, schemaless))) => (schema, *schemaless),
                Some(Err(why)) => return Err(why.clone().into()),
                None => return Err("a row has a shape that there is not".into()),
            },
        };
        let fields = schema.fields().unwrap_or_default();
        if fields.len() != made.values.len() {
            return Err("a row has not one value for each field".into());
        }
        // What was nested in the input comes back as the value that it was, if it is unchanged.
        let before = part
            .value
            .as_struct()
            .filter(|row| few && Arc::ptr_eq(row.schema(), schema));
        let mut values = Vec::with_capacity(fields.len());
        for (at, (field, made)) in fields.iter().zip(made.values).enumerate() {
            let Schema { kind, optional, .. } = &*field.schema;
            let any = matches!(kind, Kind::Any);
            // What the field says, straight into its place, as in `lower`.
            match made {
                ValueResult::Null if *optional || any => values.push(Value::Null),
                ValueResult::Boolean(flag) if any || matches!(kind, Kind::Boolean) => {
                    values.push(Value::Boolean(flag));
                }
                ValueResult::Int(number) if any || matches!(kind, Kind::Int64) => {
                    values.push(Value::Int(number));
                }
                ValueResult::Float(number) if any || matches!(kind, Kind::Float64) => {
                    values.push(Value::Float(number));
                }
                ValueResult::Text(text) if any || matches!(kind, Kind::String) => {
                    values.push(Value::String(Str::from(text)));
                }
                ValueResult::Timestamp(micros) if any || matches!(kind, Kind::Timestamp) => {
                    values.push(Value::Timestamp(micros));
                }
                made => {
                    let before = before.and_then(|row| row.values().get(at));
                    let value = typed(made, &field.schema, before);
                    values.push(value.map_err(|why| format!("field {}: {why}", field.name))?);
                }
            }
        }
        let row = Struct::new(Arc::clone(schema), values);
        Ok(if schemaless {
            Datum::schemaless_row(row)
        } else {
            Datum::row(row)
        })
    }
}

/// A scalar keeps the schema of the part that it replaces where it fits it.
fn scalar((part, few): (&Datum, bool), made: ValueResult) -> Checked<Datum> {
    let Some(schema) = &part.schema else {
        return value(made).map(Datum::schemaless);
    };
    if let (ValueResult::Json(text), true) = (&made, is_nested(&schema.kind))
        && let Ok(value) = nested::lift(text, schema, Some(&part.value).filter(|_| few))
    {
        return Ok(Datum::new(Arc::clone(schema), value));
    }
    let value = value(made)?;
    let fits = match value {
        Value::Null => schema.optional,
        _ => nested::fits(&schema.kind, &value),
    };
    Ok(if fits {
        Datum::new(Arc::clone(schema), value)
    } else {
        Datum::schemaless(value)
    })
}

fn is_nested(kind: &Kind) -> bool {
    matches!(kind, Kind::Array(_) | Kind::Map(..) | Kind::Struct(_))
}

/// A value that a schema describes.
fn typed(made: ValueResult, schema: &Schema, before: Option<&Value>) -> Checked<Value> {
    let mismatch = |value: &Value| -> Cow<'static, str> {
        format!(
            "a value of type {} in a field of type {}",
            value.type_name(),
            schema.type_name()
        )
        .into()
    };
    if let (ValueResult::Json(text), true) = (&made, is_nested(&schema.kind)) {
        return nested::lift(text, schema, before);
    }
    let value = value(made)?;
    if value.is_null() {
        // Only a schema can ask for a value.
        return if schema.optional || schema.kind == Kind::Any {
            Ok(value)
        } else {
            Err("null in a field that is not optional".into())
        };
    }
    if nested::fits(&schema.kind, &value) {
        Ok(value)
    } else {
        Err(mismatch(&value))
    }
}

/// A value that nothing describes.
fn value(made: ValueResult) -> Checked<Value> {
    Ok(match made {
        ValueResult::Null => Value::Null,
        ValueResult::Boolean(flag) => Value::Boolean(flag),
        ValueResult::Int(number) => Value::Int(number),
        ValueResult::Float(number) => Value::Float(number),
        ValueResult::Text(text) => Value::String(Str::from(text)),
        ValueResult::Bytes(bytes) => Value::Bytes(Bytes::from(bytes)),
        ValueResult::Decimal(text) => Value::Decimal(Box::new(decimal(&text)?)),
        ValueResult::Date(days) => Value::Date(days),
        ValueResult::Time(micros) if (0..DAY_MICROS).contains(&micros) => Value::Time(micros),
        ValueResult::Time(_) => return Err("a time is not within a day".into()),
        ValueResult::Timestamp(micros) => Value::Timestamp(micros),
        ValueResult::Json(text) => nested::free(text)?,
    })
}

/// Plain notation only: an exponent could ask for more digits than there are bytes.
pub(super) fn decimal(text: &str) -> Checked<Decimal> {
    let invalid = || Cow::Borrowed("a decimal is not in plain notation");
    if text.len() > MAX_DIGITS || text.contains(['e', 'E']) {
        return Err(invalid());
    }
    text.parse().map_err(|_| invalid())
}

fn checked_topic(topic: &str) -> Checked<Arc<str>> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=TOPIC_BYTES).contains(&topic.len())
        && topic.bytes().all(good)
        && topic != "."
        && topic != ".."
    {
        Ok(topic.into())
    } else {
        Err("a topic has a name that Kafka does not allow".into())
    }
}

#[cfg(test)]
mod tests;
