//! Runs a plugin natively: no WASM, the imports kept in memory, one world for each thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::bindings::ferrule::transform::data::{self, Batch, InRecord, Kind, Shape};
use crate::log::Level;
use crate::{Config, ConfigErrors, Failure, Header, Tick, Transform, Value, glue};

/// What the imports have got from the plugins of this thread.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Lines of the log.
    pub lines: Vec<(Level, String)>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
    /// Gauges by name.
    pub gauges: BTreeMap<String, f64>,
    /// Entries of the state: value and, where it has one, the record time of its end.
    pub entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
    /// The greatest number of bytes of keys and values, if there is a limit.
    pub state_limit: Option<u64>,
    /// The record time by which entries end, in milliseconds since 1970.
    pub now: i64,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

/// Looks at or changes the world of this thread.
pub fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(look)
}

/// Empties the world of this thread.
pub fn reset() {
    world(|world| *world = World::default());
}

/// The state, as the contract has it.
pub(crate) mod store {
    use super::{World, world};
    use crate::state::Error;

    pub(crate) fn get(key: &[u8]) -> Option<Vec<u8>> {
        world(|world| live(world, key))
    }

    pub(crate) fn get_many(keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| get(key)).collect()
    }

    pub(crate) fn set(key: &[u8], value: &[u8], ttl: Option<u64>) -> Result<(), Error> {
        world(|world| {
            let entry = (key.len() + value.len()) as u64;
            let others = world.entries.iter().filter(|(other, _)| *other != key);
            let others: usize = others
                .map(|(key, (value, _))| key.len() + value.len())
                .sum();
            if let Some(limit) = world
                .state_limit
                .filter(|limit| others as u64 + entry > *limit)
            {
                return Err(Error::Full(limit));
            }
            let end = ttl.map(|ttl| world.now.saturating_add_unsigned(ttl));
            world.entries.insert(key.to_vec(), (value.to_vec(), end));
            Ok(())
        })
    }

    pub(crate) fn delete(key: &[u8]) {
        world(|world| world.entries.remove(key));
    }

    pub(crate) fn scan(prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        world(|world| {
            let wanted =
                |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            let entries = world.entries.iter().filter(|(key, _)| wanted(key));
            let entries = entries.filter_map(|(key, _)| Some((key.clone(), live(world, key)?)));
            entries.take(limit as usize).collect()
        })
    }

    fn live(world: &World, key: &[u8]) -> Option<Vec<u8>> {
        let (value, end) = world.entries.get(key)?;
        end.is_none_or(|end| world.now < end).then(|| value.clone())
    }
}

/// What a plugin answered to a record, with the names of fields back in the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The record goes on as it is.
    Keep,
    /// The record goes no further.
    Drop,
    /// These take its place.
    Replace(Vec<Made>),
    /// The record is an errant one.
    Fail(Failure),
}

impl Answer {
    /// Field and reason of a failure.
    ///
    /// # Panics
    /// If the answer is another.
    pub fn failure(self) -> (Option<String>, String) {
        match self {
            Answer::Fail(failure) => (failure.field, failure.reason),
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// The one record that takes the place of the input.
    ///
    /// # Panics
    /// If the answer is another.
    pub fn record(self) -> Made {
        match self {
            Answer::Replace(mut records) if records.len() == 1 => records.remove(0),
            other => panic!("not one record: {other:?}"),
        }
    }
}

/// A record that a plugin made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The topic, if not that of the input.
    pub topic: Option<String>,
    /// The timestamp, if not that of the input.
    pub timestamp: Option<i64>,
    /// The key, if not that of the input.
    pub key: Option<Content>,
    /// The value.
    pub value: Content,
    /// The headers, if not those of the input.
    pub headers: Option<Vec<Header>>,
}

impl Made {
    /// The value of a field of the value.
    ///
    /// # Panics
    /// If the value is no row or has no such field.
    pub fn field(&self, name: &str) -> &Value {
        match &self.value {
            Content::Row(fields) => match fields.iter().find(|(field, _)| field == name) {
                Some((_, value)) => value,
                None => panic!("no field {name} in {fields:?}"),
            },
            Content::Scalar(value) => panic!("not a row: {value:?}"),
        }
    }
}

/// A key or a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A single value.
    Scalar(Value),
    /// Names and values.
    Row(Vec<(String, Value)>),
}

impl From<Value> for Content {
    fn from(value: Value) -> Content {
        Content::Scalar(value)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Content {
    fn from(fields: [(&str, Value); N]) -> Content {
        Content::Row(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

impl From<Vec<(String, Value)>> for Content {
    fn from(fields: Vec<(String, Value)>) -> Content {
        Content::Row(fields)
    }
}

/// A configured plugin that runs natively.
pub struct Runner<T> {
    plugin: T,
    next_offset: i64,
}

impl<T: Transform> Runner<T> {
    /// Configures the plugin with these keys, and the defaults of its description for the rest.
    pub fn new(config: &[(&str, &str)]) -> Result<Runner<T>, ConfigErrors> {
        let keys = T::describe().config;
        let defaults = keys
            .into_iter()
            .filter_map(|key| Some((key.name, key.default_value?)));
        let given = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let plugin = T::configure(&Config::new(defaults.chain(given)))?;
        Ok(Runner {
            plugin,
            next_offset: 0,
        })
    }

    /// One record with this row as its value, in a batch of its own.
    pub fn row<const N: usize>(&mut self, fields: [(&str, Value); N]) -> Answer {
        self.one(fields)
    }

    /// One record with this value, in a batch of its own.
    pub fn one(&mut self, value: impl Into<Content>) -> Answer {
        self.batch([value.into()]).remove(0)
    }

    /// A batch of records with these values.
    ///
    /// # Panics
    /// If the reply breaks the contract.
    pub fn batch(&mut self, values: impl IntoIterator<Item = Content>) -> Vec<Answer> {
        let mut shapes = Vec::new();
        let values: Vec<_> = values
            .into_iter()
            .map(|value| payload(value, &mut shapes))
            .collect();
        let records = values
            .into_iter()
            .map(|value| self.record(value))
            .collect::<Vec<_>>();
        let batch = Batch {
            topic: "topic".into(),
            partition: 0,
            shapes,
            records,
        };
        let reply = glue::apply(&mut self.plugin, &batch);
        assert_eq!(
            reply.outcomes.len(),
            batch.records.len(),
            "one outcome for each record"
        );
        let shapes = [batch.shapes, reply.shapes].concat();
        reply
            .outcomes
            .into_iter()
            .map(|outcome| answer(outcome, &shapes))
            .collect()
    }

    /// A tick at this record time.
    pub fn tick(&mut self, now: i64) -> Vec<Made> {
        world(|world| world.now = now);
        let tick = Tick {
            topic: "topic",
            partition: 0,
            now,
        };
        let emission = glue::tick(&mut self.plugin, tick);
        emission
            .records
            .into_iter()
            .map(|record| made(record, &emission.shapes))
            .collect()
    }

    fn record(&mut self, value: data::Payload) -> InRecord {
        let offset = self.next_offset;
        self.next_offset += 1;
        InRecord {
            offset,
            timestamp: Some(offset),
            key: data::Payload::Scalar(Value::Null),
            value,
            headers: Vec::new(),
        }
    }
}

fn payload(content: Content, shapes: &mut Vec<Shape>) -> data::Payload {
    let fields = match content {
        Content::Scalar(value) => return data::Payload::Scalar(value),
        Content::Row(fields) => fields,
    };
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let field = |name| data::Field {
        name,
        kind: Kind::Any,
        optional: true,
    };
    let shape = Shape {
        name: None,
        fields: names.into_iter().map(field).collect(),
    };
    let known = shapes.iter().position(|known| *known == shape);
    let index = known.unwrap_or_else(|| {
        shapes.push(shape);
        shapes.len() - 1
    });
    data::Payload::Row(data::Row {
        shape: index as u32,
        values,
    })
}

fn answer(outcome: data::Outcome, shapes: &[Shape]) -> Answer {
    match outcome {
        data::Outcome::Keep => Answer::Keep,
        data::Outcome::Drop => Answer::Drop,
        data::Outcome::Replace(records) => Answer::Replace(
            records
                .into_iter()
                .map(|record| made(record, shapes))
                .collect(),
        ),
        data::Outcome::Fail(failure) => Answer::Fail(failure),
    }
}

fn made(record: data::OutRecord, shapes: &[Shape]) -> Made {
    Made {
        topic: record.topic,
        timestamp: record.timestamp,
        key: record.key.map(|key| content(key, shapes)),
        value: content(record.value, shapes),
        headers: record.headers,
    }
}

fn content(payload: data::Payload, shapes: &[Shape]) -> Content {
    match payload {
        data::Payload::Scalar(value) => Content::Scalar(value),
        data::Payload::Row(row) => {
            let shape = &shapes[row.shape as usize];
            assert_eq!(
                shape.fields.len(),
                row.values.len(),
                "one value for each field"
            );
            for (field, value) in shape.fields.iter().zip(&row.values) {
                assert!(fits(field, value), "{} does not hold {value:?}", field.name);
            }
            let names = shape.fields.iter().map(|field| field.name.clone());
            Content::Row(names.zip(row.values).collect())
        }
    }
}

/// Whether a value is of the kind that its field declares.
fn fits(field: &data::Field, value: &Value) -> bool {
    matches!(
        (field.kind, value),
        (Kind::Any, _)
            | (Kind::Boolean, Value::Boolean(_))
            | (
                Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64,
                Value::Int(_)
            )
            | (Kind::Float32 | Kind::Float64, Value::Float(_))
            | (Kind::Text, Value::Text(_))
            | (Kind::Bytes, Value::Bytes(_))
            | (Kind::Decimal, Value::Decimal(_))
            | (Kind::Date, Value::Date(_))
            | (Kind::Time, Value::Time(_))
            | (Kind::Timestamp, Value::Timestamp(_))
            | (Kind::Json, Value::Json(_))
    ) || field.optional && *value == Value::Null
}
