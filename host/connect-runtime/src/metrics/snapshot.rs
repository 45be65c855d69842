//! What a worker is at one moment, as its herder says: what the series of a scrape are made of.

use std::sync::Arc;
use std::time::Duration;

use connect_kafka::Measured;

use super::{Outcomes, Sensor, TaskMeters};
use crate::storage::State;

/// A worker at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The connectors that this worker answers for: all where it leads, else none. So each is
    /// shown by one worker of the cluster.
    pub connectors: Vec<ConnectorSeries>,
    /// The tasks that this worker has, whatever state they are in.
    pub tasks: Vec<TaskSeries>,
    /// Starts of connectors.
    pub connector_starts: Arc<Outcomes>,
    /// Starts of tasks.
    pub task_starts: Arc<Outcomes>,
    /// Changes of the group.
    pub rebalances: RebalanceSeries,
    /// The worker's own client, which is a member of the group.
    pub group: GroupSeries,
}

/// A connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSeries {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// `connector.class`, as its config has it.
    pub class: String,
    /// `sink` or `source`.
    pub kind: &'static str,
    /// The version of its class.
    pub version: String,
}

/// A task.
#[derive(Clone, Debug)]
pub struct TaskSeries {
    /// The connector's name.
    pub connector: String,
    /// The task's number.
    pub task: u32,
    /// Its state.
    pub state: State,
    /// What it has counted.
    pub meters: TaskMeters,
    /// Its restarts by `task.restart.policy`.
    pub restarts: RestartSeries,
}

/// The restarts of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartSeries {
    /// Since it was last healthy.
    pub count: u32,
    /// Whether it stays failed although it has a policy to restart it.
    pub exhausted: bool,
}

/// What the worker has seen of changes of its group.
#[derive(Debug, Default)]
pub struct RebalanceSeries {
    /// Milliseconds of those that are over.
    pub times: Arc<Sensor>,
    /// Whether there is one now.
    pub under_way: bool,
    /// How long ago the last one was over; none: there was none.
    pub since_last: Option<Duration>,
    /// Which worker leads, as `worker_id` has it; none: it is not known.
    pub leader: Option<String>,
}

/// What the worker's client in the group has done.
#[derive(Debug, Default)]
pub struct GroupSeries {
    /// `connect-` and the worker's `worker_id`, as Kafka Connect calls its own client.
    pub client_id: String,
    /// Tasks that are placed on this worker.
    pub assigned_tasks: usize,
    /// The version of Kafka Connect that the worker stands for.
    pub version: &'static str,
    /// The version of the worker.
    pub commit: &'static str,
    /// None: it has not said yet.
    pub client: Option<Measured>,
}
