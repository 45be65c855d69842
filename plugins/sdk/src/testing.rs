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

use crate::bindings::ferrule::transform::data::{self, Batch, InRecord, Pool};
use crate::{Config, ConfigErrors, Header, Tick, Transform, Value, glue};
use content::{Reply, payload};

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
        self.ticked(now, false)
    }

    /// The last tick before the task ends, with `flush.on.stop`.
    pub fn flush(&mut self, now: i64) -> Vec<Made> {
        self.ticked(now, true)
    }

    fn ticked(&mut self, now: i64, flush: bool) -> Vec<Made> {
        world(|world| world.turn_to(&self.topic, self.partition));
        let tick = Tick {
            topic: &self.topic,
            partition: self.partition,
            now,
            flush,
        };
        let emission = glue::tick(&mut self.plugin, tick);
        let reply = Reply {
            shapes: &[],
            sources: &[],
            pool: &emission.pool,
        };
        let records = emission.records.into_iter();
        records.map(|record| reply.made(record, None)).collect()
    }

    fn apply(&mut self, records: impl IntoIterator<Item = Input>) -> Vec<Answer> {
        let inputs: Vec<_> = records.into_iter().collect();
        let mut pool = Pool::EMPTY;
        let first = self.next_offset;
        let records = (first..).zip(&inputs);
        let records = records.map(|(offset, input)| self.record(offset, input, &mut pool));
        let batch = Batch {
            records: records.collect(),
            topic: self.topic.clone(),
            partition: self.partition,
            pool,
        };
        self.next_offset += inputs.len() as i64;
        let timestamps = batch.records.iter().filter_map(|record| record.timestamp);
        world(|world| {
            world.turn_to(&self.topic, self.partition);
            world.begin(timestamps.max());
        });
        let made = glue::apply(&mut self.plugin, &batch);
        world(World::end);
        let reply = Reply {
            shapes: &batch.pool.shapes,
            sources: &made.sources,
            pool: &made.pool,
        };
        assert_eq!(
            made.outcomes.len(),
            inputs.len(),
            "one outcome for each record"
        );
        let mut records = made.records.into_iter();
        let answers = made.outcomes.into_iter().zip(&inputs);
        let answers = answers.map(|(outcome, Input { key, value, .. })| match outcome {
            data::Outcome::Keep => Answer::Keep,
            data::Outcome::Drop => Answer::Drop,
            data::Outcome::Replace(count) => {
                let records = records.by_ref().take(count as usize);
                let made = records.map(|record| reply.made(record, Some((key, value))));
                Answer::Replace(made.collect())
            }
            data::Outcome::Fail(failure) => Answer::Fail(failure),
        });
        let answers = answers.collect();
        assert_eq!(records.len(), 0, "each record belongs to an outcome");
        answers
    }

    /// The record as the plugin sees it.
    fn record(&self, offset: i64, input: &Input, pool: &mut Pool) -> InRecord {
        let named = self.fields.as_ref();
        let sees = |name: &str| named.is_none_or(|named| named.iter().any(|field| field == name));
        InRecord {
            offset,
            timestamp: input.timestamp.or(Some(offset)),
            key: payload(&input.key, |_| true, pool),
            value: payload(&input.value, sees, pool),
            headers: pool.add_headers(&input.headers),
        }
    }
}
