//! A gate that threads wait at until a test opens it.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Closed at first.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    reached: usize,
}

impl Gate {
    /// Blocks the thread until the gate is open.
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.reached += 1;
        let passed = self.opened.wait_while(state, |state| !state.open);
        drop(passed.unwrap());
    }

    /// Lets pass all who wait, and who comes later.
    pub(super) fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.opened.notify_all();
    }

    /// How many have come to the gate so far.
    pub(super) fn reached(&self) -> usize {
        self.state.lock().unwrap().reached
    }

    /// Waits until so many have come to the gate.
    pub(super) async fn wait_for(&self, count: usize) {
        let reached = async {
            while self.reached() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), reached).await;
        assert!(waited.is_ok(), "{} of {count} came", self.reached());
    }
}
