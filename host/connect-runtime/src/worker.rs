//! The worker: starts tasks and gives handles to stop, pause and resume them.

use std::sync::Arc;
use std::time::Duration;

use connect_api::Properties;
use tokio::sync::mpsc;

use crate::config::WorkerConfig;
use crate::plugins::Plugins;

/// What a task tells of itself. The herder writes it to the status topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It polls; `waiting` says what for when it cannot go on for now (the target is away).
    Running {
        /// What it waits for.
        waiting: Option<String>,
    },
    /// It is paused.
    Paused,
    /// It ended with an error.
    Failed {
        /// Java-like: clients read it line by line.
        trace: String,
    },
    /// It ended as it was told to.
    Stopped,
}

/// A change of a task's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// The connector.
    pub connector: String,
    /// The task.
    pub task: u32,
    /// Which start of the task this is about: late news of a former one is to be ignored.
    pub generation: u64,
    /// The new state.
    pub state: TaskState,
}

/// Starts tasks.
#[derive(Debug)]
pub struct Worker {
    config: Arc<WorkerConfig>,
    plugins: Arc<Plugins>,
    events: mpsc::Sender<TaskEvent>,
}

/// A running task.
#[derive(Debug)]
pub struct TaskHandle {}

impl Worker {
    /// A worker that reports to `events`.
    pub fn new(
        config: Arc<WorkerConfig>,
        plugins: Arc<Plugins>,
        events: mpsc::Sender<TaskEvent>,
    ) -> Self {
        Self { config, plugins, events }
    }

    /// Starts a task on threads of its own; what goes wrong from now on is an event.
    /// `config` is the connector's configuration with its config providers resolved.
    pub fn start_task(
        &self,
        connector: &str,
        task: u32,
        generation: u64,
        config: Properties,
        paused: bool,
    ) -> TaskHandle {
        let _ = (&self.config, &self.plugins, &self.events);
        let _ = (connector, task, generation, config, paused);
        TaskHandle {}
    }
}

impl TaskHandle {
    /// Pauses or resumes the task.
    pub fn pause(&self, paused: bool) {
        let _ = paused;
    }

    /// Tells the task to stop. It finishes or rolls back the batch in hand, commits, and leaves
    /// its group.
    pub fn stop(&self) {}

    /// Waits for the end of a stopped task, and gives it up when `deadline` passes.
    /// True when it ended by itself.
    pub async fn join(self, deadline: Duration) -> bool {
        let _ = deadline;
        true
    }
}
