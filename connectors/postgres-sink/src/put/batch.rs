//! Cuts the batches of a put into the parts that transactions commit, without what is durable
//! already.

use std::collections::BTreeMap;

use connect_api::{Error, Offset, RecordBatch, Result, SinkRecord, TopicPartition};

use super::offsets::{Offsets, Step};

/// Consecutive records of a batch that one transaction commits, together with the offset that
/// the partition comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub batch: &'a RecordBatch,
    /// The position of the first record in the batch.
    pub start: usize,
    /// The position behind the last record in the batch.
    pub end: usize,
    /// The offset that the partition comes to.
    pub next_offset: Offset,
}

/// Where Postgres stands after the transactions of earlier puts.
pub(crate) struct Progress<'a> {
    pub offsets: &'a Offsets,
    /// The version of a partition when a batch that moves no offset was first put: once the
    /// partition has another version, that batch is durable.
    pub begun_versions: &'a mut BTreeMap<TopicPartition, i64>,
}

/// The parts of each transaction, of at most `max_records` records if they can be split so.
/// Records of one offset stay together, and so does a batch with changes of state.
///
/// The partitions of a transaction are sorted, so that all tasks lock the rows of their offsets in
/// one order.
///
/// # Errors
/// [`connect_api::ErrorKind::Fenced`] when a partition is not open, or its stored offset is
/// outside its batch.
pub(crate) fn transactions<'a>(
    batches: &'a [RecordBatch],
    mut progress: Progress<'_>,
    max_records: usize,
) -> Result<Vec<Vec<Part<'a>>>> {
    let mut parts = Vec::with_capacity(batches.len());
    for batch in batches {
        parts.extend(progress.remaining(batch)?);
    }
    parts.sort_by_key(|part| &part.batch.topic_partition);
    Ok(group(parts, max_records))
}

impl Progress<'_> {
    /// The part of a batch that is not durable yet, as a batch may be put again. `None` if all of
    /// it is durable.
    fn remaining<'b>(&mut self, batch: &'b RecordBatch) -> Result<Option<Part<'b>>> {
        let topic_partition = &*batch.topic_partition;
        let Some(position) = self.offsets.position(topic_partition) else {
            return Err(self.offsets.not_open(topic_partition));
        };
        let remaining_from = |start| {
            Some(Part {
                batch,
                start,
                end: batch.records.len(),
                next_offset: batch.next_offset,
            })
        };
        if batch.first_offset == batch.next_offset {
            let begun = self.begun_versions.entry(topic_partition.clone());
            return Ok(
                match *begun.or_insert(position.version) == position.version {
                    true => remaining_from(0),
                    false => None,
                },
            );
        }
        let stored = position.next_offset.unwrap_or(batch.first_offset);
        if stored == batch.next_offset {
            return Ok(None);
        }
        if stored < batch.first_offset || stored > batch.next_offset {
            return Err(Error::fenced(format!(
                "the stored offset of {topic_partition} moved to {stored}, which is not within the \
                 batch from {} to {}",
                batch.first_offset, batch.next_offset
            )));
        }
        let is_durable = |record: &SinkRecord| record.origin.offset < stored;
        Ok(remaining_from(batch.records.partition_point(is_durable)))
    }
}

fn group(parts: Vec<Part<'_>>, max_records: usize) -> Vec<Vec<Part<'_>>> {
    let mut transactions = Vec::new();
    let mut transaction: Vec<Part<'_>> = Vec::new();
    let mut room = max_records;
    for mut part in parts {
        while part.len() > room {
            if part.is_indivisible() {
                if !transaction.is_empty() {
                    transactions.push(std::mem::take(&mut transaction));
                }
                room = max_records;
                break;
            }
            let cut = part.last_cut_within(room);
            // What does not fit behind other parts may fit into a transaction of its own.
            let fits = cut.is_some_and(|at| at - part.start <= room);
            if fits || transaction.is_empty() {
                let Some(at) = cut else { break };
                let (head, tail) = part.split(at);
                transaction.push(head);
                part = tail;
            }
            transactions.push(std::mem::take(&mut transaction));
            room = max_records;
        }
        room = room.saturating_sub(part.len());
        transaction.push(part);
    }
    if !transaction.is_empty() {
        transactions.push(transaction);
    }
    transactions
}

impl<'a> Part<'a> {
    /// The records with their positions in the batch.
    pub fn records(&self) -> impl Iterator<Item = (usize, &'a SinkRecord)> + use<'a> {
        let records = &self.batch.records[self.start..self.end];
        (self.start..).zip(records)
    }

    /// The part before a position and the part from there on. The position must be one where
    /// another offset begins.
    pub fn split(self, at: usize) -> (Self, Self) {
        let middle = self.batch.records[at].origin.offset;
        let (mut head, mut tail) = (self, self);
        (head.end, head.next_offset) = (at, middle);
        tail.start = at;
        (head, tail)
    }

    /// The position nearest to the middle where another offset begins. `None` if all records have
    /// one offset.
    pub fn middle(&self) -> Option<usize> {
        let middle = usize::midpoint(self.start, self.end);
        let mut before = (self.start + 1..=middle).rev();
        before
            .find(|&at| self.begins_offset(at))
            .or_else(|| (middle + 1..self.end).find(|&at| self.begins_offset(at)))
    }

    /// Whether it must not be split because the batch changes state: the state belongs to all of
    /// its records (Invariant 2).
    pub fn is_indivisible(&self) -> bool {
        !self.batch.state.is_empty()
    }

    /// The change of the partition's stored offset that goes with the part.
    pub fn step(&self, offsets: &Offsets) -> Step<'a> {
        let stored = offsets.position(&self.batch.topic_partition);
        let stored = stored.and_then(|position| position.next_offset);
        let ends_batch = self.next_offset == self.batch.next_offset;
        Step {
            topic_partition: &self.batch.topic_partition,
            from: stored.unwrap_or(self.batch.first_offset),
            to: self.next_offset,
            last_timestamp: self.batch.last_timestamp.filter(|_| ends_batch),
        }
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn begins_offset(&self, at: usize) -> bool {
        let records = &self.batch.records;
        records[at].origin.offset != records[at - 1].origin.offset
    }

    /// The last position among the next `room` records where another offset begins, or else the
    /// first such position behind them.
    fn last_cut_within(&self, room: usize) -> Option<usize> {
        let limit = self.start.saturating_add(room).min(self.end);
        let mut within = (self.start + 1..=limit).rev().filter(|&at| at < self.end);
        let mut behind = (limit + 1).max(self.start + 1)..self.end;
        within
            .find(|&at| self.begins_offset(at))
            .or_else(|| behind.find(|&at| self.begins_offset(at)))
    }
}

/// Where a record came from, as error messages name it.
pub(crate) fn describe_origin(record: &SinkRecord) -> String {
    format!(
        "record at offset {} of {}",
        record.origin.offset, record.origin.topic_partition
    )
}

#[cfg(test)]
mod tests;
