//! The worker as a plugin sees it, kept in memory: one for each thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::log::Level;

/// What the imports have got from the plugins of this thread.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Lines of the log.
    pub lines: Vec<(Level, String)>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
    /// Gauges by name.
    pub gauges: BTreeMap<String, f64>,
    /// The greatest number of bytes of keys and values of one partition, if there is a limit.
    pub state_limit: Option<u64>,
    partitions: BTreeMap<(String, i32), Partition>,
    /// The partition whose batch is at hand.
    at: (String, i32),
    /// Whether a plugin runs whose description does not say that it is stateful.
    stateless: bool,
}

/// The state of one partition.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Value and, where it has one, the record time of its end, by key.
    pub entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
    /// The greatest timestamp that its records have shown, by which entries end.
    pub clock: Option<i64>,
    /// That of the batch at hand, to which the clock comes at its end.
    newest: Option<i64>,
}

impl World {
    /// The state of the partition at hand.
    pub fn partition(&mut self) -> &mut Partition {
        self.partitions.entry(self.at.clone()).or_default()
    }

    /// The states of all partitions, by topic and number.
    pub fn partitions(&self) -> &BTreeMap<(String, i32), Partition> {
        &self.partitions
    }

    /// Records up to this timestamp have come on the partition at hand: what ends by then is gone.
    pub fn advance(&mut self, newest: i64) {
        let partition = self.partition();
        partition.clock = partition.clock.max(Some(newest));
        let clock = partition.clock;
        partition
            .entries
            .retain(|_, (_, end)| end.is_none_or(|end| clock < Some(end)));
    }

    /// A batch with records up to this timestamp begins.
    pub(super) fn begin(&mut self, newest: Option<i64>) {
        self.partition().newest = newest;
    }

    /// The batch at hand is done.
    pub(super) fn end(&mut self) {
        if let Some(newest) = self.partition().newest.take() {
            self.advance(newest);
        }
    }

    /// A plugin runs.
    pub(super) fn run(&mut self, stateful: bool) {
        self.stateless = !stateful;
    }

    /// Batches of another partition follow.
    pub(super) fn turn_to(&mut self, topic: &str, partition: i32) {
        self.at = (topic.to_owned(), partition);
    }
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
    use super::World;
    use crate::bindings::ferrule::transform::state::Page;
    use crate::state::{Entry, Error};

    const KEY_BYTES: usize = 1024;
    const PAGE_BYTES: usize = 1 << 20;

    fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
        super::world(|world| {
            assert!(
                !world.stateless,
                "the plugin calls state, which its description does not ask for"
            );
            look(world)
        })
    }

    pub(crate) fn advance(to: i64) -> i64 {
        world(|world| {
            if let Some(newest) = world.partition().newest {
                world.advance(newest.min(to));
            }
            world.partition().clock.unwrap_or(i64::MIN)
        })
    }

    pub(crate) fn get(key: &[u8]) -> Option<Vec<u8>> {
        world(|world| Some(world.partition().entries.get(key)?.0.clone()))
    }

    pub(crate) fn get_many(keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| get(key)).collect()
    }

    pub(crate) fn set(key: &[u8], value: &[u8], expires: Option<i64>) -> Result<(), Error> {
        if key.len() > KEY_BYTES {
            return Err(Error::KeyTooLong(KEY_BYTES as u32));
        }
        world(|world| {
            let limit = world.state_limit;
            let partition = world.partition();
            let entry = key.len() + value.len();
            let others = partition.entries.iter().filter(|(other, _)| *other != key);
            let others: usize = others
                .map(|(key, (value, _))| key.len() + value.len())
                .sum();
            if let Some(limit) = limit.filter(|limit| (others + entry) as u64 > *limit) {
                return Err(Error::Full(limit));
            }
            if expires.is_some() && expires <= partition.clock {
                partition.entries.remove(key);
            } else {
                let entry = (value.to_vec(), expires);
                partition.entries.insert(key.to_vec(), entry);
            }
            Ok(())
        })
    }

    pub(crate) fn delete(key: &[u8]) {
        world(|world| world.partition().entries.remove(key));
    }

    pub(crate) fn scan(prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Page {
        world(|world| {
            let wanted =
                |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            let found = world.partition().entries.iter();
            let (mut entries, mut bytes, mut more) = (Vec::new(), 0, false);
            for (key, (value, _)) in found.filter(|(key, _)| wanted(key)) {
                bytes += key.len() + value.len();
                let full = bytes > PAGE_BYTES && !entries.is_empty();
                if full || entries.len() >= limit as usize {
                    more = true;
                    break;
                }
                let (key, value) = (key.clone(), value.clone());
                entries.push(Entry { key, value });
            }
            Page { entries, more }
        })
    }
}
