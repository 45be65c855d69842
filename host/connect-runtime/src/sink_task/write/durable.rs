//! The token without which no offset is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use connect_api::{Offset, OpenedPartition, RecordBatch, TopicPartition};

/// Offsets up to which everything is durable in the target.
///
/// Invariant 1: the stage `write` alone makes one, after a put has returned or of what the target
/// says that it has, and it is all that a commit takes. Nobody else can:
///
/// ```compile_fail,E0423
/// use std::collections::BTreeMap;
/// use connect_runtime::Durable;
///
/// let durable = Durable(BTreeMap::new());
/// ```
#[derive(Debug, Default)]
pub struct Durable(BTreeMap<Arc<TopicPartition>, Offset>);

impl Durable {
    /// What the target says that it has.
    pub(super) fn stored(opened: &[OpenedPartition]) -> Self {
        let stored = opened.iter().filter_map(|o| {
            let next_offset = o.next_offset?;
            Some((Arc::new(o.topic_partition.clone()), next_offset))
        });
        Self(stored.collect())
    }

    /// First offsets, which the target has.
    pub(super) fn started<'a>(starts: impl Iterator<Item = &'a (TopicPartition, Offset)>) -> Self {
        let starts = starts.map(|(partition, at)| (Arc::new(partition.clone()), *at));
        Self(starts.collect())
    }

    /// What a put has written.
    pub(super) fn written(batches: Vec<RecordBatch>) -> Self {
        let ends = batches.into_iter();
        Self(ends.map(|b| (b.topic_partition, b.next_offset)).collect())
    }

    /// For each partition the offset to go on from.
    pub fn positions(&self) -> impl Iterator<Item = (&Arc<TopicPartition>, &Offset)> {
        self.0.iter()
    }

    /// Whether there is no partition in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what became durable later: it holds where both know a partition.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Keeps the partitions of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&TopicPartition, Offset) -> bool) {
        self.0.retain(|partition, offset| keep(partition, *offset));
    }

    /// What a test says is durable.
    #[cfg(test)]
    pub fn scripted(positions: impl IntoIterator<Item = (TopicPartition, Offset)>) -> Self {
        let positions = positions.into_iter();
        Self(positions.map(|(p, at)| (Arc::new(p), at)).collect())
    }
}
