//! What was sent lately, by an id: one that comes again is left out.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Ids that are remembered; beyond them the oldest is forgotten before its time.
const MOST: usize = 1_000_000;

/// The ids of the last while.
pub struct Dedupe {
    keep: Duration,
    known: HashSet<String>,
    by_age: VecDeque<(Instant, String)>,
    dropped: u64,
}

impl Dedupe {
    /// Remembers ids for so long.
    pub fn new(keep: Duration) -> Self {
        Self {
            keep,
            known: HashSet::new(),
            by_age: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Whether an id came before and is remembered; else it is from now on. One that comes again
    /// is not remembered for longer.
    pub fn is_known(&mut self, id: String, now: Instant) -> bool {
        while let Some((since, _)) = self.by_age.front() {
            if now.duration_since(*since) < self.keep && self.by_age.len() < MOST {
                break;
            }
            if let Some((_, id)) = self.by_age.pop_front() {
                self.known.remove(&id);
            }
        }
        if self.known.contains(&id) {
            self.dropped += 1;
            return true;
        }
        self.by_age.push_back((now, id.clone()));
        self.known.insert(id);
        false
    }

    /// How often an id was known.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_forgotten_after_its_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut dedupe = Dedupe::new(Duration::from_millis(100));
        let mut known = |id: &str, ms| dedupe.is_known(id.to_owned(), at(ms));
        assert!(!known("a", 0));
        assert!(!known("b", 50));
        assert!(known("a", 99));
        assert!(!known("a", 100));
        assert!(known("b", 149));
        assert!(known("a", 199));
        assert!(!known("b", 150));
        assert_eq!(dedupe.dropped(), 3);
    }
}
