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
}

/// The state of one partition.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Value and, where it has one, the record time of its end, by key.
    pub entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
    /// The greatest timestamp that its records have shown, by which entries end.
    pub clock: Option<i64>,
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
    use super::world;
    use crate::state::Error;

    pub(crate) fn get(key: &[u8]) -> Option<Vec<u8>> {
        world(|world| Some(world.partition().entries.get(key)?.0.clone()))
    }

    pub(crate) fn get_many(keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| get(key)).collect()
    }

    pub(crate) fn set(key: &[u8], value: &[u8], ttl: Option<u64>) -> Result<(), Error> {
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
            let end = ttl.and_then(|ttl| Some(partition.clock?.saturating_add_unsigned(ttl)));
            partition
                .entries
                .insert(key.to_vec(), (value.to_vec(), end));
            Ok(())
        })
    }

    pub(crate) fn delete(key: &[u8]) {
        world(|world| world.partition().entries.remove(key));
    }

    pub(crate) fn scan(prefix: &[u8], after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        world(|world| {
            let wanted =
                |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            let entries = world.partition().entries.iter();
            let entries = entries.filter(|(key, _)| wanted(key));
            let entries = entries.map(|(key, (value, _))| (key.clone(), value.clone()));
            entries.take(limit as usize).collect()
        })
    }
}
