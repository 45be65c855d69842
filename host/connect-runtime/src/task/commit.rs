//! Stage 0: tell Kafka's group what has become durable.

use std::collections::BTreeMap;
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
    last: Instant,
    interval: Duration,
}

impl Commits {
    /// Commits at most once an interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            due: BTreeMap::new(),
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

    /// Commits if it is time; also what Kafka has refused in a rebalance.
    pub fn flush_due(&mut self, consumer: &Consumer, metrics: &TaskMetrics) {
        let refused = consumer.refused_commits();
        if !refused.is_empty() {
            self.take_back(refused, &consumer.owned());
        }
        if !self.due.is_empty() && self.last.elapsed() >= self.interval {
            self.commit(consumer, metrics, CommitMode::Async);
        }
    }

    /// Commits now, and waits for the answer.
    pub fn flush(&mut self, consumer: &Consumer, metrics: &TaskMetrics) {
        self.commit(consumer, metrics, CommitMode::Sync);
    }

    fn commit(&mut self, consumer: &Consumer, metrics: &TaskMetrics, mode: CommitMode) {
        let due: Vec<_> = std::mem::take(&mut self.due).into_iter().collect();
        if !due.is_empty() {
            consumer.commit(&due, mode);
            metrics.commits.increment(1);
        }
        self.last = Instant::now();
    }

    /// Puts down again what was committed in vain, unless there is news of the partition or it has
    /// gone to another task.
    fn take_back(&mut self, refused: Vec<(TopicPartition, i64)>, owned: &[TopicPartition]) {
        let refused = refused.into_iter();
        for (source, offset) in refused.filter(|(source, _)| owned.contains(source)) {
            let due = self.due.entry(Arc::new(source)).or_insert(offset);
            *due = offset.max(*due);
        }
    }

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.due.retain(|source, _| !partitions.contains(source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_committed_again() {
        let [mine, news, others] = [0, 1, 2].map(|n| TopicPartition::new("t", n));
        let mut commits = Commits::new(Duration::ZERO);
        commits.due.insert(Arc::new(news.clone()), 8);
        let refused = vec![(mine.clone(), 5), (news.clone(), 7), (others, 9)];
        commits.take_back(refused, &[mine.clone(), news.clone()]);
        let due: Vec<_> = commits.due.iter().map(|(s, n)| (&**s, *n)).collect();
        assert_eq!(due, [(&mine, 5), (&news, 8)]);
    }
}
