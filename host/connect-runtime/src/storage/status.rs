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

/// A topic that a connector is active in (KIP-558). As text it is the record's key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveTopic {
    /// The connector's name.
    pub connector: String,
    /// The topic.
    pub topic: String,
}

impl ActiveTopic {
    /// Reads a record's key; none: the record is about something else.
    pub fn from_key(key: &str) -> Option<Self> {
        // The name of a topic has no colon.
        let (topic, connector) = key.strip_prefix("status-topic-")?.split_once(':')?;
        Some(Self {
            connector: connector.strip_prefix("connector-")?.to_owned(),
            topic: topic.to_owned(),
        })
    }

    /// The record's value: the task that was active first, and when, in milliseconds since 1970.
    pub fn value(&self, task: u32, since: u64) -> Value {
        json!({ "topic": {
            "name": self.topic,
            "connector": self.connector,
            "task": task,
            "discoverTimestamp": since,
        }})
    }
}

impl fmt::Display for ActiveTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connector, topic } = self;
        write!(f, "status-topic-{topic}:connector-{connector}")
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
    /// How often the task was restarted by its policy since it was last healthy. Ferrule's own
    /// field too, as the next one is.
    pub restarts: u32,
    /// When it is restarted next, in RFC 3339; none: it is not.
    pub next_restart: Option<String>,
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
        self.add_optional(&mut value);
        if let Some(instance) = &self.instance {
            value["instance"] = json!(instance);
        }
        value
    }

    /// Adds the fields that are left out where there is nothing to say.
    pub fn add_optional(&self, to: &mut Value) {
        for (name, text) in [
            ("version", &self.version),
            ("message", &self.message),
            ("plugins", &self.plugins),
            ("next_restart", &self.next_restart),
        ] {
            if let Some(text) = text {
                to[name] = json!(text);
            }
        }
        if self.restarts > 0 || self.next_restart.is_some() {
            to["restarts"] = json!(self.restarts);
        }
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
            restarts: value
                .get("restarts")
                .and_then(Value::as_u64)
                .map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            next_restart: text("next_restart"),
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
