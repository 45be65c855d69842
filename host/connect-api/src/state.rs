//! The state of transforms, as it passes between them and the sink that keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;

/// A transform whose state a sink is to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateStore {
    /// The alias of the transform.
    pub transform: Arc<str>,
    /// The most bytes of the state of one partition, by [`StateEntry::weight`].
    pub limit: u64,
}

/// A value of the state, and when it ends in record time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The value.
    pub value: Bytes,
    /// None: it stays until it is deleted.
    pub expires: Option<Timestamp>,
}

impl StateEntry {
    /// What an entry counts for beside its bytes.
    pub const OVERHEAD: usize = 64;

    /// What the entry counts for under its key.
    pub fn weight(&self, key: &[u8]) -> i64 {
        let bytes = key.len() + self.value.len() + Self::OVERHEAD;
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

/// What a batch changes of the state of one transform for one partition. The last write of a key
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// The new entries by their keys; none where one is deleted.
    pub entries: BTreeMap<Bytes, Option<StateEntry>>,
    /// The greatest timestamp that the partition's records have shown.
    pub clock: Option<Timestamp>,
}

impl StateChanges {
    /// Adds what the batch that follows changes.
    pub fn append(&mut self, next: Self) {
        self.entries.extend(next.entries);
        self.clock = self.clock.max(next.clock);
    }
}

/// The changes of one transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDelta {
    /// The alias of the transform.
    pub transform: Arc<str>,
    /// What it changed.
    pub changes: StateChanges,
}

impl StateDelta {
    /// Adds what the batch that follows changes, transform by transform.
    pub fn append_all(deltas: &mut Vec<Self>, next: Vec<Self>) {
        for delta in next {
            match deltas.iter_mut().find(|d| d.transform == delta.transform) {
                Some(before) => before.changes.append(delta.changes),
                None => deltas.push(delta),
            }
        }
    }
}

/// The whole state of one transform for one partition, as it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredState {
    /// The alias of the transform.
    pub transform: Arc<str>,
    /// The greatest timestamp that the partition's records have shown.
    pub clock: Option<Timestamp>,
    /// Its entries.
    pub entries: Vec<(Bytes, StateEntry)>,
}

/// What to show of the state that a sink keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateQuery {
    /// Only of this transform.
    pub transform: Option<String>,
    /// Only of partitions of this topic.
    pub topic: Option<String>,
    /// Only of partitions of this number.
    pub partition: Option<i32>,
    /// Only keys that start with this.
    pub prefix: Vec<u8>,
    /// The most entries.
    pub limit: u32,
}

/// An entry of the state, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// The alias of the transform.
    pub transform: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The greatest timestamp that the partition's records have shown.
    pub clock: Option<Timestamp>,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// When the entry ends in record time.
    pub expires: Option<Timestamp>,
}
