//! What the herder can be asked for.

use connect_api::Properties;
use tokio::sync::oneshot;

use super::HerderError;
use crate::connector_config::GivenConfig;
use crate::storage::{Status, TargetState};

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
    /// The topics that it reads.
    pub topics: Vec<String>,
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

/// One request to the herder.
#[derive(Debug)]
pub(super) enum Command {
    Ping(Reply<()>),
    Connectors(Reply<Vec<ConnectorView>>),
    Connector(String, Reply<ConnectorView>),
    /// The answer tells whether the connector is new.
    Configure(String, ConfigChange, Reply<(bool, ConnectorView)>),
    Delete(String, Reply<()>),
    SetTargetState(String, TargetState, Reply<()>),
    Restart(Restart, Reply<ConnectorView>),
    RestartTask(String, u32, Reply<()>),
    ResetTopics(String, Reply<()>),
    Shutdown(oneshot::Sender<()>),
}

/// What of a connector is to be restarted.
#[derive(Clone, Debug)]
pub struct Restart {
    /// The connector.
    pub name: String,
    /// Its tasks too.
    pub include_tasks: bool,
    /// Only what has failed.
    pub only_failed: bool,
}
