//! The records that a put has reported as errant.

use std::collections::BTreeMap;

use connect_api::{DeadLetter, Offset, RecordBatch, TopicPartition};

/// The reported records of a put: when their parts are tried again, they are left out. Their dead
/// letters are written with their offsets.
#[derive(Debug, Default)]
pub(crate) struct ReportedRecords {
    dead_letters: BTreeMap<RecordPlace, Option<DeadLetter>>,
}

/// A record by its batch and its position there.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RecordPlace {
    topic_partition: TopicPartition,
    first_offset: Offset,
    at: usize,
}

impl RecordPlace {
    fn new(batch: &RecordBatch, at: usize) -> Self {
        Self {
            topic_partition: (*batch.topic_partition).clone(),
            first_offset: batch.first_offset,
            at,
        }
    }
}

impl ReportedRecords {
    pub fn is_empty(&self) -> bool {
        self.dead_letters.is_empty()
    }

    /// Whether the record at a position of the batch was reported.
    pub fn contains(&self, batch: &RecordBatch, at: usize) -> bool {
        // Nearly always nothing was reported: then no key is made.
        !self.is_empty() && self.dead_letters.contains_key(&RecordPlace::new(batch, at))
    }

    /// Remembers a reported record, with the dead letter that the sink is to write for it.
    pub fn insert(&mut self, batch: &RecordBatch, at: usize, dead_letter: Option<DeadLetter>) {
        let place = RecordPlace::new(batch, at);
        self.dead_letters.insert(place, dead_letter);
    }

    /// The dead letter of the record at a position of the batch.
    pub fn dead_letter(&self, batch: &RecordBatch, at: usize) -> Option<&DeadLetter> {
        let dead_letter = self.dead_letters.get(&RecordPlace::new(batch, at))?;
        dead_letter.as_ref()
    }
}
