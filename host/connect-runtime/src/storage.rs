//! Where connectors, their target states and statuses survive a restart: compacted topics, in
//! Kafka Connect's record formats.

mod config_records;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod kafka;
mod log_reader;
mod memory;
mod offsets;
mod source_offsets;
mod status;

use async_trait::async_trait;
use connect_api::Result;
use serde_json::Value;

pub use config_records::{Restart, RestartInstances, RestartScope, TargetState, keys, records};
pub use kafka::{KafkaBasedLog, cluster_id};
pub use memory::MemoryLog;
pub use offsets::{ConsumerGroup, ConsumerGroups, KafkaConsumerGroups, NoConsumerGroups};
pub use source_offsets::{ConnectorOffsets, SourceOffsetStore, SourceOffsets};
pub use status::{ConnectorTaskId, State, Status, StatusKey};

/// A record of a compacted topic. No value is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRecord {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Option<Value>,
}

/// A log of records in which the last one of a key counts. Every change goes one way: it is
/// written, read back, and only then acted upon.
#[async_trait]
pub trait BackingStore: Send + 'static {
    /// Everything that is stored so far. Called once, before all else.
    ///
    /// # Errors
    /// When the log cannot be read to its end.
    async fn start(&mut self) -> Result<Vec<StoredRecord>>;

    /// Writes a record durably and gives what was read up to it, itself included.
    ///
    /// # Errors
    /// When the record was not written, or not read back within 30 seconds.
    async fn write(&mut self, record: StoredRecord) -> Result<Vec<StoredRecord>>;

    /// The next record that another has written. It may be cancelled.
    async fn next(&mut self) -> StoredRecord;
}
