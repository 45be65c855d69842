//! Stage 0: tell Kafka's group what has become durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Offset, TopicPartition};
use rdkafka::consumer::CommitMode;
use tracing::debug;

use super::consume::{Consumer, GLANCE};
use super::write::Durable;
use crate::metrics::TaskMetrics;

/// Offsets that are durable and that Kafka has not been told of.
///
/// Invariant 1: only a [`Durable`] gets in here, and only `write.rs` can make one.
pub struct Commits {
    due: BTreeMap<Arc<TopicPartition>, Offset>,
    /// What Kafka was told, and has not yet been seen to have: between two generations of the group
    /// it refuses an offset, and the client does not say so.
    unconfirmed: BTreeMap<Arc<TopicPartition>, Offset>,
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
        for (topic_partition, next_offset) in durable.positions() {
            self.due.insert(Arc::clone(topic_partition), *next_offset);
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
            let topic_partitions = self
                .unconfirmed
                .keys()
                .map(|topic_partition| &**topic_partition);
            match consumer.committed(topic_partitions, GLANCE) {
                Ok(committed) => self.confirm(&committed),
                Err(error) => debug!(%error, "cannot ask for the committed offsets"),
            }
        }
    }

    /// Commits now, and waits for the answer: whether Kafka has everything.
    pub fn flush(&mut self, consumer: &Consumer, metrics: &TaskMetrics) -> bool {
        for (topic_partition, offset) in std::mem::take(&mut self.unconfirmed) {
            self.due.entry(topic_partition).or_insert(offset);
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
    fn confirm(&mut self, committed: &HashMap<TopicPartition, Offset>) {
        for (topic_partition, offset) in std::mem::take(&mut self.unconfirmed) {
            if committed.get(&topic_partition) != Some(&offset) {
                self.due.insert(topic_partition, offset);
            }
        }
    }

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for offsets in [&mut self.due, &mut self.unconfirmed] {
            offsets.retain(|topic_partition, _| !partitions.contains(topic_partition));
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
        let told = [&has, &behind, &without]
            .map(|topic_partition| (Arc::clone(topic_partition), Offset(5)));
        commits.unconfirmed.extend(told);
        let committed = [(&has, Offset(5)), (&behind, Offset(4))];
        let committed =
            committed.map(|(topic_partition, at)| (TopicPartition::clone(topic_partition), at));
        commits.confirm(&HashMap::from(committed));
        assert_eq!(
            commits.due,
            BTreeMap::from([(behind, Offset(5)), (without, Offset(5))])
        );
        assert!(commits.unconfirmed.is_empty());
    }
}
