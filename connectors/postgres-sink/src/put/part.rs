//! Batches as the parts that are committed together.

use connect_api::{Offset, RecordBatch, SinkRecord};

/// Records of a batch that are committed together: those from one offset up to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub batch: &'a RecordBatch,
    /// Positions in the batch.
    pub start: usize,
    pub end: usize,
    /// The offset that the partition comes to.
    pub next_offset: Offset,
}

impl<'a> Part<'a> {
    pub fn records(&self) -> impl Iterator<Item = (usize, &'a SinkRecord)> + use<'a> {
        let records = &self.batch.records[self.start..self.end];
        (self.start..).zip(records)
    }

    /// The part before a position and the one from there on, where no offset is split.
    pub fn split(self, at: usize) -> (Self, Self) {
        let middle = self.batch.records[at].origin.offset;
        let (mut head, mut tail) = (self, self);
        (head.end, head.next_offset) = (at, middle);
        tail.start = at;
        (head, tail)
    }

    /// The position nearest to the middle where another offset begins.
    pub fn middle(&self) -> Option<usize> {
        let records = &self.batch.records;
        let begins = |&at: &usize| records[at].origin.offset != records[at - 1].origin.offset;
        let middle = usize::midpoint(self.start, self.end);
        let before = (self.start + 1..=middle).rev().find(begins);
        before.or_else(|| (middle + 1..self.end).find(begins))
    }

    /// Whether it is committed as a whole or not at all: the state belongs to all of it.
    pub fn is_whole(&self) -> bool {
        !self.batch.state.is_empty()
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// The last position where another offset begins within so many records, or else the first
    /// one behind them.
    fn cut(&self, room: usize) -> Option<usize> {
        let records = &self.batch.records;
        let begins = |&at: &usize| records[at].origin.offset != records[at - 1].origin.offset;
        let limit = self.start.saturating_add(room).min(self.end);
        let within = (self.start + 1..=limit).rev().filter(|&at| at < self.end);
        let mut behind = (limit + 1).max(self.start + 1)..self.end;
        within
            .into_iter()
            .find(begins)
            .or_else(|| behind.find(begins))
    }
}

/// The parts by transaction, of at most so many records each. Records of one offset stay together.
pub(super) fn transactions(parts: Vec<Part<'_>>, most: usize) -> Vec<Vec<Part<'_>>> {
    let mut groups = Vec::new();
    let mut group: Vec<Part<'_>> = Vec::new();
    let mut room = most;
    for mut part in parts {
        while part.len() > room {
            if part.is_whole() {
                groups.extend(Some(std::mem::take(&mut group)).filter(|group| !group.is_empty()));
                room = most;
                break;
            }
            let cut = part.cut(room);
            // What does not fit behind others may fit into a transaction of its own.
            let fits = cut.is_some_and(|at| at - part.start <= room);
            if fits || group.is_empty() {
                let Some(at) = cut else { break };
                let (head, tail) = part.split(at);
                group.push(head);
                part = tail;
            }
            groups.push(std::mem::take(&mut group));
            room = most;
        }
        room = room.saturating_sub(part.len());
        group.push(part);
    }
    groups.push(group);
    groups
}
