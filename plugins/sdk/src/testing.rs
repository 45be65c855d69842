//! Runs a plugin natively: no WASM, the imports kept in memory, one world for each thread.
//!
//! State is kept by partition, entries end by the timestamps of the records, a plugin that ticks is
//! ticked after each batch, and [`Runner::restart`] shows whether what must last is in the state:
//!
//! ```
//! # use ferrule_plugin::{Config, ConfigErrors, Description, Outcome, Record, Transform, state};
//! # pub struct Count;
//! # impl Transform for Count {
//! #     fn describe() -> Description { Description::new("count", "1", "Counts.").stateful() }
//! #     fn configure(_: &Config) -> Result<Self, ConfigErrors> { Ok(Count) }
//! #     fn apply(&mut self, _: Record<'_>) -> ferrule_plugin::Result {
//! #         let count = state::Map::<i64>::named("n");
//! #         count.insert("", &(count.get("")?.unwrap_or(0) + 1))?;
//! #         Ok(Outcome::Drop)
//! #     }
//! # }
//! use ferrule_plugin::testing::{Input, Runner, world};
//!
//! let mut plugin = Runner::<Count>::new(&[]).unwrap();
//! plugin.deliver([Input::of([("id", 1i64.into())]).at(1_000)]);
//! plugin.restart();
//! plugin.turn_to("topic", 1);
//! plugin.deliver([Input::of([("id", 2i64.into())]).at(2_000)]);
//! assert_eq!(world(|world| world.partitions().len()), 2);
//! ```

mod content;
mod world;

use crate::bindings::ferrule::transform::data::{self, Batch, InRecord, Shape};
use crate::{Config, ConfigErrors, Header, Tick, Transform, Value, glue};
use content::{answer, made, payload};

pub use content::{Answer, Content, Made};
pub(crate) use world::store;
pub use world::{Partition, World, reset, world};

/// A record for a plugin.
#[derive(Clone, Debug)]
pub struct Input {
    key: Content,
    value: Content,
    timestamp: Option<i64>,
    headers: Vec<Header>,
}

impl Input {
    /// A record of this value, with no key, no headers, and its offset as its timestamp.
    pub fn of(value: impl Into<Content>) -> Input {
        Input {
            key: Value::Null.into(),
            value: value.into(),
            timestamp: None,
            headers: Vec::new(),
        }
    }

    /// The same with a key.
    pub fn key(mut self, key: impl Into<Content>) -> Input {
        self.key = key.into();
        self
    }

    /// The same with a timestamp, in milliseconds since 1970.
    pub fn at(mut self, timestamp: i64) -> Input {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Input {
        self.headers.push(Header {
            name: name.to_owned(),
            value: value.into(),
        });
        self
    }
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// One for each record.
    pub answers: Vec<Answer>,
    /// What the tick after the batch emitted.
    pub emitted: Vec<Made>,
}

impl Delivered {
    /// The records that the plugin made, in their order.
    pub fn made(self) -> Vec<Made> {
        let made = self.answers.into_iter().flat_map(|answer| match answer {
            Answer::Replace(records) => records,
            _ => Vec::new(),
        });
        made.chain(self.emitted).collect()
    }
}

/// A configured plugin that runs natively.
pub struct Runner<T> {
    plugin: T,
    config: Config,
    fields: Option<Vec<String>>,
    ticks: bool,
    topic: String,
    partition: i32,
    next_offset: i64,
}

impl<T: Transform> Runner<T> {
    /// Configures the plugin with these keys, and the defaults of its description for the rest. Its
    /// batches are of partition 0 of `topic`.
    pub fn new(config: &[(&str, &str)]) -> Result<Runner<T>, ConfigErrors> {
        let description = T::describe();
        world(|world| world.run(description.stateful));
        let keys = description.config;
        let defaults = keys
            .into_iter()
            .filter_map(|key| Some((key.name, key.default_value?)));
        let given = config
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = Config::new(defaults.chain(given));
        let mut runner = Runner {
            plugin: T::configure(&config)?,
            config,
            fields: description.fields,
            ticks: description.ticks,
            topic: String::new(),
            partition: 0,
            next_offset: 0,
        };
        runner.turn_to("topic", 0);
        Ok(runner)
    }

    /// Batches of another partition follow, and its state is at hand.
    pub fn turn_to(&mut self, topic: &str, partition: i32) {
        (self.topic, self.partition) = (topic.to_owned(), partition);
        world(|world| world.turn_to(topic, partition));
    }

    /// Puts a new instance in the place of the plugin: what is not in the state is forgotten.
    ///
    /// # Panics
    /// If the plugin now refuses the configuration that it took.
    pub fn restart(&mut self) {
        match T::configure(&self.config) {
            Ok(plugin) => self.plugin = plugin,
            Err(errors) => panic!("the configuration is refused: {errors:?}"),
        }
    }

    /// One record with this row as its value, in a batch of its own, without a tick.
    pub fn row<const N: usize>(&mut self, fields: [(&str, Value); N]) -> Answer {
        self.one(fields)
    }

    /// One record with this value, in a batch of its own, without a tick.
    pub fn one(&mut self, value: impl Into<Content>) -> Answer {
        self.batch([value.into()]).remove(0)
    }

    /// A batch of records with these values, without a tick.
    ///
    /// # Panics
    /// If the reply breaks the contract.
    pub fn batch(&mut self, values: impl IntoIterator<Item = Content>) -> Vec<Answer> {
        self.apply(values.into_iter().map(Input::of))
    }

    /// A batch of records, and the tick that follows it if the plugin asks for it.
    ///
    /// # Panics
    /// If the reply breaks the contract.
    pub fn deliver(&mut self, records: impl IntoIterator<Item = Input>) -> Delivered {
        let answers = self.apply(records);
        let clock = world(|world| world.partition().clock);
        let emitted = match clock.filter(|_| self.ticks) {
            Some(now) => self.tick(now),
            None => Vec::new(),
        };
        Delivered { answers, emitted }
    }

    /// A tick at this time: that of the records, or of the wall where the partition is quiet. It
    /// ends no entries of the state: only records do.
    pub fn tick(&mut self, now: i64) -> Vec<Made> {
        world(|world| world.turn_to(&self.topic, self.partition));
        let tick = Tick {
            topic: &self.topic,
            partition: self.partition,
            now,
        };
        let emission = glue::tick(&mut self.plugin, tick);
        emission
            .records
            .into_iter()
            .map(|record| made(record, None, &emission.shapes))
            .collect()
    }

    fn apply(&mut self, records: impl IntoIterator<Item = Input>) -> Vec<Answer> {
        let mut shapes = Vec::new();
        let records = records.into_iter().map(|input| {
            let offset = self.next_offset;
            self.next_offset += 1;
            InRecord {
                offset,
                timestamp: input.timestamp.or(Some(offset)),
                key: payload(input.key, &mut shapes),
                value: payload(input.value, &mut shapes),
                headers: Some(input.headers).filter(|headers| !headers.is_empty()),
            }
        });
        let records: Vec<_> = records.collect();
        world(|world| {
            world.turn_to(&self.topic, self.partition);
            world.begin(records.iter().filter_map(|record| record.timestamp).max());
        });
        let seen = records.iter().map(|record| self.seen(record, &shapes));
        let batch = Batch {
            topic: self.topic.clone(),
            partition: self.partition,
            records: seen.collect(),
            shapes,
        };
        let reply = glue::apply(&mut self.plugin, &batch);
        world(World::end);
        assert_eq!(
            reply.outcomes.len(),
            batch.records.len(),
            "one outcome for each record"
        );
        let shapes = [batch.shapes, reply.shapes].concat();
        let outcomes = records.iter().zip(reply.outcomes);
        outcomes
            .map(|(record, outcome)| answer(outcome, record, &shapes))
            .collect()
    }

    /// The record without the fields that the description does not name.
    fn seen(&self, record: &InRecord, shapes: &[Shape]) -> InRecord {
        let mut seen = record.clone();
        if let (data::Payload::Row(row), Some(named)) = (&mut seen.value, &self.fields) {
            let fields = &shapes[row.shape as usize].fields;
            for (field, value) in fields.iter().zip(&mut row.values) {
                if !named.contains(&field.name) {
                    *value = Value::Null;
                }
            }
        }
        seen
    }
}
