//! The config topic, for the fuzz targets.

use super::cluster::{Change, ClusterState};
use crate::storage::StoredRecord;

/// What the records of a config topic add up to.
#[derive(Debug, Default)]
pub struct ConfigTopic(ClusterState);

impl ConfigTopic {
    /// Takes in a record.
    ///
    /// # Panics
    /// When the state does not agree with what it says has changed.
    pub fn apply(&mut self, record: StoredRecord) {
        let is_tombstone = record.value.is_none();
        match self.0.apply(record) {
            Some(Change::Connector(name)) => {
                assert_eq!(self.0.config(&name).is_none(), is_tombstone);
                assert!(!is_tombstone || self.0.tasks(&name).is_empty());
            }
            Some(Change::Tasks(name)) => assert!(self.0.tasks_revision(&name).is_some()),
            Some(Change::TargetState(name)) => {
                self.0.target_state(&name);
            }
            Some(Change::Restart(_)) | None => {}
        }
    }

    /// Checks the whole: each task that is named is there.
    ///
    /// # Panics
    /// When one is not.
    pub fn check(&self) {
        for id in self.0.task_ids() {
            assert!(self.0.task(&id).is_some(), "{id}");
        }
    }
}
