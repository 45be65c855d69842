//! The records of the config topic, and the state that they add up to.

use std::collections::BTreeMap;

use connect_api::Properties;
use serde_json::{Map, Value};
use tracing::{debug, warn};

use super::StoredRecord;

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
    fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Started, Self::Paused, Self::Stopped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

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
    Restart {
        /// The connector.
        name: String,
        /// Its tasks too.
        include_tasks: bool,
        /// Only what has failed.
        only_failed: bool,
    },
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

    use super::{TargetState, keys};
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
    pub fn restart(name: &str, include_tasks: bool, only_failed: bool) -> StoredRecord {
        let value = Some(json!({ "include-tasks": include_tasks, "only-failed": only_failed }));
        StoredRecord {
            key: keys::restart(name),
            value,
        }
    }

    /// A tombstone.
    pub fn tombstone(key: String) -> StoredRecord {
        StoredRecord { key, value: None }
    }
}

/// What the config topic says.
#[derive(Debug, Default)]
pub struct ClusterConfigState {
    connectors: BTreeMap<String, Properties>,
    target_states: BTreeMap<String, TargetState>,
    tasks: BTreeMap<String, Vec<Properties>>,
    deferred: BTreeMap<String, BTreeMap<u32, Properties>>,
}

impl ClusterConfigState {
    /// The names of all connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &str> {
        self.connectors.keys().map(String::as_str)
    }

    /// A connector's config.
    pub fn config(&self, name: &str) -> Option<&Properties> {
        self.connectors.get(name)
    }

    /// A connector's target state.
    pub fn target_state(&self, name: &str) -> TargetState {
        self.target_states.get(name).copied().unwrap_or_default()
    }

    /// The configs of a connector's tasks.
    pub fn tasks(&self, name: &str) -> &[Properties] {
        self.tasks.get(name).map_or(&[], Vec::as_slice)
    }

    /// Takes in a record. Keys and values that are not understood are passed over: other versions
    /// of the worker may write more.
    pub fn apply(&mut self, record: StoredRecord) -> Option<Change> {
        let StoredRecord { key, value } = record;
        if let Some(name) = key.strip_prefix("connector-") {
            self.connector(name, value)
        } else if let Some(name) = key.strip_prefix("target-state-") {
            let state = value.as_ref().and_then(|value| {
                let word = value
                    .get("state.v2")
                    .or_else(|| value.get("state"))?
                    .as_str()?;
                TargetState::from_name(word)
            });
            match (value, state) {
                (_, Some(state)) => self.target_states.insert(name.to_owned(), state),
                (None, _) => self.target_states.remove(name),
                (Some(_), None) => {
                    warn!(key, "a target state that is not understood is passed over");
                    return None;
                }
            };
            Some(Change::TargetState(name.to_owned()))
        } else if let Some(name) = key.strip_prefix("commit-") {
            self.commit(name, value?.get("tasks")?.as_u64()?)
        } else if let Some(rest) = key.strip_prefix("task-") {
            // The name itself may contain dashes.
            let (name, task) = rest.rsplit_once('-')?;
            let config = properties(value?.get("properties")?)?;
            self.deferred
                .entry(name.to_owned())
                .or_default()
                .insert(task.parse().ok()?, config);
            None
        } else if let Some(name) = key.strip_prefix("restart-connector-") {
            let value = value?;
            let flag = |key| value.get(key).and_then(Value::as_bool).unwrap_or(false);
            Some(Change::Restart {
                name: name.to_owned(),
                include_tasks: flag("include-tasks"),
                only_failed: flag("only-failed"),
            })
        } else {
            debug!(key, "a record of the config topic that is not used");
            None
        }
    }

    fn connector(&mut self, name: &str, value: Option<Value>) -> Option<Change> {
        match value {
            None => {
                self.connectors.remove(name);
                self.tasks.remove(name);
                self.deferred.remove(name);
            }
            Some(value) => match value.get("properties").and_then(properties) {
                Some(config) => {
                    self.connectors.insert(name.to_owned(), config);
                }
                None => {
                    warn!(
                        name,
                        "a connector's config that is not understood is passed over"
                    );
                    return None;
                }
            },
        }
        Some(Change::Connector(name.to_owned()))
    }

    /// After compaction some of the tasks may be gone: then there are none until they are written
    /// anew.
    fn commit(&mut self, name: &str, count: u64) -> Option<Change> {
        let mut deferred = self.deferred.remove(name).unwrap_or_default();
        let known = self.tasks.get(name).map_or(0, Vec::len) as u64;
        let tasks: Option<Vec<Properties>> = (0..count)
            .map(|task| {
                let task = u32::try_from(task).ok()?;
                let old = || self.tasks.get(name)?.get(task as usize).cloned();
                deferred.remove(&task).or_else(old)
            })
            .collect();
        if tasks.is_none() {
            warn!(
                name,
                count, known, "the configs of the connector's tasks are incomplete"
            );
        }
        self.tasks
            .insert(name.to_owned(), tasks.unwrap_or_default());
        Some(Change::Tasks(name.to_owned()))
    }
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
        let mut state = ClusterConfigState::default();
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
    fn an_incomplete_set_of_tasks_is_none() {
        let mut state = ClusterConfigState::default();
        state.apply(record("task-a-1", json!({"properties": {"k": "1"}})));
        state.apply(record("commit-a", json!({"tasks": 2})));
        assert!(state.tasks("a").is_empty());
    }

    #[test]
    fn the_second_form_of_a_target_state_wins() {
        let mut state = ClusterConfigState::default();
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
        let mut state = ClusterConfigState::default();
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
