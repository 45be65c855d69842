//! A log in memory: for tests, and for a worker that is to forget.

use async_trait::async_trait;
use connect_api::Result;

use super::{
    Appended, BackingStore, ClusterLog, ClusterRecord, ClusterTopic, StoredRecord, Transaction,
};

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

/// The topics of a cluster of one worker, for as long as it lives.
#[derive(Debug, Default)]
pub struct MemoryClusterLog {
    stored: Vec<StoredRecord>,
    offset: i64,
    appended: std::collections::VecDeque<ClusterRecord>,
}

impl MemoryClusterLog {
    /// A log whose config topic holds the given records.
    pub fn new(stored: Vec<StoredRecord>) -> Self {
        Self {
            stored,
            ..Self::default()
        }
    }

    fn record(&mut self, topic: ClusterTopic, record: StoredRecord) -> ClusterRecord {
        self.offset += 1;
        ClusterRecord {
            topic,
            offset: self.offset,
            record,
        }
    }
}

#[async_trait]
impl ClusterLog for MemoryClusterLog {
    async fn start(&mut self) -> Result<Vec<ClusterRecord>> {
        let stored = std::mem::take(&mut self.stored);
        let stored = stored.into_iter();
        Ok(stored
            .map(|record| self.record(ClusterTopic::Config, record))
            .collect())
    }

    async fn lead(&mut self) -> Result<Vec<ClusterRecord>> {
        Ok(Vec::new())
    }

    fn follow(&mut self) {}

    fn leads(&self) -> bool {
        true
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<Vec<ClusterRecord>> {
        let Transaction {
            config,
            cluster,
            answers,
        } = transaction;
        let mut read: Vec<_> = self.appended.drain(..).collect();
        for record in config {
            read.push(self.record(ClusterTopic::Config, record));
        }
        for record in cluster.into_iter().chain(answers) {
            read.push(self.record(ClusterTopic::Cluster, record));
        }
        Ok(read)
    }

    fn append(&mut self, record: StoredRecord) -> Result<Appended> {
        let appended = self.record(ClusterTopic::Cluster, record);
        self.appended.push_back(appended);
        Ok(Box::pin(std::future::ready(Ok(()))))
    }

    async fn next(&mut self) -> ClusterRecord {
        match self.appended.pop_front() {
            Some(record) => record,
            None => std::future::pending().await,
        }
    }
}
