//! A log in memory: for tests, and for a worker that is to forget.

use async_trait::async_trait;
use connect_api::Result;

use super::{BackingStore, StoredRecord};

/// Keeps records for as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryLog(Vec<StoredRecord>);

impl MemoryLog {
    /// A log that holds the given records.
    pub fn new(records: Vec<StoredRecord>) -> Self {
        Self(records)
    }
}

#[async_trait]
impl BackingStore for MemoryLog {
    async fn start(&mut self) -> Result<Vec<StoredRecord>> {
        Ok(self.0.clone())
    }

    async fn write(&mut self, record: StoredRecord) -> Result<Vec<StoredRecord>> {
        self.0.push(record.clone());
        Ok(vec![record])
    }

    async fn next(&mut self) -> StoredRecord {
        std::future::pending().await
    }
}
