//! The topics that a cluster agrees on, and the state that they add up to.

use connect_api::Result;

use super::cluster::{Change, ClusterState};
use super::command::ConnectorView;
use super::coordination::{Coordination, Read};
use super::views::Views;
use crate::storage::{
    Appended, ClusterLog, ClusterRecord, ClusterTopic, StoredRecord, Transaction,
};

/// Every change goes one way: it is written, read back, and then acted upon. So what another worker
/// wrote is acted upon too.
pub(super) struct Log {
    store: Box<dyn ClusterLog>,
    /// What the config topic says.
    pub(super) cluster: ClusterState,
    /// What the cluster topic says.
    pub(super) coordination: Coordination,
    /// Read, and not yet acted upon.
    changes: Vec<Change>,
    /// Where the last record stands that was read from the config topic.
    config_offset: i64,
    /// Kafka may take long: what only reads is answered while it is waited for.
    pub(super) views: Views,
}

impl Log {
    pub(super) fn new(store: Box<dyn ClusterLog>, views: Views) -> Self {
        Self {
            store,
            cluster: ClusterState::default(),
            coordination: Coordination::default(),
            changes: Vec::new(),
            config_offset: -1,
            views,
        }
    }

    /// Reads what is stored. Only the state that it adds up to counts: a restart that was asked for
    /// before this worker started is not repeated.
    ///
    /// # Errors
    /// When a topic cannot be read to its end.
    pub(super) async fn start(&mut self) -> Result<()> {
        for record in self.store.start().await? {
            self.take_in(record, Read::AtStart);
        }
        self.changes.clear();
        Ok(())
    }

    /// Takes the lead.
    ///
    /// # Errors
    /// When Kafka does not answer in time, or refuses.
    pub(super) async fn lead(&mut self) -> Result<()> {
        let led = self.views.answer_after(&self.cluster, self.store.lead());
        for record in led.await? {
            self.take_in(record, Read::Since);
        }
        Ok(())
    }

    /// Gives up the lead.
    pub(super) fn follow(&mut self) {
        self.store.follow();
    }

    /// Writes as the leader, and takes in what was read up to it.
    ///
    /// # Errors
    /// When it was not written, or not read back in time;
    /// [`connect_api::ErrorKind::Fenced`] when another worker leads.
    pub(super) async fn commit(&mut self, transaction: Transaction) -> Result<()> {
        if transaction.is_empty() {
            return Ok(());
        }
        let commit = self.store.commit(transaction);
        let read = self.views.answer_after(&self.cluster, commit);
        for record in read.await? {
            self.take_in(record, Read::Since);
        }
        Ok(())
    }

    /// Whether this worker can commit; after a commit that failed, whether nothing of it was
    /// written.
    pub(super) fn leads(&self) -> bool {
        self.store.leads()
    }

    /// Adds a record to the cluster topic, as any worker may. It is read later.
    ///
    /// # Errors
    /// When the client does not take it.
    pub(super) fn append(&mut self, record: StoredRecord) -> Result<Appended> {
        self.store.append(record)
    }

    /// Takes in the next record that was written. It may be cancelled.
    pub(super) async fn read(&mut self) {
        let next = self.views.answer_while(&self.cluster, self.store.next());
        let record = next.await;
        self.take_in(record, Read::Since);
    }

    /// A connector as REST shows it; none: there is no such connector.
    pub(super) fn view(&self, name: &str) -> Option<ConnectorView> {
        self.views.of(&self.cluster, name)
    }

    /// Whether the config topic was read up to this place.
    pub(super) fn has_read(&self, config_offset: Option<i64>) -> bool {
        config_offset.is_none_or(|offset| self.config_offset >= offset)
    }

    /// Whether there are changes to act upon.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The changes to act upon, the oldest first.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn take_in(&mut self, record: ClusterRecord, read: Read) {
        let ClusterRecord {
            topic,
            offset,
            record,
        } = record;
        let change = match topic {
            ClusterTopic::Config => {
                self.config_offset = offset;
                self.cluster.apply(record)
            }
            ClusterTopic::Cluster => self.coordination.apply(offset, record, read),
        };
        self.changes.extend(change);
    }
}
