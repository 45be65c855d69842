//! Stage 1: tell Kafka's group what has become durable.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use connect_api::TopicPartition;
use connect_kafka::GroupOffset;
use tracing::{debug, warn};

use super::consume::TaskConsumer;
use super::write::Durable;
use crate::metrics::TaskMetrics;

/// How long Kafka may take to say which offsets it has. It is asked by the way, while records wait.
const COMMITTED_QUERY_TIMEOUT: Duration = Duration::from_millis(500);

/// Offsets that are durable and that Kafka has not been told of.
///
/// Invariant 1: only a [`Durable`] gets in here, and only `write.rs` can make one.
pub struct Commits {
    due: Durable,
    /// What Kafka was told, and has not yet been seen to have: between two generations of the group
    /// it refuses an offset, and the client does not say so.
    unconfirmed: Durable,
    last: Instant,
    interval: Duration,
}

impl Commits {
    /// Commits at most once an interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            due: Durable::default(),
            unconfirmed: Durable::default(),
            last: Instant::now(),
            interval,
        }
    }

    /// Notes what has become durable, to be committed when it is time.
    pub fn add(&mut self, durable: Durable) {
        self.due.extend(durable);
    }

    /// Commits if it is time. When there is nothing to commit, it looks once whether Kafka has what
    /// it was told.
    pub fn flush_due(&mut self, consumer: &dyn TaskConsumer, metrics: &TaskMetrics) {
        if self.last.elapsed() < self.interval {
            return;
        }
        if !self.due.is_empty() {
            self.last = Instant::now();
            match consumer.commit_async(&self.due) {
                Ok(()) => self.unconfirmed.extend(std::mem::take(&mut self.due)),
                Err(error) => {
                    metrics.common.commits.fail();
                    warn!(error = %error.chain(), "cannot commit offsets to Kafka");
                }
            }
        } else if !self.unconfirmed.is_empty() {
            self.last = Instant::now();
            let told: Vec<&TopicPartition> =
                self.unconfirmed.positions().map(|(p, _)| &**p).collect();
            match consumer.committed(&told, COMMITTED_QUERY_TIMEOUT) {
                Ok(committed) => self.confirm(&committed),
                Err(error) => debug!(error = %error.chain(), "cannot ask for committed offsets"),
            }
        }
    }

    /// Commits now, and waits for the answer. True when Kafka has everything.
    pub fn flush(&mut self, consumer: &dyn TaskConsumer, metrics: &TaskMetrics) -> bool {
        let mut all = std::mem::take(&mut self.unconfirmed);
        all.extend(std::mem::take(&mut self.due));
        self.due = all;
        self.last = Instant::now();
        if self.due.is_empty() {
            return true;
        }
        let begun = Instant::now();
        match consumer.commit_sync(&self.due) {
            Ok(()) => {
                metrics.common.committed(begun.elapsed());
                self.due = Durable::default();
            }
            Err(error) => {
                metrics.common.commits.fail();
                warn!(error = %error.chain(), "cannot commit offsets to Kafka");
            }
        }
        self.due.is_empty()
    }

    /// What Kafka does not have is to be committed again.
    fn confirm(&mut self, committed: &HashMap<TopicPartition, GroupOffset>) {
        let mut missing = std::mem::take(&mut self.unconfirmed);
        missing.retain(|partition, offset| {
            committed.get(partition).map(|known| known.offset) != Some(offset)
        });
        self.due.extend(missing);
    }

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for offsets in [&mut self.due, &mut self.unconfirmed] {
            offsets.retain(|partition, _| !partitions.contains(partition));
        }
    }
}

#[cfg(test)]
mod tests {
    use connect_api::Offset;

    use super::*;

    #[test]
    fn what_kafka_does_not_have_is_committed_again() {
        let [has, behind, without] = [0, 1, 2].map(|n| TopicPartition::new("t", n));
        let mut commits = Commits::new(Duration::ZERO);
        let told = [&has, &behind, &without].map(|partition| (partition.clone(), Offset(5)));
        commits.unconfirmed = Durable::scripted(told);
        let at = |offset| GroupOffset {
            offset: Offset(offset),
            mark: None,
        };
        let committed = [(has, at(5)), (behind.clone(), at(4))];
        commits.confirm(&HashMap::from(committed));
        let due: Vec<_> = commits
            .due
            .positions()
            .map(|(partition, at)| (TopicPartition::clone(partition), *at))
            .collect();
        assert_eq!(due, [(behind, Offset(5)), (without, Offset(5))]);
        assert!(commits.unconfirmed.is_empty());
    }
}
