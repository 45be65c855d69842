//! The state of the cluster, as its config topic says it. Pure: records in, changes out.

use std::collections::{BTreeMap, BTreeSet};

use connect_api::Properties;
use serde_json::{Map, Value};
use tracing::{debug, warn};

use crate::connector_config::MOST_TASKS;
use crate::storage::{
    ConnectorTaskId, Restart, RestartInstances, RestartScope, StoredRecord, TargetState,
};

/// What a record of the config topic changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A connector was created, configured anew, or deleted.
    Connector(String),
    /// The target state of a connector.
    TargetState(String),
    /// The tasks of a connector.
    Tasks(String),
    /// A restart was asked for.
    Restart(Restart),
    /// Which worker runs which task.
    Placement,
    /// Which workers stay.
    Workers,
    /// An order for the leader.
    Order,
    /// The leader has answered the order of this id.
    Answer(String),
    /// A restart of one task was asked for.
    RestartTask(ConnectorTaskId),
    /// A task of this connector was restarted by the worker that runs it.
    RestartedTask(String),
    /// A worker has written this mark, to read up to it.
    ReadBack(String),
}

impl Change {
    /// The connector whose task configs and status may be others now.
    pub(super) fn of_connector(&self) -> Option<&str> {
        match self {
            Self::Connector(name) | Self::TargetState(name) => Some(name),
            Self::Restart(restart) => Some(&restart.name),
            _ => None,
        }
    }
}

/// Which record of the config topic something was read from: a later one has a greater revision.
/// It counts the records that this worker has read, so it means nothing to another worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(u64);

/// A value, and the record that it was read from.
#[derive(Debug)]
struct Revised<T> {
    value: T,
    revision: Revision,
}

/// What the config topic says: connectors, their target states, and their task configs.
#[derive(Debug, Default)]
pub struct ClusterState {
    connectors: BTreeMap<String, Revised<Properties>>,
    target_states: BTreeMap<String, TargetState>,
    tasks: BTreeMap<String, Revised<Vec<Properties>>>,
    /// Task configs whose commit record has not been read yet.
    uncommitted: BTreeMap<String, BTreeMap<u32, Properties>>,
    /// Connectors of which a commit record counts more task configs than there are.
    incomplete: BTreeSet<String>,
    revision: Revision,
}

impl ClusterState {
    /// The names of all connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &str> {
        self.connectors.keys().map(String::as_str)
    }

    /// A connector's config.
    pub fn config(&self, name: &str) -> Option<&Properties> {
        self.connectors.get(name).map(|config| &config.value)
    }

    /// Which record a connector's config was read from.
    pub fn config_revision(&self, name: &str) -> Option<Revision> {
        self.connectors.get(name).map(|config| config.revision)
    }

    /// A connector's target state.
    pub fn target_state(&self, name: &str) -> TargetState {
        self.target_states.get(name).copied().unwrap_or_default()
    }

    /// The configs of a connector's tasks.
    pub fn tasks(&self, name: &str) -> &[Properties] {
        self.tasks.get(name).map_or(&[], |tasks| &tasks.value)
    }

    /// The config of one task; none: there is no such task.
    pub fn task(&self, id: &ConnectorTaskId) -> Option<&Properties> {
        self.tasks(&id.connector).get(id.task as usize)
    }

    /// Whether some of a connector's task configs are lost: it has none then.
    pub fn lacks_tasks(&self, name: &str) -> bool {
        self.incomplete.contains(name)
    }

    /// Which commit record a connector's task configs were read from.
    pub fn tasks_revision(&self, name: &str) -> Option<Revision> {
        self.tasks.get(name).map(|tasks| tasks.revision)
    }

    /// How many tasks each connector has.
    pub fn task_counts(&self) -> BTreeMap<&str, usize> {
        self.connectors()
            .map(|name| (name, self.tasks(name).len()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Takes in a record. Keys and values that are not understood are passed over: other versions
    /// of the worker may write more.
    pub fn apply(&mut self, record: StoredRecord) -> Option<Change> {
        self.revision.0 += 1;
        let StoredRecord { key, value } = record;
        if let Some(name) = key.strip_prefix("connector-") {
            self.connector(name, value)
        } else if let Some(name) = key.strip_prefix("target-state-") {
            self.target_state_record(name, value)
        } else if let Some(name) = key.strip_prefix("commit-") {
            self.commit(name, value?.get("tasks")?.as_u64()?)
        } else if let Some(rest) = key.strip_prefix("task-") {
            let ConnectorTaskId { connector, task } = ConnectorTaskId::from_key(rest)?;
            let config = properties(value?.get("properties")?)?;
            if usize::try_from(task).is_ok_and(|task| task < MOST_TASKS) {
                let uncommitted = self.uncommitted.entry(connector).or_default();
                uncommitted.insert(task, config);
            }
            None
        } else if let Some(name) = key.strip_prefix("restart-connector-") {
            Some(restart(name, &value?))
        } else {
            debug!(key, "a record of the config topic that is not used");
            None
        }
    }

    fn target_state_record(&mut self, name: &str, value: Option<Value>) -> Option<Change> {
        let Some(value) = value else {
            self.target_states.remove(name);
            return Some(Change::TargetState(name.to_owned()));
        };
        let word = value.get("state.v2").or_else(|| value.get("state"));
        let state = word
            .and_then(Value::as_str)
            .and_then(TargetState::from_name);
        let Some(state) = state else {
            warn!(
                connector = name,
                "a target state that is not understood is passed over"
            );
            return None;
        };
        self.target_states.insert(name.to_owned(), state);
        Some(Change::TargetState(name.to_owned()))
    }

    fn connector(&mut self, name: &str, value: Option<Value>) -> Option<Change> {
        match value {
            None => {
                self.connectors.remove(name);
                self.tasks.remove(name);
                self.uncommitted.remove(name);
            }
            Some(value) => match value.get("properties").and_then(properties) {
                Some(value) => {
                    let revision = self.revision;
                    self.connectors
                        .insert(name.to_owned(), Revised { value, revision });
                }
                None => {
                    warn!(
                        connector = name,
                        "a connector's config that is not understood is passed over"
                    );
                    return None;
                }
            },
        }
        Some(Change::Connector(name.to_owned()))
    }

    /// Compaction may have removed some of the task configs: then the connector has no tasks until
    /// the leader writes them again.
    fn commit(&mut self, name: &str, count: u64) -> Option<Change> {
        let mut uncommitted = self.uncommitted.remove(name).unwrap_or_default();
        let too_many = usize::try_from(count).map_or(true, |count| count > MOST_TASKS);
        let count = if too_many { 0 } else { count };
        if too_many {
            warn!(
                connector = name,
                "a commit of more than {MOST_TASKS} tasks is taken for none"
            );
        }
        let known = self.tasks(name).len();
        let tasks: Option<Vec<Properties>> = (0..count)
            .map(|task| {
                let task = u32::try_from(task).ok()?;
                let old = || self.tasks(name).get(task as usize).cloned();
                uncommitted.remove(&task).or_else(old)
            })
            .collect();
        if tasks.is_none() {
            // The leader tells of it when it writes them again; most are orphans.
            debug!(
                connector = name,
                count, known, "the configs of the connector's tasks are incomplete"
            );
            self.incomplete.insert(name.to_owned());
        } else {
            self.incomplete.remove(name);
        }
        let value = tasks.unwrap_or_default();
        let revision = self.revision;
        self.tasks
            .insert(name.to_owned(), Revised { value, revision });
        Some(Change::Tasks(name.to_owned()))
    }
}

fn restart(name: &str, value: &Value) -> Change {
    let flag = |key| value.get(key).and_then(Value::as_bool).unwrap_or(false);
    Change::Restart(Restart {
        name: name.to_owned(),
        scope: match flag("include-tasks") {
            true => RestartScope::ConnectorAndTasks,
            false => RestartScope::Connector,
        },
        instances: match flag("only-failed") {
            true => RestartInstances::OnlyFailed,
            false => RestartInstances::All,
        },
    })
}

fn properties(value: &Value) -> Option<Properties> {
    let text = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Some((key.clone(), text.clone())),
        Value::Null => None,
        other => Some((key.clone(), other.to_string())),
    };
    value
        .as_object()
        .map(|object: &Map<String, Value>| object.iter().filter_map(text).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::storage::{keys, records};

    fn record(key: &str, value: Value) -> StoredRecord {
        StoredRecord {
            key: key.into(),
            value: (!value.is_null()).then_some(value),
        }
    }

    fn config(value: &str) -> Properties {
        Properties::from([("k".to_owned(), value.to_owned())])
    }

    #[test]
    fn tasks_count_once_they_are_committed() {
        let mut state = ClusterState::default();
        state.apply(record("connector-a-b", json!({"properties": {"k": "1"}})));
        for task in 0..2 {
            let record = record(
                &format!("task-a-b-{task}"),
                json!({"properties": {"k": "1"}}),
            );
            assert_eq!(state.apply(record), None);
        }
        assert!(state.tasks("a-b").is_empty());
        let change = state.apply(record("commit-a-b", json!({"tasks": 2})));
        assert_eq!(change, Some(Change::Tasks("a-b".into())));
        assert_eq!(state.tasks("a-b"), [config("1"), config("1")]);
    }

    #[test]
    fn the_tasks_of_the_cluster_are_those_of_connectors_that_exist() {
        let mut state = ClusterState::default();
        for record in records::tasks("a-1", &[config("1"), config("2")]) {
            state.apply(record);
        }
        assert!(state.task_counts().is_empty());
        state.apply(records::connector("a-1", &config("1")));
        assert_eq!(state.task_counts(), BTreeMap::from([("a-1", 2)]));
        let task = |number| state.task(&ConnectorTaskId::new("a-1", number));
        assert_eq!(task(1), Some(&config("2")));
        assert_eq!(task(2), None);
    }

    #[test]
    fn a_revision_tells_a_rewritten_config_from_the_same_one() {
        let mut state = ClusterState::default();
        state.apply(records::connector("a", &config("1")));
        for record in records::tasks("a", &[config("1")]) {
            state.apply(record);
        }
        let before = (state.config_revision("a"), state.tasks_revision("a"));
        state.apply(records::target_state("a", TargetState::Paused));
        assert_eq!(
            (state.config_revision("a"), state.tasks_revision("a")),
            before
        );
        state.apply(records::connector("a", &config("1")));
        assert!(state.config_revision("a") > before.0);
        for record in records::tasks("a", &[config("1")]) {
            state.apply(record);
        }
        assert!(state.tasks_revision("a") > before.1);
    }

    #[test]
    fn a_restart_is_read_as_it_is_written() {
        let restart = Restart {
            name: "a".into(),
            scope: RestartScope::ConnectorAndTasks,
            instances: RestartInstances::OnlyFailed,
        };
        let change = ClusterState::default().apply(records::restart(&restart));
        assert_eq!(change, Some(Change::Restart(restart)));
    }

    #[test]
    fn an_incomplete_set_of_tasks_is_none() {
        let mut state = ClusterState::default();
        state.apply(record("task-a-1", json!({"properties": {"k": "1"}})));
        state.apply(record("commit-a", json!({"tasks": 2})));
        assert!(state.tasks("a").is_empty());
        assert!(state.lacks_tasks("a"));
        for record in records::tasks("a", &[config("1"), config("2")]) {
            state.apply(record);
        }
        assert!(!state.lacks_tasks("a"));
    }

    #[test]
    fn the_second_form_of_a_target_state_wins() {
        let mut state = ClusterState::default();
        for (value, expect) in [
            (
                json!({"state": "PAUSED", "state.v2": "STOPPED"}),
                TargetState::Stopped,
            ),
            (json!({"state": "PAUSED"}), TargetState::Paused),
            (json!({"state": "NEW"}), TargetState::Paused),
            (Value::Null, TargetState::Started),
        ] {
            state.apply(record("target-state-a", value));
            assert_eq!(state.target_state("a"), expect);
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut state = ClusterState::default();
        let mut written = vec![
            records::target_state("a", TargetState::Stopped),
            records::connector("a", &config("1")),
        ];
        written.extend(records::tasks("a", &[config("2")]));
        let changes: Vec<_> = written.into_iter().filter_map(|r| state.apply(r)).collect();
        assert_eq!(changes.len(), 3);
        assert_eq!(state.config("a"), Some(&config("1")));
        assert_eq!(state.target_state("a"), TargetState::Stopped);
        assert_eq!(state.tasks("a"), [config("2")]);
        state.apply(records::tombstone(keys::connector("a")));
        assert_eq!(state.config("a"), None);
        assert!(state.tasks("a").is_empty());
    }
}
