//! What the target has is compared with what was durable, now and then, also while no record comes:
//! a standby that was promoted may have less.

use std::time::Instant;

use connect_api::Result;

use super::state::SinkTaskState;
use crate::sink_task::write::Request;

impl SinkTaskState {
    /// Asks the sink for a comparison, when it is time for one and the sink is idle. A target that
    /// was away is asked sooner: another one may have taken its place. A task without partitions
    /// has nothing to compare, but is told whether the target is there, and its status says so.
    ///
    /// # Errors
    /// When the writing thread has died.
    pub fn verify_target(&mut self) -> Result<()> {
        let writer = &self.parts.writer;
        let interval = match self.target_is_away {
            true => self.timing.verify_interval / 3,
            false => self.timing.verify_interval,
        };
        let is_due = self.last_verified.elapsed() >= interval;
        if !is_due || self.hold.is_some() || !writer.is_idle() || !writer.keeps_offsets() {
            return Ok(());
        }
        self.last_verified = Instant::now();
        self.target_is_away = false;
        let generation = writer.generation();
        self.parts.writer.send(Request::Verify(generation))
    }
}
