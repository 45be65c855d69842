//! Values that are kept for some time after they were asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Values;

/// Paths whose values are kept; the one that ends first goes.
const MOST: usize = 256;

/// Values by their paths, each until its time.
#[derive(Default)]
pub(super) struct Kept(Mutex<BTreeMap<String, (Values, Instant)>>);

impl Kept {
    /// The values of a path, if they are still to be used.
    pub(super) fn get(&self, path: &str) -> Option<Values> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (values, until) = kept.get(path)?;
        (*until > Instant::now()).then(|| values.clone())
    }

    /// Forgets the values of a path.
    pub(super) fn forget(&self, path: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(path);
    }

    /// Keeps the values of a path for some time.
    pub(super) fn keep(&self, path: &str, values: Values, time: Duration) {
        let now = Instant::now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, until)| *until > now);
        if kept.len() >= MOST {
            let first = kept.iter().min_by_key(|(_, (_, until))| *until);
            let first = first.map(|(path, _)| path.clone());
            first.and_then(|path| kept.remove(&path));
        }
        if let Some(until) = now.checked_add(time) {
            kept.insert(path.to_owned(), (values, until));
        }
    }
}

impl std::fmt::Debug for Kept {
    /// Without values: they are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}
