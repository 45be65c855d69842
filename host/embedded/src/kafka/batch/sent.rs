//! Record batches as producers send them, for the unit tests.

use super::*;

/// A batch of `count` records as a producer sends it, a millisecond apart, from 1000 on.
pub(in crate::kafka) fn sent(count: i32, producer: Option<(Producer, i32)>) -> Bytes {
    batch(count, producer, 0)
}

/// The same in a transaction.
pub(in crate::kafka) fn sent_in_transaction(
    count: i32,
    producer: Producer,
    sequence: i32,
) -> Bytes {
    batch(count, Some((producer, sequence)), TRANSACTIONAL)
}

fn batch(count: i32, producer: Option<(Producer, i32)>, attributes: i16) -> Bytes {
    let none = Producer { id: -1, epoch: -1 };
    let (producer, sequence) = producer.unwrap_or((none, -1));
    let mut checked = BytesMut::new();
    checked.put_i16(attributes);
    checked.put_i32(count - 1);
    checked.put_i64(1_000);
    checked.put_i64(1_000 + i64::from(count - 1));
    checked.put_i64(producer.id);
    checked.put_i16(producer.epoch);
    checked.put_i32(sequence);
    checked.put_i32(count);
    for delta in 0..count {
        // Zigzag; no key, a value of one byte, no headers.
        let delta = (delta * 2) as u8;
        checked.put_slice(&[14, 0, delta, delta, 1, 2, delta, 0]);
    }
    let mut bytes = BytesMut::new();
    bytes.put_i64(0);
    bytes.put_i32((CHECKED - PREFIX + checked.len()) as i32);
    bytes.put_i32(-1);
    bytes.put_u8(MAGIC);
    bytes.put_u32(crc32c(&checked));
    bytes.put_slice(&checked);
    bytes.freeze()
}
