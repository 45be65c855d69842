//! What the target has is compared with what was durable, now and then, also while no record comes:
//! a standby that was promoted may have less.

use std::time::{Duration, Instant};

use connect_api::Result;

use super::state::SinkTaskState;
use crate::sink_task::write::Request;

/// So many times as long as another a task waits that has no partition and has found its target.
const WITHOUT_PARTITIONS: u32 = 20;

impl SinkTaskState {
    /// Asks the sink for a comparison, when it is time for one and the sink is idle. A target that
    /// was away is asked sooner: another one may have taken its place. A task without partitions
    /// has nothing to compare, but is told whether the target is there, and its status says so;
    /// once it was there, it is looked for seldom, because that takes a session of its own.
    ///
    /// # Errors
    /// When the writing thread has died.
    pub fn verify_target(&mut self) -> Result<()> {
        let writer = &self.parts.writer;
        let is_due = self.last_verified.elapsed() >= self.until_next_look();
        if !is_due || self.hold.is_some() || !writer.is_idle() || !writer.keeps_offsets() {
            return Ok(());
        }
        self.last_verified = Instant::now();
        self.target_is_away = false;
        let generation = writer.generation();
        self.parts.writer.send(Request::Verify(generation))
    }

    fn until_next_look(&self) -> Duration {
        let interval = self.timing.verify_interval;
        if self.target_is_away {
            return interval / 3;
        }
        let was_found = self.target_was_found && self.last_verified.elapsed() >= interval;
        match was_found && self.parts.consumer.assignment().is_empty() {
            true => interval * WITHOUT_PARTITIONS,
            false => interval,
        }
    }
}
