//! Until when held partitions of which connectors are tried again, because somebody has asked for
//! a restart.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::sink_task_loop::attempts::HELD_RETRY_TIME;

/// The connectors of which a restart was asked for a while ago at most.
#[derive(Default)]
pub(super) struct HeldRetries(BTreeMap<String, Instant>);

impl HeldRetries {
    /// A restart is asked for. The time until which held partitions are tried again.
    pub(super) fn ask(&mut self, connector: &str) -> Instant {
        let now = Instant::now();
        let until = now + HELD_RETRY_TIME;
        self.0.retain(|_, until| *until > now);
        self.0.insert(connector.to_owned(), until);
        until
    }

    /// The time until which a connector's held partitions are tried again, if there is one.
    pub(super) fn until(&self, connector: &str) -> Option<Instant> {
        self.0.get(connector).copied()
    }
}
