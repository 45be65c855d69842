//! The records of the status topic.

use serde_json::{Value, json};

use super::StoredRecord;

/// The state of a connector or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started, or not yet.
    Unassigned,
    /// At work.
    Running,
    /// Paused.
    Paused,
    /// Stopped; only a connector is.
    Stopped,
    /// Ended by an error.
    Failed,
    /// About to be started anew.
    Restarting,
}

impl State {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
        }
    }
}

/// The status of a connector or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why it failed.
    pub trace: Option<String>,
    /// What it waits for. Kafka Connect knows no such field, and passes over it.
    pub message: Option<String>,
    /// host:port of the worker.
    pub worker_id: String,
    /// Which start this is about.
    pub generation: u64,
    /// The plugin's version.
    pub version: Option<String>,
    /// Name, version and SHA-256 of the WASM plugins of its transforms. Ferrule's own field, as
    /// `message` is.
    pub plugins: Option<String>,
}

impl Status {
    /// The record's value.
    pub fn value(&self) -> Value {
        let mut value = json!({
            "state": self.state.name(),
            "trace": self.trace,
            "worker_id": self.worker_id,
            "generation": self.generation,
        });
        for (name, text) in self.texts() {
            if let Some(text) = text {
                value[name] = json!(text);
            }
        }
        value
    }

    /// The fields that are left out where they are none.
    pub fn texts(&self) -> [(&'static str, Option<&String>); 3] {
        [
            ("version", self.version.as_ref()),
            ("message", self.message.as_ref()),
            ("plugins", self.plugins.as_ref()),
        ]
    }
}

/// The key of a task's status.
pub fn task_status_key(connector: &str, task: u32) -> String {
    format!("status-task-{connector}-{task}")
}

/// The highest generation that any record names: those of this worker's life begin above it.
pub fn highest_generation(records: &[StoredRecord]) -> u64 {
    let generations = records
        .iter()
        .filter_map(|r| r.value.as_ref()?.get("generation")?.as_u64());
    generations.max().unwrap_or(0)
}
