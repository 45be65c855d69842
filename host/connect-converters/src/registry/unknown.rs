//! What the registry does not have yet.
//!
//! A producer registers a schema and then writes with it; but a registry of several instances, or
//! one that was put back from a backup, may answer for a while that it has no such schema. It is
//! asked again before a record is blamed. Garbage that looks like an id must not hold a task up
//! for long, so that the time for all of them together is bounded too.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use connect_api::Error;

/// How long the registry is asked for what it does not have, before a record is blamed.
const GRACE: Duration = Duration::from_secs(3);
/// The most that is spent on that, of each [`BUDGET_PERIOD`].
const BUDGET: Duration = Duration::from_secs(15);
const BUDGET_PERIOD: Duration = Duration::from_secs(60);
/// How long the last answer holds for records that are read right behind another of the same
/// schema.
const ANSWER_HOLDS: Duration = Duration::from_millis(20);
/// What is remembered: garbage may hold any number of ids.
const MAX_REMEMBERED: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Asked {
    first: Instant,
    last: Instant,
    is_blamed: bool,
}

/// What the registry was asked for and does not have.
#[derive(Debug)]
pub(super) struct Unknown<K> {
    asked: HashMap<K, Asked>,
    /// Since when the budget is spent, and how much of it was.
    period: Instant,
    spent: Duration,
}

impl<K> Default for Unknown<K> {
    fn default() -> Self {
        Self {
            asked: HashMap::new(),
            period: Instant::now(),
            spent: Duration::ZERO,
        }
    }
}

impl<K: Eq + Hash> Unknown<K> {
    /// Whether the registry need not be asked: its last answer is too fresh.
    pub(super) fn holds(&self, key: &K, now: Instant) -> bool {
        let asked = self.asked.get(key);
        asked.is_some_and(|asked| asked.is_blamed && now - asked.last < ANSWER_HOLDS)
    }

    /// The registry has it.
    pub(super) fn found(&mut self, key: &K) {
        self.asked.remove(key);
    }

    /// The registry has said, now, that it does not have it. The error of the record: it is tried
    /// again, or is blamed.
    pub(super) fn missing(&mut self, key: K, why: Error, now: Instant) -> Error {
        if now - self.period >= BUDGET_PERIOD {
            (self.period, self.spent) = (now, Duration::ZERO);
        }
        if self.asked.len() >= MAX_REMEMBERED && !self.asked.contains_key(&key) {
            self.asked.clear();
        }
        let is_spent = self.spent >= BUDGET;
        let asked = self.asked.entry(key).or_insert(Asked {
            first: now,
            last: now,
            is_blamed: false,
        });
        // A task waits for one record at a time, from one answer to the next.
        if !asked.is_blamed {
            self.spent += now - asked.last;
        }
        asked.last = now;
        asked.is_blamed |= is_spent || now - asked.first >= GRACE;
        match asked.is_blamed {
            true => Error::data(why.chain()),
            false => Error::retriable(format!("{}; it is asked again", why.chain())),
        }
    }
}

#[cfg(test)]
mod tests {
    use connect_api::ErrorKind;

    use super::*;

    fn why() -> Error {
        Error::data("the Schema Registry does not have it")
    }

    #[test]
    fn it_is_asked_for_again_before_a_record_is_blamed_and_for_each_record_then() {
        let mut unknown = Unknown::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for millis in [0, 300, 900, 1900, 2900] {
            let error = unknown.missing(7, why(), at(millis));
            assert_eq!(error.kind(), ErrorKind::Retriable, "{millis}");
            assert!(!unknown.holds(&7, at(millis)));
        }
        assert_eq!(unknown.missing(7, why(), at(3000)).kind(), ErrorKind::Data);
        assert!(unknown.holds(&7, at(3001)));
        assert!(!unknown.holds(&7, at(3020)), "the next record asks");
        assert_eq!(unknown.missing(7, why(), at(3020)).kind(), ErrorKind::Data);
        unknown.found(&7);
        assert_eq!(
            unknown.missing(7, why(), at(9000)).kind(),
            ErrorKind::Retriable
        );
    }

    #[test]
    fn garbage_holds_a_task_up_for_a_part_of_the_time_only() {
        let mut unknown = Unknown::default();
        let start = Instant::now();
        let (mut now, mut blamed) = (start, 0);
        // Each record has an id of its own, and is tried again each second.
        for id in 0..100_000 {
            while unknown.missing(id, why(), now).kind() == ErrorKind::Retriable {
                now += Duration::from_secs(1);
            }
            blamed += 1;
            now += Duration::from_millis(1);
        }
        let taken = now - start;
        assert_eq!(blamed, 100_000);
        assert!(taken < Duration::from_secs(150), "{taken:?}");
        assert!(unknown.asked.len() <= MAX_REMEMBERED);
    }
}
