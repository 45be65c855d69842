//! The config topic and the state that it adds up to.

use std::collections::VecDeque;

use connect_api::Result;

use super::cluster::{Change, ClusterState};
use crate::storage::{BackingStore, StoredRecord};

/// Every change goes one way: it is written to the config topic, read back, and then acted upon. So
/// what another worker wrote is acted upon too.
pub(super) struct ConfigLog {
    store: Box<dyn BackingStore>,
    /// What was read.
    pub(super) cluster: ClusterState,
    /// Read, and not yet acted upon.
    changes: VecDeque<Change>,
}

impl ConfigLog {
    pub(super) fn new(store: Box<dyn BackingStore>) -> Self {
        Self {
            store,
            cluster: ClusterState::default(),
            changes: VecDeque::new(),
        }
    }

    /// Reads what is stored. Only the state that it adds up to counts: a restart that was asked for
    /// before this worker started is not repeated.
    ///
    /// # Errors
    /// When the topic cannot be read to its end.
    pub(super) async fn start(&mut self) -> Result<()> {
        for record in self.store.start().await? {
            self.cluster.apply(record);
        }
        Ok(())
    }

    /// Writes a record and takes in what was read up to it.
    ///
    /// # Errors
    /// When it was not written, or not read back in time.
    pub(super) async fn write(&mut self, record: StoredRecord) -> Result<()> {
        for read in self.store.write(record).await? {
            self.changes.extend(self.cluster.apply(read));
        }
        Ok(())
    }

    /// Writes records, all before the last is waited for, and takes in what was read up to it.
    ///
    /// # Errors
    /// As for `write`.
    pub(super) async fn write_all(&mut self, records: Vec<StoredRecord>) -> Result<()> {
        for read in self.store.write_all(records).await? {
            self.changes.extend(self.cluster.apply(read));
        }
        Ok(())
    }

    /// Takes in the next record that another worker writes. It may be cancelled.
    pub(super) async fn read(&mut self) {
        let record = self.store.next().await;
        self.changes.extend(self.cluster.apply(record));
    }

    /// The next change to act upon.
    pub(super) fn next_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }
}
