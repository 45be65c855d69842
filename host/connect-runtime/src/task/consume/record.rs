//! A record as the client has it, copied out.

use bytes::{BufMut, Bytes, BytesMut};
use connect_api::{RawHeader, RawRecord, TimestampType};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _, Timestamp};

/// Copies the record out of the client: all of a batch share one buffer.
pub(super) fn copy(message: &BorrowedMessage<'_>, arena: &mut BytesMut) -> RawRecord {
    const ARENA: usize = 256 * 1024;
    let mut keep = |bytes: &[u8]| -> Bytes {
        if arena.capacity() - arena.len() < bytes.len() {
            *arena = BytesMut::with_capacity(ARENA.max(bytes.len()));
        }
        arena.put_slice(bytes);
        arena.split().freeze()
    };
    let headers = message.headers().map(|headers| {
        let headers = headers.iter();
        headers
            .map(|h| RawHeader {
                name: h.key.into(),
                value: h.value.map(&mut keep),
            })
            .collect()
    });
    let (timestamp, timestamp_type) = timestamp(message);
    RawRecord {
        offset: message.offset(),
        key: message.key().map(&mut keep),
        value: message.payload().map(&mut keep),
        headers: headers.unwrap_or_default(),
        timestamp,
        timestamp_type,
    }
}

/// Bytes of key, value and headers.
pub(super) fn size(record: &RawRecord) -> usize {
    let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|h| h.name.len() + len(&h.value))
        .sum();
    len(&record.key) + len(&record.value) + headers
}

/// When it was made or appended, in milliseconds since 1970.
pub(super) fn timestamp(message: &BorrowedMessage<'_>) -> (Option<i64>, TimestampType) {
    match message.timestamp() {
        Timestamp::NotAvailable => (None, TimestampType::None),
        Timestamp::CreateTime(ms) => (Some(ms), TimestampType::CreateTime),
        Timestamp::LogAppendTime(ms) => (Some(ms), TimestampType::LogAppendTime),
    }
}
