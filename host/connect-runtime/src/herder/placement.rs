//! Which tasks of the cluster this worker runs.

use std::collections::BTreeSet;

use super::cluster::ClusterState;
use crate::storage::ConnectorTaskId;

/// Decides which tasks of the cluster this worker runs. It must depend on nothing but what the
/// cluster's topics say, so that all workers agree.
pub trait Placement: Send + 'static {
    /// The tasks that this worker is to run. The herder starts those that it does not run yet, and
    /// stops all others.
    fn mine(&self, cluster: &ClusterState) -> BTreeSet<ConnectorTaskId>;
}

/// This worker runs every task: it is the only one.
#[derive(Clone, Copy, Debug)]
pub struct AllHere;

impl Placement for AllHere {
    fn mine(&self, cluster: &ClusterState) -> BTreeSet<ConnectorTaskId> {
        cluster.task_ids().collect()
    }
}
