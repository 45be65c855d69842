//! File descriptors: as many as the system gives, and a few that are kept for the REST API.
//!
//! Kafka's clients and sinks take what there is. When nothing is left, accepting fails, and an
//! operator could not even ask what is wrong. So some are kept open on /dev/null: one is closed for
//! each connection that comes then.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beyond this a higher limit is of no use to a worker.
const ENOUGH: u64 = 65_536;
/// Descriptors that are kept.
const RESERVE: usize = 8;

/// Raises the limit of descriptors as far as the system lets it, and gives the limit that counts.
/// That is safe here: nothing in a worker uses `select`, which knows only the first 1024.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(ENOUGH);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if wanted <= now {
        return now;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        // A sandbox may forbid it: the worker does with what it has.
        Err(_) => now,
    }
}

/// The descriptors that are kept.
#[derive(Debug, Default)]
pub(super) struct Reserve(Mutex<Vec<File>>);

impl Reserve {
    /// Keeps as many as it can of those that it should.
    pub fn fill(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() < RESERVE {
            match File::open("/dev/null") {
                Ok(file) => kept.push(file),
                Err(_) => return,
            }
        }
    }

    /// Gives one up for somebody who needs it now.
    pub fn give(&self) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        let after = raise_limit();
        assert!(before.is_none_or(|before| after >= before.min(ENOUGH)));
        assert_eq!(raise_limit(), after);
    }

    #[test]
    fn what_is_given_up_is_taken_back() {
        let reserve = Reserve::default();
        assert!(!reserve.give());
        reserve.fill();
        for _ in 0..RESERVE {
            assert!(reserve.give());
        }
        assert!(!reserve.give());
        reserve.fill();
        assert!(reserve.give());
    }
}
