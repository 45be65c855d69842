//! The records of the config topic: their keys and values, as Kafka Connect writes them.

/// What a connector is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    /// Run.
    #[default]
    Started,
    /// Keep its tasks and its group, and read nothing.
    Paused,
    /// Have no tasks.
    Stopped,
}

impl TargetState {
    /// The word in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    /// The state of a word; none: the word is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Started, Self::Paused, Self::Stopped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// Which parts of a connector a restart is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartScope {
    /// The connector itself.
    Connector,
    /// The connector and its tasks.
    ConnectorAndTasks,
}

/// Which of them are restarted (KIP-745).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartInstances {
    /// All.
    All,
    /// Those that have failed.
    OnlyFailed,
}

/// A request to restart a connector (KIP-745).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The connector's name.
    pub name: String,
    /// Which parts of it.
    pub scope: RestartScope,
    /// Which of these parts.
    pub instances: RestartInstances,
}

/// The keys of records.
pub mod keys {
    /// A connector's config.
    pub fn connector(name: &str) -> String {
        format!("connector-{name}")
    }

    /// A connector's target state.
    pub fn target_state(name: &str) -> String {
        format!("target-state-{name}")
    }

    /// A task's config.
    pub fn task(name: &str, task: usize) -> String {
        format!("task-{name}-{task}")
    }

    /// What makes the task configs before it count.
    pub fn commit(name: &str) -> String {
        format!("commit-{name}")
    }

    /// A request for a restart.
    pub fn restart(name: &str) -> String {
        format!("restart-connector-{name}")
    }
}

/// The values of records.
pub mod records {
    use connect_api::Properties;
    use serde_json::json;

    use super::{Restart, RestartInstances, RestartScope, TargetState, keys};
    use crate::storage::StoredRecord;

    /// A connector's config.
    pub fn connector(name: &str, config: &Properties) -> StoredRecord {
        let value = Some(json!({ "properties": config }));
        StoredRecord {
            key: keys::connector(name),
            value,
        }
    }

    /// A target state. Old workers read `state` alone, and know no STOPPED.
    pub fn target_state(name: &str, state: TargetState) -> StoredRecord {
        let old = match state {
            TargetState::Stopped => TargetState::Paused,
            other => other,
        };
        let value = Some(json!({ "state": old.name(), "state.v2": state.name() }));
        StoredRecord {
            key: keys::target_state(name),
            value,
        }
    }

    /// The configs of all tasks, and the commit that makes them count.
    pub fn tasks(name: &str, configs: &[Properties]) -> Vec<StoredRecord> {
        let tasks = configs
            .iter()
            .enumerate()
            .map(|(task, config)| StoredRecord {
                key: keys::task(name, task),
                value: Some(json!({ "properties": config })),
            });
        let value = Some(json!({ "tasks": configs.len() }));
        tasks
            .chain([StoredRecord {
                key: keys::commit(name),
                value,
            }])
            .collect()
    }

    /// A request for a restart.
    pub fn restart(restart: &Restart) -> StoredRecord {
        let value = json!({
            "include-tasks": restart.scope == RestartScope::ConnectorAndTasks,
            "only-failed": restart.instances == RestartInstances::OnlyFailed,
        });
        StoredRecord {
            key: keys::restart(&restart.name),
            value: Some(value),
        }
    }

    /// A tombstone.
    pub fn tombstone(key: String) -> StoredRecord {
        StoredRecord { key, value: None }
    }
}
