//! Stage 0: tell Kafka's group what has become durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::TopicPartition;
use rdkafka::consumer::CommitMode;
use tracing::debug;

use super::consume::{Consumer, GLANCE};
use super::write::Durable;
use crate::metrics::TaskMetrics;

/// Offsets that are durable and that Kafka has not been told of.
///
/// Invariant 1: only a [`Durable`] gets in here, and only `write.rs` can make one.
pub struct Commits {
    due: BTreeMap<Arc<TopicPartition>, i64>,
    /// What Kafka was told, and has not yet been seen to have: between two generations of the group
    /// it refuses an offset, and the client does not say so.
    unconfirmed: BTreeMap<Arc<TopicPartition>, i64>,
    last: Instant,
    interval: Duration,
}

impl Commits {
    /// Commits at most once an interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            due: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
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

    /// Commits if it is time. When there is nothing to commit, it looks once whether Kafka has what
    /// it was told.
    pub fn flush_due(&mut self, consumer: &Consumer, metrics: &TaskMetrics) {
        if self.last.elapsed() < self.interval {
            return;
        }
        if !self.due.is_empty() {
            let told = self.due.clone();
            self.commit(consumer, metrics, CommitMode::Async);
            self.unconfirmed.extend(told);
        } else if !self.unconfirmed.is_empty() {
            self.last = Instant::now();
            let sources = self.unconfirmed.keys().map(|source| &**source);
            match consumer.committed(sources, GLANCE) {
                Ok(committed) => self.confirm(&committed),
                Err(error) => debug!(%error, "cannot ask for the committed offsets"),
            }
        }
    }

    /// Commits now, and waits for the answer: whether Kafka has everything.
    pub fn flush(&mut self, consumer: &Consumer, metrics: &TaskMetrics) -> bool {
        for (source, offset) in std::mem::take(&mut self.unconfirmed) {
            self.due.entry(source).or_insert(offset);
        }
        self.commit(consumer, metrics, CommitMode::Sync);
        self.due.is_empty()
    }

    fn commit(&mut self, consumer: &Consumer, metrics: &TaskMetrics, mode: CommitMode) {
        self.last = Instant::now();
        if self.due.is_empty() {
            return;
        }
        metrics.commits.increment(1);
        if consumer.commit(&self.due, mode) {
            self.due.clear();
        }
    }

    /// What Kafka does not have is to be committed again.
    fn confirm(&mut self, committed: &HashMap<TopicPartition, i64>) {
        for (source, offset) in std::mem::take(&mut self.unconfirmed) {
            if committed.get(&source) != Some(&offset) {
                self.due.insert(source, offset);
            }
        }
    }

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for offsets in [&mut self.due, &mut self.unconfirmed] {
            offsets.retain(|source, _| !partitions.contains(source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_does_not_have_is_committed_again() {
        let [has, behind, without] = [0, 1, 2].map(|n| Arc::new(TopicPartition::new("t", n)));
        let mut commits = Commits::new(Duration::ZERO);
        let told = [&has, &behind, &without].map(|source| (Arc::clone(source), 5));
        commits.unconfirmed.extend(told);
        let committed = [(&has, 5), (&behind, 4)];
        let committed = committed.map(|(source, at)| (TopicPartition::clone(source), at));
        commits.confirm(&HashMap::from(committed));
        assert_eq!(commits.due, BTreeMap::from([(behind, 5), (without, 5)]));
        assert!(commits.unconfirmed.is_empty());
    }
}
