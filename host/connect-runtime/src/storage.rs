//! Where connectors, their target states and statuses survive a restart: compacted topics, in
//! Kafka Connect's record formats.

mod audit_topic;
mod cluster_log;
mod config_records;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod kafka;
mod log_reader;
mod memory;
mod offsets;
mod snapshot;
mod source_offsets;
mod status;
mod topic_check;

use async_trait::async_trait;
use connect_api::Result;
use serde_json::Value;

pub use audit_topic::write_audit;
pub use cluster_log::{
    Appended, ClusterLog, ClusterRecord, ClusterTopic, KafkaClusterLog, LEADER_KEY, Transaction,
};
pub use config_records::{Restart, RestartInstances, RestartScope, TargetState, keys, records};
pub use kafka::{KafkaBasedLog, check_topic, cluster_id, producer};
pub use memory::{MemoryClusterLog, MemoryLog};
pub use offsets::{
    ConsumerGroup, ConsumerGroups, KafkaConsumerGroups, NoConsumerGroups, OffsetsRefusal,
};
pub use snapshot::{ClusterReader, ClusterSnapshot, GroupSnapshot, TopicSnapshot};
pub(crate) use source_offsets::offsets_of;
pub use source_offsets::{ConnectorOffsets, SourceOffsetStore, SourceOffsets};
pub use status::{ActiveTopic, ConnectorTaskId, State, Status, StatusKey};

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

    /// Writes records in their order, all before the last is waited for, and gives what was read up
    /// to it.
    ///
    /// # Errors
    /// As for `write`; some may be written all the same.
    async fn write_all(&mut self, records: Vec<StoredRecord>) -> Result<Vec<StoredRecord>> {
        let mut read = Vec::new();
        for record in records {
            read.extend(self.write(record).await?);
        }
        Ok(read)
    }

    /// What is stored by now and was not given yet.
    ///
    /// # Errors
    /// When the log cannot be read to its end.
    async fn read_to_end(&mut self) -> Result<Vec<StoredRecord>> {
        Ok(Vec::new())
    }

    /// The next record that another has written. It may be cancelled.
    async fn next(&mut self) -> StoredRecord;
}
