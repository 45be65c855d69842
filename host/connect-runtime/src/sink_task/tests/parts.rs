//! A converter whose registry can be away, and a transform that counts.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connect_api::{
    Converter, Datum, Disposition, Error, Outcome, Record, RecordTransformation, Result,
    SinkRecord, StateChanges, StateEntry, StoredState, Tick, TickReason, TopicPartition,
    Transformation, Value, memory,
};

use super::Shared;

/// What the registry and the transform do.
#[derive(Default)]
pub(super) struct Services {
    /// Values whose schema the registry does not give.
    pub(super) unavailable: Vec<String>,
    /// Values on which the transform fails.
    pub(super) transform_fails_on: Vec<String>,
    /// Whether the transform's failures are retriable.
    pub(super) transform_is_away: bool,
    /// How often the transform was told to go back to what is durable, or to forget.
    pub(super) resets: usize,
    /// Whether the transform is to emit what waits when the task ends.
    pub(super) flushes_on_stop: bool,
}

/// Reads texts. `bad` is none, on `panics` it panics, and `takes 5` takes five bytes of memory.
pub(super) struct TextConverter(pub(super) Shared<Services>);

impl Converter for TextConverter {
    fn class_name(&self) -> &'static str {
        "TextConverter"
    }

    fn to_connect_data(&mut self, _: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        if text == "bad" {
            return Err(Error::data("no text"));
        }
        assert_ne!(text, "panics");
        if let Some(bytes) = text.strip_prefix("takes ") {
            memory::charge(bytes.parse().unwrap())?;
        }
        if self.0.lock().unwrap().unavailable.contains(&text) {
            return Err(Error::retriable("the registry does not answer"));
        }
        Ok(Datum::schemaless(Value::from(text.as_str())))
    }

    fn from_connect_data<'a>(&mut self, _: &str, _: &'a Datum) -> Result<Option<Cow<'a, [u8]>>> {
        Ok(None)
    }
}

/// Panics on one value, and takes memory on another.
pub(super) struct Fragile;

impl RecordTransformation for Fragile {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        match record.value.value.as_str() {
            Some("panics later") => panic!("a value"),
            Some("grows") => memory::charge(usize::MAX)?,
            _ => {}
        }
        Ok(Disposition::Keep)
    }
}

/// Counts the records of a partition, keeps the count as its state, and says `tick` when it is
/// ticked by the clock.
pub(super) struct Counter {
    pub(super) services: Shared<Services>,
    pub(super) tick_interval: Option<Duration>,
    /// Records that were seen, and those of them that are durable.
    pub(super) seen: HashMap<TopicPartition, usize>,
    pub(super) durable: HashMap<TopicPartition, usize>,
}

impl Counter {
    pub(super) fn new(services: &Shared<Services>, tick_interval: Option<Duration>) -> Self {
        Self {
            services: Arc::clone(services),
            tick_interval,
            seen: HashMap::new(),
            durable: HashMap::new(),
        }
    }
}

impl Transformation for Counter {
    fn apply(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
    ) -> Result<Vec<Outcome>> {
        *self
            .seen
            .entry(TopicPartition::clone(partition))
            .or_default() += records.len();
        let services = self.services.lock().unwrap();
        let outcome = |record: &SinkRecord| {
            let text = record.record.value.value.as_str().unwrap();
            if !services.transform_fails_on.iter().any(|bad| bad == text) {
                Outcome::Keep
            } else if services.transform_is_away {
                Outcome::Fail(Error::retriable("the lookup does not answer"))
            } else {
                Outcome::Fail(Error::data("refused"))
            }
        };
        Ok(records.iter().map(outcome).collect())
    }

    fn tick(&mut self, partition: &Arc<TopicPartition>, tick: Tick) -> Result<Vec<Record>> {
        let Some(wall) = tick.reason.wall() else {
            return Ok(Vec::new());
        };
        let said = match tick.reason {
            TickReason::Flush(_) => "flush",
            _ => "tick",
        };
        Ok(vec![Record {
            topic: Arc::clone(&partition.topic),
            partition: None,
            key: Datum::NULL,
            value: Datum::schemaless(Value::from(said)),
            headers: Vec::new(),
            timestamp: Some(wall),
        }])
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.tick_interval
    }

    fn flushes_on_stop(&self) -> bool {
        self.services.lock().unwrap().flushes_on_stop
    }

    fn state_changes(&mut self, partition: &TopicPartition) -> Option<StateChanges> {
        let entry = |n: usize| {
            let entry = StateEntry {
                value: Bytes::new(),
                expires: None,
            };
            (Bytes::from(n.to_string()), Some(entry))
        };
        let seen = self.seen.get(partition).copied().unwrap_or_default();
        let entries: BTreeMap<_, _> = (0..seen).map(entry).collect();
        (!entries.is_empty()).then_some(StateChanges {
            entries,
            clock: None,
        })
    }

    fn durable(&mut self, partition: &TopicPartition, _: connect_api::Offset) {
        let seen = self.seen.get(partition).copied().unwrap_or_default();
        self.durable.insert(partition.clone(), seen);
    }

    fn reset(&mut self, partition: &TopicPartition) {
        self.services.lock().unwrap().resets += 1;
        let durable = self.durable.get(partition).copied().unwrap_or_default();
        self.seen.insert(partition.clone(), durable);
    }

    fn restore(&mut self, _: &TopicPartition, _: StoredState) {}

    fn forget(&mut self, partition: &TopicPartition) {
        self.reset(partition);
    }
}
