//! A record batch (message format v2) as it is kept: its bytes, and what its header says.
//!
//! The layout is that of <https://kafka.apache.org/documentation/#recordbatch>. Records stay as the
//! producer compressed them; the broker sets the base offset and the leader epoch, which the
//! checksum leaves out for this purpose.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::crc32c::crc32c;
use super::error_code::ErrorCode;

/// Bytes in front of what `batch_length` counts.
const PREFIX: usize = 12;
/// Bytes in front of the records.
const HEADER: usize = 61;
/// The only format: Kafka 4 reads no other either.
const MAGIC: u8 = 2;
/// Where the checksummed part starts.
const CHECKED: usize = 21;

const COMPRESSION: i16 = 0b111;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// Who wrote a batch, if an idempotent or transactional producer did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Producer {
    pub id: i64,
    pub epoch: i16,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Abort,
    Commit,
}

/// A record batch.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    bytes: Bytes,
    pub base_offset: i64,
    last_delta: i32,
    pub producer: Option<Producer>,
    pub sequence: i32,
    pub max_timestamp: i64,
    attributes: i16,
}

impl Batch {
    /// Takes the one batch that a producer may send to a partition in a request.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, ErrorCode> {
        if bytes.get(16).is_some_and(|magic| *magic != MAGIC) {
            return Err(ErrorCode::UnsupportedForMessageFormat);
        }
        if bytes.len() < HEADER {
            return Err(ErrorCode::CorruptMessage);
        }
        let mut at = &bytes[8..];
        let length = at.get_i32();
        let _leader_epoch = at.get_i32();
        let _magic = at.get_u8();
        let checksum = at.get_u32();
        let attributes = at.get_i16();
        let last_delta = at.get_i32();
        let _base_timestamp = at.get_i64();
        let max_timestamp = at.get_i64();
        let id = at.get_i64();
        let epoch = at.get_i16();
        let sequence = at.get_i32();
        let records = at.get_i32();
        // Several batches in one request, as the oldest producers sent them, are not accepted.
        if usize::try_from(length) != Ok(bytes.len() - PREFIX)
            || records < 1
            || last_delta != records - 1
            || attributes & CONTROL != 0
            || crc32c(&bytes[CHECKED..]) != checksum
        {
            return Err(ErrorCode::CorruptMessage);
        }
        Ok(Self {
            bytes,
            base_offset: 0,
            last_delta,
            producer: (id >= 0).then_some(Producer { id, epoch }),
            sequence,
            max_timestamp,
            attributes,
        })
    }

    /// The marker that ends a producer's transaction in a partition: a batch of one control record.
    pub(super) fn marker(producer: Producer, outcome: Outcome, timestamp: i64) -> Self {
        let kind = match outcome {
            Outcome::Abort => 0,
            Outcome::Commit => 1,
        };
        // A record of 16 bytes: attributes, the deltas of time and offset; a key of 4 bytes with
        // version 0 and the kind; a value of 6 bytes with version 0 and the epoch of the
        // coordinator, which is always 0; no headers. Lengths are zigzag numbers.
        let record = [32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0_u8];
        let attributes = TRANSACTIONAL | CONTROL;
        let mut checked = BytesMut::with_capacity(HEADER - CHECKED + record.len());
        checked.put_i16(attributes);
        checked.put_i32(0);
        checked.put_i64(timestamp);
        checked.put_i64(timestamp);
        checked.put_i64(producer.id);
        checked.put_i16(producer.epoch);
        checked.put_i32(-1);
        checked.put_i32(1);
        checked.put_slice(&record);
        let mut bytes = BytesMut::with_capacity(CHECKED + checked.len());
        bytes.put_i64(0);
        bytes.put_i32((CHECKED - PREFIX + checked.len()) as i32);
        bytes.put_i32(0);
        bytes.put_u8(MAGIC);
        bytes.put_u32(crc32c(&checked));
        bytes.put_slice(&checked);
        Self {
            bytes: bytes.freeze(),
            base_offset: 0,
            last_delta: 0,
            producer: Some(producer),
            sequence: -1,
            max_timestamp: timestamp,
            attributes,
        }
    }

    /// The batch at its place in the log, in memory of its own: the request it came in can go.
    pub(super) fn at(mut self, offset: i64) -> Self {
        let mut bytes = BytesMut::from(&self.bytes[..]);
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes[PREFIX..16].copy_from_slice(&0_i32.to_be_bytes());
        self.bytes = bytes.freeze();
        self.base_offset = offset;
        self
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_delta)
    }

    /// The sequence number that the producer's next batch has; after the largest comes 0.
    pub(super) fn next_sequence(&self) -> i32 {
        let next = i64::from(self.sequence) + i64::from(self.last_delta) + 1;
        i32::try_from(next % (i64::from(i32::MAX) + 1)).unwrap_or(0)
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// The first record at or after a time, as (offset, time). In a compressed batch that is its
    /// first record, as the broker knows no codec: a consumer sees a few records more.
    pub(super) fn at_time(&self, millis: i64) -> Option<(i64, i64)> {
        if self.max_timestamp < millis {
            return None;
        }
        let mut base = &self.bytes[27..];
        let base_timestamp = base.get_i64();
        if self.attributes & COMPRESSION != 0 {
            return Some((self.base_offset, base_timestamp));
        }
        let mut rest = &self.bytes[HEADER..];
        while !rest.is_empty() {
            let length = usize::try_from(varint(&mut rest)?).ok()?;
            let mut record = rest.get(1..length)?;
            rest = rest.get(length..)?;
            let time = base_timestamp + varint(&mut record)?;
            let offset = self.base_offset + varint(&mut record)?;
            if time >= millis {
                return Some((offset, time));
            }
        }
        None
    }
}

/// A zigzag number of variable length.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
pub(super) mod sent;

#[cfg(test)]
mod tests {
    use super::sent::sent;
    use super::*;

    #[test]
    fn the_header_is_read_and_the_offset_is_set() {
        let producer = Producer { id: 9, epoch: 2 };
        let batch = Batch::parse(sent(3, Some((producer, 7))))
            .expect("a batch")
            .at(40);
        assert_eq!((batch.base_offset, batch.last_offset()), (40, 42));
        assert_eq!((batch.producer, batch.sequence), (Some(producer), 7));
        assert_eq!(batch.next_sequence(), 10);
        assert_eq!(batch.bytes()[..8], 40_i64.to_be_bytes());
        assert!(
            Batch::parse(batch.bytes().clone()).is_ok(),
            "the checksum holds"
        );
    }

    #[test]
    fn damage_is_refused() {
        let good = sent(3, None);
        for at in [8, 16, 17, 25, 60, good.len() - 1] {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert!(Batch::parse(bad.into()).is_err(), "byte {at}");
        }
        for length in [0, 16, 60, good.len() - 1] {
            assert!(
                Batch::parse(good.slice(..length)).is_err(),
                "{length} bytes"
            );
        }
        let marker = Batch::marker(Producer { id: 1, epoch: 0 }, Outcome::Commit, 5);
        let parsed = Batch::parse(marker.bytes().clone()).map(|_| ());
        assert_eq!(
            parsed,
            Err(ErrorCode::CorruptMessage),
            "only the broker marks"
        );
    }

    #[test]
    fn a_time_finds_the_record_inside_the_batch() {
        let batch = Batch::parse(sent(3, None)).expect("a batch").at(10);
        assert_eq!(batch.at_time(0), Some((10, 1_000)));
        assert_eq!(batch.at_time(1_002), Some((12, 1_002)));
        assert_eq!(batch.at_time(1_003), None);
    }

    #[test]
    fn sequence_numbers_wrap_to_zero() {
        let next = |sequence, count| {
            let producer = Producer { id: 1, epoch: 0 };
            let batch = Batch::parse(sent(count, Some((producer, sequence))));
            batch.expect("a batch").next_sequence()
        };
        assert_eq!(next(5, 3), 8);
        assert_eq!(next(i32::MAX, 1), 0);
        assert_eq!(next(i32::MAX - 1, 4), 2);
    }
}
