//! A set whose members leave it after a time.

use crate::Result;
use crate::state::Map;

/// Members that were seen within some milliseconds: for dropping duplicates.
///
/// Time is given with each question, from the record: the answer is the same however the records
/// are cut into batches. The worker's own expiry, which follows the newest record of a batch, only
/// clears away what no question can find any more.
///
/// ```
/// use ferrule_plugin::state::TtlSet;
///
/// let seen = TtlSet::named("seen", 60_000);
/// assert!(seen.insert("event 1", 0)?);
/// assert!(!seen.insert("event 1", 59_999)?);
/// assert!(seen.insert("event 1", 60_000)?);
/// # Ok::<(), ferrule_plugin::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct TtlSet {
    seen: Map<i64>,
    ttl: u64,
}

impl TtlSet {
    /// The set of this name, whose members leave it `ttl` milliseconds after they came.
    pub fn named(name: &str, ttl: u64) -> TtlSet {
        TtlSet {
            seen: Map::named(name).kept_for(ttl),
            ttl,
        }
    }

    /// Whether the member is in the set at this time.
    pub fn contains(&self, member: impl AsRef<[u8]>, now: i64) -> Result<bool> {
        let since = self.seen.get(member)?;
        Ok(since.is_some_and(|since| now.saturating_sub(since) < self.ttl.cast_signed()))
    }

    /// Puts the member in the set at this time, and tells whether it was not there. One that is
    /// there stays no longer for it.
    pub fn insert(&self, member: impl AsRef<[u8]>, now: i64) -> Result<bool> {
        if self.contains(&member, now)? {
            return Ok(false);
        }
        self.seen.insert(member, &now)?;
        Ok(true)
    }

    /// Takes the member out of the set.
    pub fn remove(&self, member: impl AsRef<[u8]>) {
        self.seen.remove(member);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{reset, world};

    proptest! {
        #[test]
        fn a_member_is_new_once_in_a_time(
            steps in proptest::collection::vec((0i64..8, 0u8..4), 0..60),
        ) {
            reset();
            let set = TtlSet::named("s", 10);
            let mut model = HashMap::new();
            let mut now = 0;
            for (step, member) in steps {
                now += step;
                world(|world| world.advance(now));
                let new = model.get(&member).is_none_or(|since| now - since >= 10);
                prop_assert_eq!(set.insert([member], now).unwrap(), new);
                if new {
                    model.insert(member, now);
                }
            }
        }
    }
}
