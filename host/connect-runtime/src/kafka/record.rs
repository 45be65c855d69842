//! A record as librdkafka has it, as one that Ferrule keeps.

use bytes::Bytes;
use connect_api::{Offset, RawHeader, RawRecord, Timestamp, TimestampType};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

/// Copies a record out of the client. `keep` says where its bytes go: key, value and the values of
/// headers, one after another.
pub fn raw_record(
    message: &BorrowedMessage<'_>,
    mut keep: impl FnMut(&[u8]) -> Bytes,
) -> RawRecord {
    let headers = message.headers().map(|headers| {
        let headers = headers.iter().map(|header| RawHeader {
            name: header.key.into(),
            value: header.value.map(&mut keep),
        });
        headers.collect()
    });
    let (timestamp, timestamp_type) = timestamp(message);
    RawRecord {
        offset: Offset(message.offset()),
        key: message.key().map(&mut keep),
        value: message.payload().map(&mut keep),
        headers: headers.unwrap_or_default(),
        timestamp,
        timestamp_type,
    }
}

/// The record's timestamp, and who set it: the producer or the broker.
pub fn timestamp(message: &BorrowedMessage<'_>) -> (Option<Timestamp>, TimestampType) {
    use rdkafka::Timestamp as Kafka;
    match message.timestamp() {
        Kafka::NotAvailable => (None, TimestampType::None),
        Kafka::CreateTime(ms) => (Some(Timestamp(ms)), TimestampType::CreateTime),
        Kafka::LogAppendTime(ms) => (Some(Timestamp(ms)), TimestampType::LogAppendTime),
    }
}
