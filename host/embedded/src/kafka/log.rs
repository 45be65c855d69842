//! The records of one partition: whole batches, in order, found by any offset inside them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tansu_sans_io::ErrorCode;
use tansu_sans_io::record::{deflated, inflated};

/// How many batches a producer may have in flight, and so send again: Kafka remembers as many.
const REMEMBERED: usize = 5;

/// The compression bits of a batch's attributes.
const COMPRESSION: i16 = 0b111;

/// A partition's records.
#[derive(Debug, Default)]
pub(super) struct Log {
    batches: BTreeMap<i64, deflated::Batch>,
    end: i64,
    producers: HashMap<i64, Sequences>,
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
    /// One past the last record: the high watermark, and without transactions also the last
    /// stable offset.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Appends a batch and returns its offset. A batch that an idempotent producer sends again
    /// is not written again and gets the offset it already has.
    pub(super) fn append(&mut self, mut batch: deflated::Batch) -> Result<i64, ErrorCode> {
        let offset = self.end;
        if batch.is_idempotent()
            && let Some(written) = self.sequence(&batch, offset)?
        {
            return Ok(written);
        }
        batch.base_offset = offset;
        self.end += i64::from(batch.last_offset_delta) + 1;
        self.batches.insert(offset, batch);
        Ok(offset)
    }

    /// The batches from the one that holds `offset`, at least one, up to about `max_bytes`.
    pub(super) fn read(
        &self,
        offset: i64,
        max_bytes: u32,
    ) -> Result<Vec<deflated::Batch>, tansu_sans_io::Error> {
        if offset >= self.end {
            return Ok(Vec::new());
        }
        let first = self
            .batches
            .range(..=offset)
            .next_back()
            .map_or(offset, |(base, _)| *base);
        let mut room = max_bytes as usize;
        let mut found = Vec::new();
        for (base, batch) in self.batches.range(first..) {
            if !found.is_empty() && batch.record_data.len() > room {
                break;
            }
            room = room.saturating_sub(batch.record_data.len());
            found.push(if *base < offset {
                from(batch, offset)?
            } else {
                batch.clone()
            });
        }
        Ok(found)
    }

    /// The first record at or after a time in milliseconds, as (offset, its time).
    pub(super) fn at_time(&self, millis: i64) -> Result<Option<(i64, i64)>, tansu_sans_io::Error> {
        for (base, batch) in &self.batches {
            if batch.max_timestamp < millis {
                continue;
            }
            for record in inflated::Batch::try_from(batch)?.records {
                let time = batch.base_timestamp + record.timestamp_delta;
                if time >= millis {
                    return Ok(Some((base + i64::from(record.offset_delta), time)));
                }
            }
        }
        Ok(None)
    }

    /// Checks and moves on the producer's sequence; for a batch written before, its offset.
    fn sequence(&mut self, batch: &deflated::Batch, offset: i64) -> Result<Option<i64>, ErrorCode> {
        let fresh = || Sequences {
            epoch: batch.producer_epoch,
            next: batch.base_sequence,
            recent: VecDeque::new(),
        };
        let known = self
            .producers
            .entry(batch.producer_id)
            .or_insert_with(fresh);
        if batch.producer_epoch < known.epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if batch.producer_epoch > known.epoch {
            *known = fresh();
        }
        let again = known
            .recent
            .iter()
            .find(|(sequence, _)| *sequence == batch.base_sequence);
        if let Some((_, written)) = again {
            return Ok(Some(*written));
        }
        if batch.base_sequence != known.next {
            return Err(ErrorCode::OutOfOrderSequenceNumber);
        }
        known.next = following(batch.base_sequence, batch.last_offset_delta);
        known.recent.push_back((batch.base_sequence, offset));
        if known.recent.len() > REMEMBERED {
            known.recent.pop_front();
        }
        Ok(None)
    }
}

/// The sequence number after a batch; after the largest comes 0.
fn following(base: i32, last_delta: i32) -> i32 {
    let next = (i64::from(base) + i64::from(last_delta) + 1) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).unwrap_or(0)
}

/// The batch without its records before `offset`. The broker reckons the next offset from the
/// number of records it was given, so the client must not be left to skip them.
fn from(batch: &deflated::Batch, offset: i64) -> Result<deflated::Batch, tansu_sans_io::Error> {
    let mut rest = inflated::Batch::try_from(batch)?;
    let base = rest.base_offset;
    rest.records
        .retain(|record| base + i64::from(record.offset_delta) >= offset);
    // Written plain: it is read once, by one consumer.
    rest.attributes &= !COMPRESSION;
    rest.try_into()
}

#[cfg(test)]
mod tests {
    use tansu_sans_io::record::Record;

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn batch(
        count: i32,
        producer: Option<(i64, i16, i32)>,
    ) -> Result<deflated::Batch, Box<dyn std::error::Error>> {
        let (id, epoch, sequence) = producer.unwrap_or((-1, -1, -1));
        let mut builder = inflated::Batch::builder()
            .base_timestamp(1_000)
            .max_timestamp(1_000 + i64::from(count - 1))
            .last_offset_delta(count - 1)
            .producer_id(id)
            .producer_epoch(epoch)
            .base_sequence(sequence);
        for delta in 0..count {
            let value = delta.to_be_bytes().to_vec();
            let record = Record::builder()
                .offset_delta(delta)
                .timestamp_delta(i64::from(delta))
                .value(Some(value.into()));
            builder = builder.record(record);
        }
        Ok(builder.build()?.try_into()?)
    }

    fn offsets(batches: &[deflated::Batch]) -> Result<Vec<i64>, tansu_sans_io::Error> {
        let mut all = Vec::new();
        for batch in batches {
            let inflated = inflated::Batch::try_from(batch)?;
            assert_eq!(inflated.records.len(), batch.record_count as usize);
            let base = batch.base_offset;
            all.extend(
                inflated
                    .records
                    .iter()
                    .map(|r| base + i64::from(r.offset_delta)),
            );
        }
        Ok(all)
    }

    #[test]
    fn every_offset_is_a_place_to_start() -> TestResult {
        let mut log = Log::default();
        for (count, offset) in [(3, 0), (1, 3), (6, 4)] {
            assert_eq!(log.append(batch(count, None)?), Ok(offset));
        }
        assert_eq!(log.end(), 10);
        for start in 0..=10 {
            let read = log.read(start, u32::MAX)?;
            assert_eq!(offsets(&read)?, (start..10).collect::<Vec<_>>());
        }
        assert_eq!(offsets(&log.read(0, 1)?)?, [0, 1, 2], "at least one batch");
        Ok(())
    }

    #[test]
    fn a_batch_sent_again_is_not_written_again() -> TestResult {
        let mut log = Log::default();
        assert_eq!(log.append(batch(3, Some((7, 0, 0)))?), Ok(0));
        assert_eq!(log.append(batch(2, Some((7, 0, 3)))?), Ok(3));
        assert_eq!(log.append(batch(3, Some((7, 0, 0)))?), Ok(0));
        assert_eq!(log.append(batch(2, Some((7, 0, 3)))?), Ok(3));
        assert_eq!(log.end(), 5);
        let gap = log.append(batch(1, Some((7, 0, 6)))?);
        assert_eq!(gap, Err(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(
            log.append(batch(1, Some((7, 1, 0)))?),
            Ok(5),
            "a new epoch starts anew"
        );
        let fenced = log.append(batch(1, Some((7, 0, 5)))?);
        assert_eq!(fenced, Err(ErrorCode::InvalidProducerEpoch));
        Ok(())
    }

    #[test]
    fn a_time_finds_the_record_inside_the_batch() -> TestResult {
        let mut log = Log::default();
        log.append(batch(3, None)?)
            .map_err(|code| format!("{code:?}"))?;
        assert_eq!(log.at_time(0)?, Some((0, 1_000)));
        assert_eq!(log.at_time(1_002)?, Some((2, 1_002)));
        assert_eq!(log.at_time(1_003)?, None);
        Ok(())
    }

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        assert_eq!(following(5, 2), 8);
        assert_eq!(following(i32::MAX, 0), 0);
        assert_eq!(following(i32::MAX - 1, 3), 2);
    }
}
