//! Stage 0: tell Kafka's group what has become durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::TopicPartition;
use rdkafka::consumer::CommitMode;

use super::consume::Consumer;
use super::write::Durable;
use crate::metrics::TaskMetrics;

/// Offsets that are durable and that Kafka has not been told of.
///
/// Invariant 1: only a [`Durable`] gets in here, and only `write.rs` can make one.
pub struct Commits {
    due: BTreeMap<Arc<TopicPartition>, i64>,
    /// What Kafka was told last. Only if it refuses that is there something to say again: an older
    /// offset would take the group back.
    told: HashMap<Arc<TopicPartition>, i64>,
    last: Instant,
    interval: Duration,
}

impl Commits {
    /// Commits at most once an interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            due: BTreeMap::new(),
            told: HashMap::new(),
            last: Instant::now(),
            interval,
        }
    }

    /// Puts down what has become durable.
    pub fn add(&mut self, durable: &Durable) {
        for (source, next_offset) in durable.positions() {
            self.due.insert(Arc::clone(source), *next_offset);
        }
    }

    /// Commits if it is time; also what Kafka has refused, as it does between two generations of
    /// the group. Nothing else would tell it until the partition has a new record.
    pub fn flush_due(&mut self, consumer: &Consumer, metrics: &TaskMetrics) {
        self.take_back(consumer.refused_commits());
        if !self.due.is_empty() && self.last.elapsed() >= self.interval {
            self.commit(consumer, metrics, CommitMode::Async);
        }
    }

    /// Commits now, and waits for the answer: whether Kafka has been told of everything.
    pub fn flush(&mut self, consumer: &Consumer, metrics: &TaskMetrics) -> bool {
        self.take_back(consumer.refused_commits());
        self.commit(consumer, metrics, CommitMode::Sync);
        self.due.is_empty()
    }

    fn commit(&mut self, consumer: &Consumer, metrics: &TaskMetrics, mode: CommitMode) {
        self.last = Instant::now();
        if self.due.is_empty() {
            return;
        }
        let due = std::mem::take(&mut self.due);
        self.told
            .extend(due.iter().map(|(source, at)| (Arc::clone(source), *at)));
        metrics.commits.increment(1);
        if !consumer.commit(&due, mode) {
            self.due = due;
        }
    }

    fn take_back(&mut self, refused: Vec<(TopicPartition, i64)>) {
        for (source, offset) in refused {
            if self.told.get(&source) == Some(&offset) {
                self.due.entry(Arc::new(source)).or_insert(offset);
            }
        }
    }

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.due.retain(|source, _| !partitions.contains(source));
        self.told.retain(|source, _| !partitions.contains(source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_committed_again_and_nothing_older() {
        let [last, older, unknown] = [0, 1, 2].map(|n| Arc::new(TopicPartition::new("t", n)));
        let mut commits = Commits::new(Duration::ZERO);
        commits
            .told
            .extend([(Arc::clone(&last), 5), (Arc::clone(&older), 8)]);
        let refused = [(&last, 5), (&older, 7), (&unknown, 9)];
        commits.take_back(refused.map(|(s, at)| (TopicPartition::clone(s), at)).into());
        assert_eq!(commits.due, BTreeMap::from([(last, 5)]));
    }
}
