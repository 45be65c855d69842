//! The offsets that a group has committed, and those that wait in open transactions.

use std::collections::{BTreeMap, HashMap};

use super::batch::Outcome;
use super::topics::TopicPartition;

/// Where a group goes on in a partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Committed {
    pub offset: i64,
    /// −1 where the client gave none.
    pub leader_epoch: i32,
    /// The client's own words.
    pub metadata: String,
}

/// A group's offsets.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    committed: BTreeMap<TopicPartition, Committed>,
    /// By the id of the producer whose transaction is open.
    pending: HashMap<i64, BTreeMap<TopicPartition, Committed>>,
}

impl Offsets {
    pub(super) fn commit(&mut self, partition: TopicPartition, offset: Committed) {
        self.committed.insert(partition, offset);
    }

    /// Commits once the producer's transaction does.
    pub(super) fn commit_in_transaction(
        &mut self,
        producer: i64,
        partition: TopicPartition,
        offset: Committed,
    ) {
        let pending = self.pending.entry(producer).or_default();
        pending.insert(partition, offset);
    }

    /// The producer's transaction has ended.
    pub(super) fn end_transaction(&mut self, producer: i64, outcome: Outcome) {
        let pending = self.pending.remove(&producer).unwrap_or_default();
        if outcome == Outcome::Commit {
            self.committed.extend(pending);
        }
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Committed> {
        self.committed.get(partition)
    }

    /// Whether an open transaction may change the partition's offset (KIP-447).
    pub(super) fn is_unstable(&self, partition: &TopicPartition) -> bool {
        let mut pending = self.pending.values();
        pending.any(|offsets| offsets.contains_key(partition))
    }

    /// The partitions with an offset.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.committed.keys()
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.committed.remove(partition);
    }

    /// The topic is deleted: a new one of its name has offsets of its own.
    pub(super) fn remove_topic(&mut self, topic: &str) {
        let other = |partition: &TopicPartition| partition.0 != topic;
        self.committed.retain(|partition, _| other(partition));
        for pending in self.pending.values_mut() {
            pending.retain(|partition, _| other(partition));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Committed {
        Committed {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
        }
    }

    #[test]
    fn offsets_of_a_transaction_count_once_it_commits() {
        let partition = ("t".to_owned(), 0);
        let mut offsets = Offsets::default();
        offsets.commit(partition.clone(), at(1));
        let seen = |offsets: &Offsets| {
            let offset = offsets.get(&partition).map(|it| it.offset);
            (offset, offsets.is_unstable(&partition))
        };

        offsets.commit_in_transaction(7, partition.clone(), at(5));
        assert_eq!(seen(&offsets), (Some(1), true));
        offsets.end_transaction(8, Outcome::Commit);
        assert_eq!(seen(&offsets), (Some(1), true), "another's transaction");
        offsets.end_transaction(7, Outcome::Abort);
        assert_eq!(seen(&offsets), (Some(1), false));
        offsets.commit_in_transaction(7, partition.clone(), at(9));
        offsets.end_transaction(7, Outcome::Commit);
        assert_eq!(seen(&offsets), (Some(9), false));
    }

    #[test]
    fn a_deleted_topic_leaves_no_offset() {
        let mut offsets = Offsets::default();
        for topic in ["t", "u"] {
            offsets.commit((topic.to_owned(), 0), at(1));
            offsets.commit_in_transaction(7, (topic.to_owned(), 1), at(1));
        }
        offsets.remove_topic("t");
        offsets.end_transaction(7, Outcome::Commit);
        let left: Vec<_> = offsets.partitions().cloned().collect();
        assert_eq!(left, [("u".to_owned(), 0), ("u".to_owned(), 1)]);
    }
}
