//! Callbacks of a consumer that reads partitions to their ends.

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::warn;

/// Logs a consumer's errors, but not that it has reached the end of a partition: with
/// `enable.partition.eof=true` librdkafka tells that as an error each time, although it is what
/// such a consumer waits for.
#[derive(Clone, Copy, Debug)]
pub struct IgnorePartitionEof {
    /// What the consumer reads, for the log.
    pub reader: &'static str,
}

impl IgnorePartitionEof {
    /// Logs an error of a client, unless it is the end of a partition.
    pub fn log(reader: &str, error: &KafkaError, reason: &str) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            warn!(%error, reason, reader, "the Kafka client reports an error");
        }
    }
}

impl ClientContext for IgnorePartitionEof {
    fn error(&self, error: KafkaError, reason: &str) {
        Self::log(self.reader, &error, reason);
    }
}

impl ConsumerContext for IgnorePartitionEof {}
