//! The idempotency keys of the window, and where their records are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::response::Place;

/// Keys that were taken, the oldest first.
#[derive(Debug)]
pub(crate) struct Memory {
    window: i64,
    most: usize,
    taken: HashMap<Arc<str>, Taken>,
    order: VecDeque<(i64, Arc<str>)>,
}

/// What is known of the record of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When its request came, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) place: Place,
    /// None where the record does not say it: another version has written it.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Memory {
    /// An empty one, of the keys of this much time and at most so many.
    pub(crate) fn new(window: Duration, most: usize) -> Self {
        Self {
            window: i64::try_from(window.as_millis()).unwrap_or(i64::MAX),
            most,
            taken: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.taken.clear();
        self.order.clear();
    }

    /// The first moment of the window that ends now, in milliseconds since 1970.
    pub(crate) fn since(&self, now: i64) -> i64 {
        now.saturating_sub(self.window)
    }

    fn forget_old(&mut self, now: i64) {
        let since = self.since(now);
        while let Some((at, key)) = self.order.pop_front_if(|(at, _)| *at < since) {
            // It may have been taken again since.
            if self.taken.get(&key).is_some_and(|taken| taken.at == at) {
                self.taken.remove(&key);
            }
        }
    }

    /// The record of a key, if it was taken within the window.
    pub(crate) fn find(&mut self, key: &str, now: i64) -> Option<Taken> {
        self.forget_old(now);
        let since = self.since(now);
        let taken = self.taken.get(key).filter(|taken| taken.at >= since);
        taken.copied()
    }

    /// Whether there is room for so many more keys; else the seconds until the oldest leaves.
    pub(crate) fn room(&mut self, more: usize, now: i64) -> Result<(), u64> {
        self.forget_old(now);
        if self.taken.len().saturating_add(more) < self.most {
            return Ok(());
        }
        let oldest = self.order.front().map_or(now, |(at, _)| *at);
        let leaves = oldest.saturating_add(self.window).saturating_sub(now);
        Err(u64::try_from(leaves / 1000 + 1).unwrap_or(1))
    }

    /// Remembers a key. Keys of several partitions may come out of order: where one is older than
    /// the last, it stays for a little longer.
    pub(crate) fn insert(&mut self, key: Arc<str>, taken: Taken) {
        self.order.push_back((taken.at, Arc::clone(&key)));
        self.taken.insert(key, taken);
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }
}
