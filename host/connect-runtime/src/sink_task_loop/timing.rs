//! How long the loop of a sink task waits for what.

use std::time::Duration;

/// The waiting times of a loop. A worker has the defaults; tests have shorter ones.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long the loop sleeps when there is nothing to do, and so how soon it sees a stop.
    pub idle_wait: Duration,
    /// How long the loop polls at a time while the sink is busy: it must see soon that it no longer
    /// is.
    pub busy_wait: Duration,
    /// How long the loop waits for the sink before it pauses its partitions, so as to go on polling
    /// and stay in its group.
    pub pause_consumer_after: Duration,
    /// How long the group waits for partitions to be opened: it is answered then all the same, and
    /// asked for the next change.
    pub answer_group_after: Duration,
    /// How long a task that ends tries to commit its last offsets to its group.
    pub final_commit_timeout: Duration,
    /// How long batches of revoked partitions may take to become durable before they are given up.
    pub revoke_drain_timeout: Duration,
    /// How long a fenced task waits before it opens its partitions again: a little more than a
    /// heartbeat, within which its group says whether they are another task's.
    pub rewind_pause: Duration,
    /// How often what the target has is compared with what was durable.
    pub verify_interval: Duration,
    /// How long a partition is quiet before its offset moves past what holds no data: a transaction
    /// of the target for each transaction of the topic would be many.
    pub marker_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            idle_wait: Duration::from_millis(100),
            busy_wait: Duration::from_millis(2),
            pause_consumer_after: Duration::from_secs(1),
            answer_group_after: Duration::from_millis(200),
            final_commit_timeout: Duration::from_secs(2),
            revoke_drain_timeout: Duration::from_secs(5),
            rewind_pause: Duration::from_secs(4),
            verify_interval: Duration::from_secs(3),
            marker_wait: Duration::from_millis(500),
        }
    }
}
