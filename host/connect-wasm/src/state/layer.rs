//! One layer of the state: what is written in it hides what is in the layers below.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter::{Peekable, Sum};
use std::ops::{Add, Bound, Sub};

use bytes::Bytes;
use connect_api::{StateEntry, Timestamp};

/// Whether the entry has come to its end.
pub(super) fn expired(entry: &StateEntry, now: Timestamp) -> bool {
    entry.expires.is_some_and(|at| at <= now)
}

/// Entries and bytes of the state, or by how many it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) keys: i64,
    pub(crate) bytes: i64,
}

impl Size {
    /// Of the entry that a key has, if it has one.
    pub(super) fn of(key: &[u8], entry: Option<&StateEntry>) -> Self {
        entry.map_or(Self::default(), |entry| Self {
            keys: 1,
            bytes: entry.weight(key),
        })
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            keys: self.keys - other.keys,
            bytes: self.bytes - other.bytes,
        }
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), Add::add)
    }
}

/// Entries by key; none stands for a deleted one.
#[derive(Debug, Default)]
pub(super) struct Layer {
    entries: BTreeMap<Bytes, Option<StateEntry>>,
    expiries: BTreeSet<(Timestamp, Bytes)>,
    delta: Size,
}

impl Layer {
    /// The entry of this layer: `Some(None)` when it is deleted here.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&StateEntry>> {
        self.entries.get(key).map(Option::as_ref)
    }

    /// Writes an entry that changes the size of the whole state by `delta`.
    pub(super) fn put(&mut self, key: Bytes, entry: Option<StateEntry>, delta: Size) {
        self.delta = self.delta + delta;
        if let Some(at) = entry.as_ref().and_then(|e| e.expires) {
            self.expiries.insert((at, key.clone()));
        }
        match self.entries.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
            btree_map::Entry::Occupied(mut place) => {
                let stays = entry.as_ref().and_then(|e| e.expires);
                let old = place.insert(entry).and_then(|e| e.expires);
                if let Some(at) = old.filter(|at| Some(*at) != stays) {
                    self.expiries.remove(&(at, place.key().clone()));
                }
            }
        }
    }

    /// What is written here.
    pub(super) fn entries(&self) -> &BTreeMap<Bytes, Option<StateEntry>> {
        &self.entries
    }

    /// By how much this layer changes the size of the whole state.
    pub(super) fn delta(&self) -> Size {
        self.delta
    }

    /// Keys that are due.
    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Bytes> {
        let due = self.expiries.iter().take_while(move |(at, _)| *at <= now);
        due.map(|(_, key)| key)
    }

    /// Takes over a newer layer.
    pub(super) fn absorb(&mut self, newer: Self) {
        for (key, entry) in newer.entries {
            self.put(key, entry, Size::default());
        }
        self.delta = self.delta + newer.delta;
    }

    /// Takes over a newer layer where there is none below: what is deleted need hide nothing.
    pub(super) fn settle(&mut self, newer: Self) {
        for (key, entry) in newer.entries {
            if entry.is_some() {
                self.put(key, entry, Size::default());
            } else if let Some(Some(StateEntry {
                expires: Some(at), ..
            })) = self.entries.remove(&key)
            {
                self.expiries.remove(&(at, key));
            }
        }
        self.delta = self.delta + newer.delta;
    }
}

type Entries<'a> = btree_map::Range<'a, Bytes, Option<StateEntry>>;

/// Merges layers, newest first, in the order of the keys.
pub(super) struct Scan<'a> {
    prefix: &'a [u8],
    layers: Vec<Peekable<Entries<'a>>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        layers: impl Iterator<Item = &'a Layer>,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
    ) -> Self {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let layers = layers
            .map(|layer| layer.entries.range::<[u8], _>((from, Bound::Unbounded)))
            .map(Iterator::peekable)
            .collect();
        Self { prefix, layers }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let heads = self.layers.iter_mut().filter_map(|l| Some(&**l.peek()?.0));
            let key: &'a [u8] = heads.min()?;
            if !key.starts_with(self.prefix) {
                return None;
            }
            let mut newest = None;
            for layer in &mut self.layers {
                if let Some((_, entry)) = layer.next_if(|(head, _)| ***head == *key) {
                    newest = newest.or(Some(entry));
                }
            }
            if let Some(Some(entry)) = newest {
                return Some((key, &entry.value));
            }
        }
    }
}
