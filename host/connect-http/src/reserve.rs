//! File descriptors that are kept for connections.
//!
//! When a process has none left, accepting fails, and an operator could not even ask what is wrong.
//! So some are kept open on /dev/null, and one is closed for each connection that comes then.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// Descriptors that are kept.
const RESERVE: usize = 8;

/// Whether an error says that there are no descriptors, of the process or of the system.
pub fn are_out(error: &std::io::Error) -> bool {
    let none = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    let code = error.raw_os_error();
    none.iter().any(|known| Some(known.raw_os_error()) == code)
}

/// The descriptors that are kept.
#[derive(Debug, Default)]
pub struct Reserve(Mutex<Vec<File>>);

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
