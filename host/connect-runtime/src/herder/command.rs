//! What the herder can be asked for.

use connect_api::Properties;
use tokio::sync::oneshot;

use super::HerderError;
use crate::connector_config::GivenConfig;
use crate::metrics::Snapshot;
use crate::storage::{
    ConnectorTaskId, Restart, RestartInstances, RestartScope, State, Status, TargetState,
};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, HerderError>>;

/// A task as it is.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// Its number.
    pub id: u32,
    /// Its config.
    pub config: Properties,
    /// Its status.
    pub status: Status,
}

/// A connector as it is.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// Its name.
    pub name: String,
    /// Its config as it was given.
    pub config: Properties,
    /// What it is to do.
    pub target_state: TargetState,
    /// Its status.
    pub status: Status,
    /// Its tasks, by number.
    pub tasks: Vec<TaskView>,
    /// The topics that it was active in.
    pub topics: Vec<String>,
}

impl ConnectorView {
    /// Shows what a restart is about to restart.
    pub(super) fn mark_restarting(&mut self, restart: &Restart) {
        let mark = |status: &mut Status| {
            if restart.instances == RestartInstances::All || status.state == State::Failed {
                status.state = State::Restarting;
            }
        };
        mark(&mut self.status);
        if restart.scope == RestartScope::ConnectorAndTasks {
            self.tasks
                .iter_mut()
                .for_each(|task| mark(&mut task.status));
        }
    }
}

/// How a connector's config is to change.
#[derive(Debug)]
pub(super) enum ConfigChange {
    /// A new connector of this config.
    Create(GivenConfig, Option<TargetState>),
    /// This config, whether the connector is new or not.
    Put(GivenConfig),
    /// These keys; a null removes one.
    Patch(GivenConfig),
}

/// What a change of a connector's config has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOutcome {
    /// The connector is new.
    Created,
    /// The connector has another config.
    Updated,
}

/// A connector whose config was changed.
#[derive(Clone, Debug)]
pub struct Configured {
    /// What was done.
    pub outcome: ConfigOutcome,
    /// The connector after it.
    pub connector: ConnectorView,
    /// What is hardly meant: options that nothing reads.
    pub warnings: Vec<String>,
}

/// A request that only reads. It is answered also while the herder waits for Kafka.
#[derive(Debug)]
pub(super) enum Query {
    Connectors(Reply<Vec<ConnectorView>>),
    Connector(String, Reply<ConnectorView>),
}

/// What monitoring asks. It is answered at once by what is known, whatever is being written: Kafka
/// that is away is no reason to miss scrapes, or to take the worker for dead.
#[derive(Debug)]
pub(super) enum Probe {
    Ping(Reply<()>),
    Metrics(Reply<Snapshot>),
}

/// One request to the herder that changes something.
#[derive(Debug)]
pub(super) enum Command {
    Configure(String, ConfigChange, Reply<Configured>),
    Delete(String, Reply<()>),
    SetTargetState(String, TargetState, Reply<()>),
    Restart(Restart, Reply<ConnectorView>),
    RestartTask(ConnectorTaskId, Reply<()>),
    ResetTopics(String, Reply<()>),
    Shutdown,
}
