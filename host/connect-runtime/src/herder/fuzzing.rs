//! The topics that a cluster agrees on, for the fuzz targets.

use super::cluster::{Change, ClusterState};
use super::coordination::{Coordination, Read};
use crate::storage::{ConnectorTaskId, StoredRecord};

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
            Some(_) | None => {}
        }
    }

    /// Checks the whole: each task that is named is there.
    ///
    /// # Panics
    /// When one is not.
    pub fn check(&self) {
        for (name, count) in self.0.task_counts() {
            let last = u32::try_from(count - 1).map(|task| ConnectorTaskId::new(name, task));
            assert!(last.is_ok_and(|id| self.0.task(&id).is_some()), "{name}");
        }
    }
}

/// What the records of a cluster topic add up to.
#[derive(Debug, Default)]
pub struct ClusterTopic(Coordination);

impl ClusterTopic {
    /// Takes in the record at an offset.
    ///
    /// # Panics
    /// When the state does not agree with what it says has changed.
    pub fn apply(&mut self, offset: i64, record: StoredRecord) {
        match self.0.apply(offset, record, Read::Since) {
            Some(Change::Answer(id)) => {
                assert!(self.0.answer(&id).is_some());
                assert!(self.0.waiting().iter().all(|waiting| waiting.id != id));
            }
            Some(Change::Order) => assert!(!self.0.waiting().is_empty()),
            Some(_) | None => {}
        }
    }
}
