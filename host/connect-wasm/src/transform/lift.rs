//! From what a plugin answers to records. Nothing of it is believed before it is checked.

mod content;
mod edited;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod weight;

use std::borrow::Cow;
use std::fmt;
use std::slice;
use std::sync::Arc;

use connect_api::{
    Datum, Error, Header, Kind, Outcome, Record, Schema, Str, Struct, Timestamp, TopicPartition,
    Value, panics,
};

use super::lower::InputShape;
use super::shapes::{Shapes, is_schemaless};
use crate::bindings::ferrule::transform::data::{
    Header as WitHeader, OutPayload, OutRecord, Outcome as WitOutcome, PoolResult, Row, Span,
    Value as WitValue,
};
use crate::host::Secrets;
use content::Content;
use edited::Own;

pub(super) use weight::{emits_more_than, gives_more_than};

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

/// Lifts the records of one reply, in their order.
pub(super) struct Lift<'a> {
    plugin: &'a dyn fmt::Display,
    secrets: &'a Secrets,
    inputs: &'a [InputShape],
    /// The schema of each new shape, and whether its rows count as schemaless.
    made: Vec<Result<(Arc<Schema>, bool), String>>,
    values: Queue<'a, WitValue>,
    headers: Queue<'a, WitHeader>,
    sources: &'a [i32],
    content: Content<'a>,
}

/// What the records of a reply take in their order, and none a second time: a few bytes could so
/// become many (Invariant 8).
struct Queue<'a, T> {
    all: &'a [T],
    taken: usize,
}

impl<'a, T> Queue<'a, T> {
    fn new(all: &'a [T]) -> Self {
        Self { all, taken: 0 }
    }

    /// So many from this place on; none, if it is before what has been taken, or they are not
    /// there.
    fn take(&mut self, first: u32, count: usize) -> Option<&'a [T]> {
        if count == 0 {
            return Some(&[]);
        }
        let first = first as usize;
        let end = first.checked_add(count)?;
        let taken = self.all.get(first..end).filter(|_| first >= self.taken)?;
        self.taken = end;
        Some(taken)
    }
}

impl<'a> Lift<'a> {
    pub(super) fn new(
        (plugin, secrets): (&'a dyn fmt::Display, &'a Secrets),
        inputs: &'a [InputShape],
        shapes: &mut Shapes,
        pool: &'a PoolResult,
        sources: &'a [i32],
    ) -> Self {
        let made = pool.shapes.iter().map(|shape| {
            let schema = shapes.intern(shape)?;
            let schemaless = is_schemaless(&schema);
            Ok((schema, schemaless))
        });
        Self {
            plugin,
            secrets,
            inputs,
            made: made.collect(),
            values: Queue::new(&pool.values),
            headers: Queue::new(&pool.headers),
            sources,
            content: Content {
                texts: &pool.texts,
                bytes: &pool.bytes,
            },
        }
    }

    /// What becomes of a record, as [`Self::outcome`] says. It takes its own part of `made`
    /// whatever happens, and a panic on the way fails this record alone.
    pub(super) fn guarded(
        &mut self,
        record: &mut Record,
        outcome: &WitOutcome,
        made: &mut &'a [OutRecord],
    ) -> Outcome {
        let count = match outcome {
            WitOutcome::Replace(count) => made.len().min(*count as usize),
            _ => 0,
        };
        let (own, rest) = made.split_at(count);
        *made = rest;
        panics::caught(|| Ok(self.outcome(record, outcome, &mut own.iter())))
            .unwrap_or_else(Outcome::Fail)
    }

    /// What becomes of a record, which the next of `made` may replace; a bad answer fails it. One
    /// record that takes its place is made in its place.
    pub(super) fn outcome(
        &mut self,
        record: &mut Record,
        outcome: &WitOutcome,
        made: &mut slice::Iter<'_, OutRecord>,
    ) -> Outcome {
        let replaced = match outcome {
            WitOutcome::Keep => return Outcome::Keep,
            WitOutcome::Drop | WitOutcome::Replace(0) => return Outcome::Drop,
            WitOutcome::Fail(failure) => {
                let field = failure.field.as_deref();
                let field = field.map(|field| self.told(field, NAME_BYTES));
                let reason = self.told(&failure.reason, REASON_BYTES);
                return Outcome::Fail(match field {
                    Some(field) => Error::data(format!("{}: {field}: {reason}", self.plugin))
                        .at_field(field, reason),
                    None => Error::data(format!("{}: {reason}", self.plugin)),
                });
            }
            WitOutcome::Replace(1) => match made.next() {
                Some(made) => self.changed(record, made),
                None => Err("a record that it is replaced by is not there".into()),
            },
            WitOutcome::Replace(count) => self.replaced(record, *count as usize, made),
        };
        replaced.unwrap_or_else(|why| Outcome::Fail(Error::data(self.broken(&why))))
    }

    fn changed(&mut self, record: &mut Record, made: &OutRecord) -> Checked<Outcome> {
        if let Some(made) = &made.key {
            record.key = self.part(Own::Given(&mut record.key), made, true)?;
        }
        if let Some(made) = &made.value {
            record.value = self.part(Own::Given(&mut record.value), made, true)?;
        }
        if let Some(made) = made.headers {
            record.headers = self.headers(made)?;
        }
        self.address(record, made)?;
        Ok(Outcome::Change)
    }

    fn replaced(
        &mut self,
        record: &Record,
        count: usize,
        made: &mut slice::Iter<'_, OutRecord>,
    ) -> Checked<Outcome> {
        let compared = count <= COMPARED;
        // All are taken, also after one that is not sound: the next belongs to another outcome.
        let mut records = Ok(Vec::with_capacity(count.min(made.len())));
        for made in made.take(count) {
            if let Ok(sound) = &mut records {
                match self.copy(record, made, compared) {
                    Ok(copy) => sound.push(copy),
                    Err(why) => records = Err(why),
                }
            }
        }
        records.map(Outcome::Replace)
    }

    /// A record that a tick made, at the place and the time that the partition has come to.
    pub(super) fn emitted(
        &mut self,
        partition: &TopicPartition,
        now: Timestamp,
        made: &OutRecord,
    ) -> connect_api::Result<Record> {
        let base = Record {
            topic: Arc::clone(&partition.topic),
            partition: Some(partition.partition),
            key: Datum::NULL,
            value: Datum::NULL,
            headers: Vec::new(),
            timestamp: Some(now),
        };
        self.copy(&base, made, false)
            .map_err(|why| Error::fatal(self.broken(&why)).context("tick"))
    }

    fn broken(&self, why: &str) -> String {
        // It may name what the plugin has named.
        let why = self.told(why, REASON_BYTES);
        format!("{} broke the contract: {why}", self.plugin)
    }

    /// The plugin's words, as they may stand in a log and a header (Invariants 8 and 9).
    fn told(&self, words: &str, most: usize) -> String {
        // Hidden first, lest the cut leave a part of a secret.
        let mut words = self.secrets.hide(words).into_owned();
        words.truncate(words.floor_char_boundary(most));
        words
    }

    /// One of several records made of one. With `compared`, what is nested is compared with what it
    /// was.
    fn copy(&mut self, record: &Record, made: &OutRecord, compared: bool) -> Checked<Record> {
        let mut part = |own, made: &Option<_>| match made {
            Some(made) => self.part(Own::Lent(own), made, compared),
            None => Ok(own.clone()),
        };
        let mut copy = Record {
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            key: part(&record.key, &made.key)?,
            value: part(&record.value, &made.value)?,
            headers: match made.headers {
                Some(made) => self.headers(made)?,
                None => record.headers.clone(),
            },
            timestamp: record.timestamp,
        };
        self.address(&mut copy, made)?;
        Ok(copy)
    }

    fn part(&mut self, own: Own<'_>, made: &OutPayload, compared: bool) -> Checked<Datum> {
        match made {
            OutPayload::Scalar(made) => self.content.scalar((own.get(), compared), *made),
            OutPayload::Row(made) => self.row((own.get(), compared), *made),
            OutPayload::Edited(made) => self.edited(own, *made),
        }
    }

    fn shape(&self, place: u32) -> Checked<(Arc<Schema>, bool)> {
        let place = place as usize;
        match self.inputs.get(place) {
            Some(input) => Ok((Arc::clone(&input.schema), input.schemaless)),
            None => match self.made.get(place - self.inputs.len()) {
                Some(Ok((schema, schemaless))) => Ok((Arc::clone(schema), *schemaless)),
                Some(Err(why)) => Err(why.clone().into()),
                None => Err("a row has a shape that there is not".into()),
            },
        }
    }

    fn values(&mut self, first: u32, count: usize) -> Checked<&'a [WitValue]> {
        let taken = self.values.take(first, count);
        taken.ok_or_else(|| "a row has not one value of its own for each field".into())
    }

    fn row(&mut self, (own, compared): (&Datum, bool), made: Row) -> Checked<Datum> {
        let (schema, schemaless) = self.shape(made.shape)?;
        let fields = schema.fields().unwrap_or_default();
        let made = self.values(made.first, fields.len())?;
        // What was nested in the input comes back as the value that it was, if it is unchanged.
        let before = own
            .value
            .as_struct()
            .filter(|row| compared && Arc::ptr_eq(row.schema(), &schema));
        let mut values = Vec::with_capacity(fields.len());
        for (at, (field, made)) in fields.iter().zip(made).enumerate() {
            let Schema { kind, optional, .. } = &*field.schema;
            let any = matches!(kind, Kind::Any);
            // What the field says, straight into its place: a value that passes through results on
            // its way is copied each time, and each copy waits for the one before.
            match *made {
                WitValue::Null if *optional || any => values.push(Value::Null),
                WitValue::Boolean(flag) if any || matches!(kind, Kind::Boolean) => {
                    values.push(Value::Boolean(flag));
                }
                WitValue::Int(number) if any || matches!(kind, Kind::Int64) => {
                    values.push(Value::Int(number));
                }
                WitValue::Float(number) if any || matches!(kind, Kind::Float64) => {
                    values.push(Value::Float(number));
                }
                WitValue::Text(text) if any || matches!(kind, Kind::String) => {
                    let text = self.content.text(text);
                    let text = text.map_err(|why| in_field(&field.name, &why))?;
                    values.push(Value::String(Str::from(text)));
                }
                WitValue::Timestamp(micros) if any || matches!(kind, Kind::Timestamp) => {
                    values.push(Value::Timestamp(micros));
                }
                made => {
                    let before = before.and_then(|row| row.values().get(at));
                    values.push(self.content.typed(made, field, before)?);
                }
            }
        }
        Ok(datum(Struct::new(schema, values), schemaless))
    }

    /// Where a record goes, and its time.
    fn address(&self, record: &mut Record, made: &OutRecord) -> Checked<()> {
        if let Some(topic) = made.topic {
            let topic = self.content.text(topic)?;
            if *topic != *record.topic {
                record.topic = checked_topic(topic)?;
            }
        }
        if let Some(millis) = made.timestamp {
            if millis < 0 {
                return Err("a timestamp is negative".into());
            }
            record.timestamp = Some(Timestamp(millis));
        }
        Ok(())
    }

    fn headers(&mut self, made: Span) -> Checked<Vec<Header>> {
        let taken = self.headers.take(made.start, made.len as usize);
        let taken = taken.ok_or("a record has headers that are not there for it alone")?;
        let header = |made: &WitHeader| {
            Ok(Header {
                name: self.content.text(made.name)?.into(),
                value: Datum::schemaless(self.content.value(made.value)?),
            })
        };
        taken.iter().map(header).collect()
    }
}

fn datum(row: Struct, schemaless: bool) -> Datum {
    if schemaless {
        Datum::schemaless_row(row)
    } else {
        Datum::row(row)
    }
}

#[cold]
fn in_field(name: &str, why: &str) -> Cow<'static, str> {
    format!("field {name}: {why}").into()
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
