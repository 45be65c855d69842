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

    /// Commits if it is time.
    pub fn flush_due(&mut self, consumer: &Consumer, metrics: &TaskMetrics) {
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

    /// Forgets partitions that another task may own already.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.due.retain(|source, _| !partitions.contains(source));
    }
}
