//! From what a plugin answers to records. Nothing of it is believed before it is checked.

mod edited;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Datum, Decimal, Error, Field, Header, Kind, Outcome, Schema, SinkRecord, Str, Struct,
    TimestampType, TopicPartition, Value,
};

use super::lower::{InputShape, MAX_DIGITS};
use super::nested;
use super::shapes::{Shapes, is_schemaless};
use crate::bindings::ferrule::transform::data::{
    HeaderResult, OutPayload, OutRecord, Outcome as WitOutcome, RowResult, ShapeResult, ValueResult,
};
use crate::host::Secrets;
use edited::Own;

pub(super) use edited::takes_more_than;

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

    /// What becomes of a record; a bad answer fails it. One record that takes its place is made in
    /// its place.
    pub(super) fn outcome(&self, record: &mut SinkRecord, outcome: WitOutcome) -> Outcome {
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
            WitOutcome::Replace(made) => match self.replaced(record, made) {
                Ok(outcome) => outcome,
                Err(why) => Outcome::Fail(Error::data(self.broken(&why))),
            },
        }
    }

    fn replaced(&self, record: &mut SinkRecord, mut made: Vec<OutRecord>) -> Checked<Outcome> {
        if made.len() > 1 {
            let compared = made.len() <= COMPARED;
            // With its capacity: what collects results starts with room for four.
            let mut records = Vec::with_capacity(made.len());
            for made in made {
                records.push(self.copy(record, made, compared)?);
            }
            return Ok(Outcome::Replace(records));
        }
        let Some(made) = made.pop() else {
            return Ok(Outcome::Drop);
        };
        if let Some(made) = made.key {
            record.key = self.part(Own::Given(&mut record.key), made, true)?;
        }
        if let Some(made) = made.value {
            record.value = self.part(Own::Given(&mut record.value), made, true)?;
        }
        if let Some(made) = made.headers {
            record.headers = headers(made)?;
        }
        address(record, made.topic, made.timestamp)?;
        Ok(Outcome::Change)
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
        self.copy(&base, made, false)
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

    /// One of several records made of one. With `compared`, what is nested is compared with what it
    /// was.
    fn copy(&self, record: &SinkRecord, made: OutRecord, compared: bool) -> Checked<SinkRecord> {
        let part = |own, made: Option<_>| match made {
            Some(made) => self.part(Own::Lent(own), made, compared),
            None => Ok(own.clone()),
        };
        let mut copy = SinkRecord {
            source: Arc::clone(&record.source),
            offset: record.offset,
            topic: Arc::clone(&record.topic),
            key: part(&record.key, made.key)?,
            value: part(&record.value, made.value)?,
            headers: match made.headers {
                Some(made) => headers(made)?,
                None => record.headers.clone(),
            },
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
        };
        address(&mut copy, made.topic, made.timestamp)?;
        Ok(copy)
    }

    fn part(&self, own: Own<'_>, made: OutPayload, compared: bool) -> Checked<Datum> {
        match made {
            OutPayload::Scalar(made) => scalar((own.get(), compared), made),
            OutPayload::Row(made) => self.row((own.get(), compared), made),
            OutPayload::Edited(made) => {
                let (schema, schemaless) = self.shape(made.shape)?;
                edited::row(own, schema, made).map(|row| datum(row, schemaless))
            }
        }
    }

    fn shape(&self, place: u32) -> Checked<(&Arc<Schema>, bool)> {
        let place = place as usize;
        match self.inputs.get(place) {
            Some(input) => Ok((&input.schema, input.schemaless)),
            None => match self.made.get(place - self.inputs.len()) {
                Some(Ok((schema, schemaless))) => Ok((schema, *schemaless)),
                Some(Err(why)) => Err(why.clone().into()),
                None => Err("a row has a shape that there is not".into()),
            },
        }
    }

    fn row(&self, (own, compared): (&Datum, bool), made: RowResult) -> Checked<Datum> {
        let (schema, schemaless) = self.shape(made.shape)?;
        let fields = schema.fields().unwrap_or_default();
        if fields.len() != made.values.len() {
            return Err("a row has not one value for each field".into());
        }
        // What was nested in the input comes back as the value that it was, if it is unchanged.
        let before = own
            .value
            .as_struct()
            .filter(|row| compared && Arc::ptr_eq(row.schema(), schema));
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
                    values.push(typed(made, field, before)?);
                }
            }
        }
        Ok(datum(Struct::new(Arc::clone(schema), values), schemaless))
    }
}

fn datum(row: Struct, schemaless: bool) -> Datum {
    if schemaless {
        Datum::schemaless_row(row)
    } else {
        Datum::row(row)
    }
}

/// Where a record goes, and its time.
fn address(record: &mut SinkRecord, topic: Option<String>, timestamp: Option<i64>) -> Checked<()> {
    if let Some(topic) = topic
        && *topic != *record.topic
    {
        record.topic = checked_topic(&topic)?;
    }
    if let Some(millis) = timestamp {
        if millis < 0 {
            return Err("a timestamp is negative".into());
        }
        (record.timestamp, record.timestamp_type) = (Some(millis), TimestampType::CreateTime);
    }
    Ok(())
}

fn headers(made: Vec<HeaderResult>) -> Checked<Vec<Header>> {
    let header = |made: HeaderResult| {
        Ok(Header {
            name: made.name.into(),
            value: Datum::schemaless(value(made.value)?),
        })
    };
    made.into_iter().map(header).collect()
}

/// A scalar keeps the schema of the part that it replaces where it fits it.
fn scalar((own, compared): (&Datum, bool), made: ValueResult) -> Checked<Datum> {
    let Some(schema) = &own.schema else {
        return value(made).map(Datum::schemaless);
    };
    if let (ValueResult::Json(text), true) = (&made, is_nested(&schema.kind))
        && let Ok(value) = nested::lift(text, schema, Some(&own.value).filter(|_| compared))
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

/// A value for a field; `before` is what stands there.
fn typed(made: ValueResult, field: &Field, before: Option<&Value>) -> Checked<Value> {
    let schema = &field.schema;
    let value = match &made {
        ValueResult::Json(text) if is_nested(&schema.kind) => nested::lift(text, schema, before),
        _ => value(made).and_then(|value| described(value, schema)),
    };
    value.map_err(|why| in_field(&field.name, &why))
}

#[cold]
fn in_field(name: &str, why: &str) -> Cow<'static, str> {
    format!("field {name}: {why}").into()
}

/// A value in a field of this schema.
fn described(value: Value, schema: &Schema) -> Checked<Value> {
    if value.is_null() {
        // Only a schema can ask for a value.
        return if schema.optional || schema.kind == Kind::Any {
            Ok(value)
        } else {
            Err("null in a field that is not optional".into())
        };
    }
    if nested::fits(&schema.kind, &value) {
        return Ok(value);
    }
    let (value, field) = (value.type_name(), schema.type_name());
    Err(format!("a value of type {value} in a field of type {field}").into())
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
