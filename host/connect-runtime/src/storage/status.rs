//! The records of the status topic: their keys and values, as Kafka Connect writes them.

use std::fmt;

use serde_json::{Value, json};

/// A task of the cluster: `<connector>-<task>` in logs and keys of records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectorTaskId {
    /// The connector's name.
    pub connector: String,
    /// The task's number, from 0.
    pub task: u32,
}

impl ConnectorTaskId {
    /// The task of a connector and a number.
    pub fn new(connector: &str, task: u32) -> Self {
        Self {
            connector: connector.to_owned(),
            task,
        }
    }

    /// Reads `<connector>-<task>`; the connector's name may contain dashes.
    pub fn from_key(key: &str) -> Option<Self> {
        let (connector, task) = key.rsplit_once('-')?;
        Some(Self::new(connector, task.parse().ok()?))
    }
}

impl fmt::Display for ConnectorTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// What a status is about. As text it is the record's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusKey {
    /// A connector of this name.
    Connector(String),
    /// A task.
    Task(ConnectorTaskId),
}

impl StatusKey {
    /// Reads a record's key; none: the record is not about a connector's or a task's state.
    pub fn from_key(key: &str) -> Option<Self> {
        if let Some(name) = key.strip_prefix("status-connector-") {
            return Some(Self::Connector(name.to_owned()));
        }
        let task = key.strip_prefix("status-task-")?;
        ConnectorTaskId::from_key(task).map(Self::Task)
    }

    /// The name of the connector that it belongs to.
    pub fn connector(&self) -> &str {
        match self {
            Self::Connector(name) => name,
            Self::Task(id) => &id.connector,
        }
    }
}

impl fmt::Display for StatusKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connector(name) => write!(f, "status-connector-{name}"),
            Self::Task(id) => write!(f, "status-task-{id}"),
        }
    }
}

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
    /// About to be started again.
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

    fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::Unassigned,
            Self::Running,
            Self::Paused,
            Self::Stopped,
            Self::Failed,
            Self::Restarting,
        ];
        all.into_iter().find(|state| state.name() == name)
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
    /// host:port of the worker that wrote it.
    pub worker_id: String,
    /// Which start of the connector or task this is about: greater than that of any start before.
    pub generation: u64,
    /// The plugin's version.
    pub version: Option<String>,
    /// Name, version and SHA-256 of the WASM plugins of its transforms. Ferrule's own field, as
    /// `message` is.
    pub plugins: Option<String>,
    /// Which start of a worker wrote it: several may have one `worker_id`. Ferrule's own field,
    /// which REST does not show.
    pub instance: Option<String>,
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
        let instance = ("instance", self.instance.as_ref());
        for (name, text) in self.texts().into_iter().chain([instance]) {
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

    /// Reads a record's value. None when it is not understood, or says that the connector or task
    /// was destroyed, as Kafka Connect writes before a tombstone.
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |field: &str| Some(value.get(field)?.as_str()?.to_owned());
        Some(Self {
            state: State::from_name(value.get("state")?.as_str()?)?,
            trace: text("trace"),
            message: text("message"),
            worker_id: text("worker_id")?,
            generation: value.get("generation")?.as_u64()?,
            version: text("version"),
            plugins: text("plugins"),
            instance: text("instance"),
        })
    }

    /// Whether this status may take the place of another of the same connector or task: late news
    /// of a worker that has lost a task must not hide what its new owner says. The rule is Kafka
    /// Connect's (`KafkaStatusBackingStore.putSafe`): the same worker may always, another one only
    /// with a generation that is not older. Where both say which start of a worker wrote them, that
    /// is what makes two workers the same.
    pub fn may_replace(&self, old: &Self) -> bool {
        let is_same = match (&self.instance, &old.instance) {
            (Some(own), Some(other)) => own == other,
            _ => self.worker_id == old.worker_id,
        };
        is_same || self.generation >= old.generation
    }
}
