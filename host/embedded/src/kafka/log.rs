//! The log of one partition: batches in order, who wrote them, and which transactions are open.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::batch::{Batch, Outcome, Producer};
use super::error_code::ErrorCode;

/// How many batches a producer may have in flight, and so send again: Kafka remembers as many.
const REMEMBERED_BATCHES: usize = 5;

/// How many producers are remembered; the ones that have been quiet for longest are forgotten.
const REMEMBERED_PRODUCERS: usize = 1_000;

/// How far a reader sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// How much a reader takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub bytes: usize,
    /// The first batch comes even if it is larger: else it could never be read.
    pub first_batch_whole: bool,
}

/// An aborted transaction of one producer in one partition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Aborted {
    pub producer: i64,
    pub first: i64,
    /// The offset of its marker.
    last: i64,
}

/// What a fetch finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub batches: Vec<Bytes>,
    /// The aborted transactions that the batches may hold records of; read by `ReadCommitted` only.
    pub aborted: Vec<Aborted>,
}

impl Found {
    pub(super) fn bytes(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}

/// A partition's records.
#[derive(Debug, Default)]
pub(super) struct Log {
    batches: VecDeque<Batch>,
    bytes: usize,
    start: i64,
    end: i64,
    producers: HashMap<i64, Sequences>,
    /// The first offset of each producer's transaction that has no marker yet.
    open: HashMap<i64, i64>,
    aborted: Vec<Aborted>,
}

/// What one idempotent producer has written here.
#[derive(Debug)]
struct Sequences {
    epoch: i16,
    next: i32,
    /// First sequence number and offset of its last batches.
    recent: VecDeque<(i32, i64)>,
}

impl Log {
    /// The first offset that is still there.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// One past the last record: the high watermark.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// How far `isolation` reads: to the end, or to the first record of an open transaction.
    pub(super) fn end_for(&self, isolation: Isolation) -> i64 {
        let open = match isolation {
            Isolation::ReadUncommitted => None,
            Isolation::ReadCommitted => self.open.values().min().copied(),
        };
        open.unwrap_or(self.end).max(self.start)
    }

    /// What the batches take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a batch and returns its offset. A batch that an idempotent producer sends again
    /// is not written again and gets the offset it already has.
    pub(super) fn append(&mut self, batch: Batch) -> Result<i64, ErrorCode> {
        let offset = self.end;
        if let Some(producer) = batch.producer {
            if let Some(written) = self.sequence(&batch, producer)? {
                return Ok(written);
            }
            if batch.is_transactional() {
                self.open.entry(producer.id).or_insert(offset);
            }
        }
        self.push(batch);
        Ok(offset)
    }

    /// Ends a producer's transaction. From then on an older epoch of it is refused.
    pub(super) fn mark(&mut self, producer: Producer, outcome: Outcome, timestamp: i64) {
        let last = self.end;
        self.push(Batch::marker(producer, outcome, timestamp));
        if let Some(first) = self.open.remove(&producer.id)
            && outcome == Outcome::Abort
        {
            self.aborted.push(Aborted {
                producer: producer.id,
                first,
                last,
            });
        }
        if let Some(known) = self.producers.get_mut(&producer.id)
            && known.epoch < producer.epoch
        {
            known.epoch = producer.epoch;
            known.recent.clear();
            known.next = 0;
        }
    }

    fn push(&mut self, batch: Batch) {
        let batch = batch.at(self.end);
        self.end = batch.last_offset() + 1;
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
    }

    /// The batches from the one that holds `offset` on, as many as there is room for.
    pub(super) fn read(
        &self,
        offset: i64,
        isolation: Isolation,
        room: Room,
    ) -> Result<Found, ErrorCode> {
        if offset < self.start || offset > self.end {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let limit = self.end_for(isolation);
        let first = self.batches.partition_point(|it| it.last_offset() < offset);
        let mut found = Found::default();
        let mut taken = 0;
        let mut upper = offset;
        for batch in self.batches.range(first..) {
            let length = batch.bytes().len();
            let is_first = found.batches.is_empty() && room.first_batch_whole;
            if batch.base_offset >= limit || (taken + length > room.bytes && !is_first) {
                break;
            }
            taken += length;
            upper = batch.last_offset();
            found.batches.push(batch.bytes().clone());
        }
        if isolation == Isolation::ReadCommitted && !found.batches.is_empty() {
            let inside = |it: &&Aborted| it.last >= offset && it.first <= upper;
            found.aborted = self.aborted.iter().filter(inside).copied().collect();
            found.aborted.sort_by_key(|it| it.first);
        }
        Ok(found)
    }

    /// The first record at or after a time in milliseconds, as (offset, its time).
    pub(super) fn at_time(&self, millis: i64) -> Option<(i64, i64)> {
        self.batches.iter().find_map(|batch| batch.at_time(millis))
    }

    /// Drops batches from the front while they take more than `bytes`.
    pub(super) fn keep(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(batch) = self.batches.pop_front()
        {
            self.bytes -= batch.bytes().len();
            self.start = batch.last_offset() + 1;
        }
        self.forget_aborted();
    }

    /// Drops the records in front of `offset`, or all of them for −1; returns the new start.
    pub(super) fn delete_before(&mut self, offset: i64) -> Result<i64, ErrorCode> {
        let offset = if offset == -1 { self.end } else { offset };
        if offset < self.start || offset > self.end {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.last_offset() < offset)
        {
            if let Some(batch) = self.batches.pop_front() {
                self.bytes -= batch.bytes().len();
            }
        }
        self.start = offset;
        self.forget_aborted();
        Ok(offset)
    }

    fn forget_aborted(&mut self) {
        let start = self.start;
        self.aborted.retain(|it| it.last >= start);
    }

    /// Checks and moves on the producer's sequence; for a batch written before, its offset.
    fn sequence(&mut self, batch: &Batch, producer: Producer) -> Result<Option<i64>, ErrorCode> {
        let fresh = || Sequences {
            epoch: producer.epoch,
            next: batch.sequence,
            recent: VecDeque::new(),
        };
        if !self.producers.contains_key(&producer.id) {
            self.forget_a_producer();
        }
        let offset = self.end;
        let known = self.producers.entry(producer.id).or_insert_with(fresh);
        if producer.epoch < known.epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if producer.epoch > known.epoch {
            *known = fresh();
        }
        let mut recent = known.recent.iter();
        if let Some((_, written)) = recent.find(|(sequence, _)| *sequence == batch.sequence) {
            return Ok(Some(*written));
        }
        if batch.sequence != known.next {
            return Err(ErrorCode::OutOfOrderSequenceNumber);
        }
        known.next = batch.next_sequence();
        known.recent.push_back((batch.sequence, offset));
        if known.recent.len() > REMEMBERED_BATCHES {
            known.recent.pop_front();
        }
        Ok(None)
    }

    /// Makes room for one more producer.
    fn forget_a_producer(&mut self) {
        if self.producers.len() < REMEMBERED_PRODUCERS {
            return;
        }
        let quiet = self
            .producers
            .iter()
            .filter(|(id, _)| !self.open.contains_key(id));
        let oldest = quiet.min_by_key(|(_, it)| it.recent.back().map_or(0, |(_, offset)| *offset));
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.producers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::sent::{sent, sent_in_transaction};
    use super::*;

    const ID: i64 = 7;

    const ALL: Room = Room {
        bytes: usize::MAX,
        first_batch_whole: true,
    };

    fn producer(epoch: i16) -> Producer {
        Producer { id: ID, epoch }
    }

    fn plain(count: i32) -> Batch {
        Batch::parse(sent(count, None)).expect("a batch")
    }

    fn sequenced(count: i32, epoch: i16, sequence: i32) -> Batch {
        Batch::parse(sent(count, Some((producer(epoch), sequence)))).expect("a batch")
    }

    fn in_transaction(count: i32, id: i64, sequence: i32) -> Batch {
        let bytes = sent_in_transaction(count, Producer { id, epoch: 0 }, sequence);
        Batch::parse(bytes).expect("a batch")
    }

    /// The base offsets of what is read.
    fn bases(found: &Found) -> Vec<i64> {
        let base = |bytes: &Bytes| bytes::Buf::get_i64(&mut &bytes[..8]);
        found.batches.iter().map(base).collect()
    }

    fn read(log: &Log, offset: i64, isolation: Isolation) -> Found {
        log.read(offset, isolation, ALL)
            .expect("an offset of the log")
    }

    #[test]
    fn every_offset_is_a_place_to_start() {
        let mut log = Log::default();
        for (count, offset) in [(3, 0), (1, 3), (6, 4)] {
            assert_eq!(log.append(plain(count)), Ok(offset));
        }
        assert_eq!(log.end(), 10);
        let from = |offset| bases(&read(&log, offset, Isolation::ReadUncommitted));
        assert_eq!(from(0), [0, 3, 4]);
        assert_eq!(from(2), [0, 3, 4], "a client passes over what is in front");
        assert_eq!(from(3), [3, 4]);
        assert_eq!(from(9), [4]);
        assert!(from(10).is_empty());
        for outside in [-1, 11] {
            let found = log
                .read(outside, Isolation::ReadUncommitted, ALL)
                .map(|_| ());
            assert_eq!(found, Err(ErrorCode::OffsetOutOfRange));
        }
    }

    #[test]
    fn a_limit_holds_for_all_but_the_first_batch() {
        let mut log = Log::default();
        for _ in 0..3 {
            log.append(plain(1)).expect("appended");
        }
        let one = log.bytes() / 3;
        let read = |bytes, first_batch_whole| {
            let room = Room {
                bytes,
                first_batch_whole,
            };
            let found = log.read(0, Isolation::ReadUncommitted, room);
            found.expect("an offset of the log").batches.len()
        };
        assert_eq!((read(1, true), read(1, false)), (1, 0));
        assert_eq!((read(2 * one, true), read(3 * one - 1, false)), (2, 2));
    }

    #[test]
    fn a_batch_sent_again_is_not_written_again() {
        let mut log = Log::default();
        assert_eq!(log.append(sequenced(3, 0, 0)), Ok(0));
        assert_eq!(log.append(sequenced(2, 0, 3)), Ok(3));
        assert_eq!(log.append(sequenced(3, 0, 0)), Ok(0));
        assert_eq!(log.append(sequenced(2, 0, 3)), Ok(3));
        assert_eq!(log.end(), 5);
        let gap = log.append(sequenced(1, 0, 6));
        assert_eq!(gap, Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(
            log.append(sequenced(1, 1, 0)),
            Ok(5),
            "a new epoch begins again"
        );
        let fenced = log.append(sequenced(1, 0, 5));
        assert_eq!(fenced, Err(ErrorCode::InvalidProducerEpoch));
    }

    #[test]
    fn committed_is_read_up_to_the_first_open_transaction() {
        let mut log = Log::default();
        log.append(plain(2)).expect("appended");
        log.append(in_transaction(3, ID, 0)).expect("appended");
        log.append(plain(1)).expect("appended");
        assert_eq!(log.end_for(Isolation::ReadUncommitted), 6);
        assert_eq!(log.end_for(Isolation::ReadCommitted), 2);
        assert_eq!(bases(&read(&log, 0, Isolation::ReadCommitted)), [0]);
        assert_eq!(bases(&read(&log, 0, Isolation::ReadUncommitted)), [0, 2, 5]);

        log.mark(producer(0), Outcome::Commit, 5);
        assert_eq!(log.end_for(Isolation::ReadCommitted), 7);
        let found = read(&log, 0, Isolation::ReadCommitted);
        assert_eq!((bases(&found), found.aborted), (vec![0, 2, 5, 6], vec![]));
    }

    #[test]
    fn aborted_transactions_are_told_to_whom_they_concern() {
        let mut log = Log::default();
        log.append(in_transaction(2, ID, 0)).expect("appended");
        log.append(in_transaction(2, 8, 0)).expect("appended");
        log.mark(producer(0), Outcome::Abort, 5);
        assert_eq!(
            log.end_for(Isolation::ReadCommitted),
            2,
            "the other is open"
        );
        log.mark(Producer { id: 8, epoch: 0 }, Outcome::Commit, 5);
        log.append(plain(1)).expect("appended");
        let aborted = Aborted {
            producer: ID,
            first: 0,
            last: 4,
        };
        assert_eq!(read(&log, 0, Isolation::ReadCommitted).aborted, [aborted]);
        assert_eq!(read(&log, 3, Isolation::ReadCommitted).aborted, [aborted]);
        assert_eq!(read(&log, 5, Isolation::ReadCommitted).aborted, []);
        assert_eq!(read(&log, 0, Isolation::ReadUncommitted).aborted, []);
    }

    #[test]
    fn a_marker_fences_the_epochs_in_front_of_its_own() {
        let mut log = Log::default();
        log.append(in_transaction(1, ID, 0)).expect("appended");
        log.mark(producer(1), Outcome::Abort, 5);
        let late = log.append(in_transaction(1, ID, 1));
        assert_eq!(late, Err(ErrorCode::InvalidProducerEpoch));
        assert_eq!(log.append(sequenced(1, 1, 0)), Ok(2));
    }

    #[test]
    fn what_is_too_much_goes_from_the_front() {
        let mut log = Log::default();
        for _ in 0..4 {
            log.append(plain(2)).expect("appended");
        }
        log.keep(log.bytes() / 2);
        assert_eq!((log.start(), log.end()), (4, 8));
        let gone = log.read(3, Isolation::ReadUncommitted, ALL).map(|_| ());
        assert_eq!(gone, Err(ErrorCode::OffsetOutOfRange));
        assert_eq!(log.delete_before(5), Ok(5));
        assert_eq!(bases(&read(&log, 5, Isolation::ReadUncommitted)), [4, 6]);
        assert_eq!(log.delete_before(9), Err(ErrorCode::OffsetOutOfRange));
        assert_eq!(log.delete_before(-1), Ok(8));
        assert_eq!((log.start(), log.bytes()), (8, 0));
    }

    #[test]
    fn producers_that_went_quiet_are_forgotten() {
        let mut log = Log::default();
        log.append(in_transaction(1, -5 & i64::MAX, 0))
            .expect("appended");
        for id in 0..2_000 {
            let bytes = sent(1, Some((Producer { id, epoch: 0 }, 0)));
            log.append(Batch::parse(bytes).expect("a batch"))
                .expect("appended");
        }
        assert_eq!(log.producers.len(), REMEMBERED_PRODUCERS);
        assert!(log.producers.contains_key(&1_999) && log.producers.contains_key(&(-5 & i64::MAX)));
    }
}
