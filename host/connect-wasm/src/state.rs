//! The state of one partition, in memory: what is durable, and above it one overlay for each batch
//! that is not durable yet.
//!
//! The sink keeps the durable part: a partition begins with what it gives back, and
//! [`PartitionState::changes`] is what it writes with each batch.

mod layer;

use std::collections::VecDeque;

use bytes::Bytes;
use connect_api::{Offset, StateChanges, StateEntry, StoredState, Timestamp};
pub(crate) use layer::Size;
use layer::{Layer, Scan, expired};

/// The longest key: it has to fit into an index of the target.
pub(crate) const KEY_BYTES: usize = 1024;

/// Why an entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room: the limit in bytes.
    Full(u64),
    /// The key is longer than [`KEY_BYTES`].
    KeyTooLong,
}

/// What one batch wrote, and the offset that makes it durable.
#[derive(Debug)]
struct Overlay {
    next_offset: Offset,
    clock: Option<Timestamp>,
    layer: Layer,
    /// Whether its changes were given to the sink.
    given: bool,
}

/// The state of one transform for one partition.
#[derive(Debug)]
pub(crate) struct PartitionState {
    limit: u64,
    committed: Layer,
    committed_clock: Option<Timestamp>,
    /// Oldest first.
    overlays: VecDeque<Overlay>,
    /// What the call at hand writes.
    current: Layer,
    current_clock: Option<Timestamp>,
    /// The greatest timestamp of the call's records, to which the clock comes at its end.
    newest: Option<Timestamp>,
}

impl PartitionState {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            committed: Layer::default(),
            committed_clock: None,
            overlays: VecDeque::new(),
            current: Layer::default(),
            current_clock: None,
            newest: None,
        }
    }

    /// A partition whose durable state is this. It may be larger than a limit that was lowered
    /// since: then nothing can be added.
    pub(crate) fn restored(limit: u64, stored: StoredState) -> Self {
        let mut state = Self::new(limit);
        state.committed_clock = stored.clock;
        for (key, entry) in stored.entries {
            let size = Size::of(&key, Some(&entry));
            state.committed.put(key, Some(entry), size);
        }
        state
    }

    /// The greatest timestamp that the partition has shown: the time by which entries expire.
    pub(crate) fn clock(&self) -> Option<Timestamp> {
        let newest = self.overlays.back().map(|overlay| overlay.clock);
        self.current_clock
            .max(newest.unwrap_or(self.committed_clock))
    }

    /// A call begins, with records up to this timestamp.
    pub(crate) fn begin(&mut self, newest: Option<Timestamp>) {
        self.discard();
        self.newest = newest;
        self.expire();
    }

    /// The clock goes on to `to`, but not past the records of the call.
    pub(crate) fn advance(&mut self, to: Timestamp) -> Option<Timestamp> {
        let to = self.newest.map(|newest| newest.min(to));
        if to > self.clock() {
            self.current_clock = to;
            self.expire();
        }
        self.clock()
    }

    /// What has expired is deleted as if the plugin had done it, so that expiry does not depend on
    /// when a batch becomes durable.
    fn expire(&mut self) {
        let Some(now) = self.clock() else {
            return;
        };
        let due: Vec<Bytes> = self
            .layers()
            .flat_map(|layer| layer.expired(now))
            .filter(|key| self.entry(key).is_some_and(|entry| expired(entry, now)))
            .cloned()
            .collect();
        for key in due {
            self.delete(&key);
        }
    }

    /// The call counts, as part of the batch that ends before `next_offset`.
    pub(crate) fn commit(&mut self, next_offset: Offset) {
        let layer = std::mem::take(&mut self.current);
        let clock = self.clock().max(self.newest);
        (self.current_clock, self.newest) = (None, None);
        if layer.entries().is_empty() && clock == self.clock() {
            return;
        }
        match self.overlays.back_mut() {
            Some(last) if last.next_offset == next_offset && !last.given => {
                last.layer.absorb(layer);
                last.clock = clock;
            }
            _ => self.overlays.push_back(Overlay {
                next_offset,
                clock,
                layer,
                given: false,
            }),
        }
    }

    /// What has changed since this was last asked.
    pub(crate) fn changes(&mut self) -> Option<StateChanges> {
        let overlay = self.overlays.back_mut().filter(|overlay| !overlay.given)?;
        overlay.given = true;
        Some(StateChanges {
            entries: overlay.layer.entries().clone(),
            clock: overlay.clock,
        })
    }

    /// The call does not count.
    pub(crate) fn discard(&mut self) {
        self.current = Layer::default();
        (self.current_clock, self.newest) = (None, None);
    }

    /// The batch that ends before `next_offset` comes to nothing, whatever of it had counted.
    pub(crate) fn rollback(&mut self, next_offset: Offset) {
        self.discard();
        while self
            .overlays
            .pop_back_if(|o| o.next_offset >= next_offset)
            .is_some()
        {}
    }

    /// What batches before `next_offset` wrote is durable.
    pub(crate) fn durable(&mut self, next_offset: Offset) {
        while let Some(overlay) = self.overlays.pop_front_if(|o| o.next_offset <= next_offset) {
            self.committed.settle(overlay.layer);
            self.committed_clock = overlay.clock;
        }
    }

    /// Back to what is durable.
    pub(crate) fn reset(&mut self) {
        self.discard();
        self.overlays.clear();
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entry(key).map(|entry| &*entry.value)
    }

    pub(crate) fn set(
        &mut self,
        key: Bytes,
        value: Bytes,
        expires: Option<Timestamp>,
    ) -> Result<(), Refused> {
        if key.len() > KEY_BYTES {
            return Err(Refused::KeyTooLong);
        }
        if expires.is_some() && expires <= self.clock() {
            self.delete(&key);
            return Ok(());
        }
        let entry = StateEntry { value, expires };
        let old = Size::of(&key, self.entry(&key));
        let change = Size::of(&key, Some(&entry)) - old;
        let total = (self.size() + change).bytes;
        if change.bytes > 0 && total > i64::try_from(self.limit).unwrap_or(i64::MAX) {
            return Err(Refused::Full(self.limit));
        }
        self.current.put(key, Some(entry), change);
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        let old = Size::of(key, self.entry(key));
        if old.keys > 0 {
            let change = Size::default() - old;
            self.current.put(Bytes::copy_from_slice(key), None, change);
        }
    }

    /// The entries whose keys start with `prefix` and follow `after`, in the order of their keys.
    pub(crate) fn scan<'a>(
        &'a self,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        Scan::new(self.layers(), prefix, after)
    }

    /// Newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        let overlays = self.overlays.iter().rev().map(|overlay| &overlay.layer);
        std::iter::once(&self.current)
            .chain(overlays)
            .chain([&self.committed])
    }

    fn entry(&self, key: &[u8]) -> Option<&StateEntry> {
        self.layers().find_map(|layer| layer.get(key))?
    }

    pub(crate) fn size(&self) -> Size {
        self.layers().map(Layer::delta).sum()
    }
}

#[cfg(test)]
mod tests;
