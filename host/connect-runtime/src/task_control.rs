//! What a task tells of itself, and what it is told.

use std::sync::atomic::{AtomicBool, Ordering};

use connect_api::Error;
use tokio::sync::mpsc;

/// What a task tells of itself. The herder writes it to the status topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It is made, with these plugins.
    Built(Option<String>),
    /// It polls.
    Running,
    /// What it waits for or what its user should know, in whatever state it is; none: nothing more.
    Waiting(Option<String>),
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

/// Sends a task's states to the herder.
#[derive(Clone, Debug)]
pub struct Reports {
    events: mpsc::Sender<TaskEvent>,
    connector: String,
    task: u32,
    generation: u64,
}

impl Reports {
    /// Reports of one start of a task.
    pub fn new(
        events: mpsc::Sender<TaskEvent>,
        connector: &str,
        task: u32,
        generation: u64,
    ) -> Self {
        Self {
            events,
            connector: connector.to_owned(),
            task,
            generation,
        }
    }

    /// It is made, with these plugins.
    pub fn built(&self, plugins: Option<String>) {
        self.send(TaskState::Built(plugins));
    }

    /// It polls.
    pub fn running(&self) {
        self.send(TaskState::Running);
    }

    /// It cannot go on for now: the target or another service is away.
    pub fn waiting(&self, error: &Error) {
        self.send(TaskState::Waiting(Some(error.chain())));
    }

    /// It goes on, and its user should know this.
    pub fn note(&self, what: String) {
        self.send(TaskState::Waiting(Some(what)));
    }

    /// It waits no more.
    pub fn going_on(&self) {
        self.send(TaskState::Waiting(None));
    }

    /// It is paused.
    pub fn paused(&self) {
        self.send(TaskState::Paused);
    }

    /// It ended as it was told to.
    pub fn stopped(&self) {
        self.send(TaskState::Stopped);
    }

    /// It ended with an error. Clients read the trace line by line, as Java prints one.
    /// `worker_task` is Kafka Connect's class of the task: `WorkerSinkTask` or `WorkerSourceTask`.
    pub fn failed(&self, worker_task: &str, error: &Error) {
        let Self {
            connector, task, ..
        } = self;
        let trace = format!(
            "org.apache.kafka.connect.errors.ConnectException: Exiting {worker_task} due to \
             unrecoverable exception.\n\tat ferrule.task({connector}-{task})\n\
             Caused by: {}: {}\n",
            error.class_name(),
            error.chain()
        );
        self.send(TaskState::Failed { trace });
    }

    fn send(&self, state: TaskState) {
        let Self {
            events,
            connector,
            task,
            generation,
        } = self;
        let event = TaskEvent {
            connector: connector.clone(),
            task: *task,
            generation: *generation,
            state,
        };
        // The herder outlives its tasks; when it does not, nobody is left to tell. Called from
        // inside `block_on` too, where a blocking send is not allowed.
        let mut unsent = Some(event);
        while let Some(event) = unsent.take() {
            if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event) {
                unsent = Some(event);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

/// What the herder wants of a task.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    abandon: AtomicBool,
    pause: AtomicBool,
}

impl Control {
    /// Paused from the start, or not.
    pub fn new(paused: bool) -> Self {
        Self {
            pause: AtomicBool::new(paused),
            ..Self::default()
        }
    }

    /// Tells the task to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Tells the task not to wait for what is in hand.
    pub fn abandon(&self) {
        self.abandon.store(true, Ordering::Release);
        self.stop();
    }

    /// Pauses or resumes the task.
    pub fn pause(&self, pause: bool) {
        self.pause.store(pause, Ordering::Release);
    }

    /// Whether the task is to stop.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether the task is to let go of what is in hand.
    pub fn abandoned(&self) -> bool {
        self.abandon.load(Ordering::Acquire)
    }

    /// Whether the task is to pause.
    pub fn pausing(&self) -> bool {
        self.pause.load(Ordering::Acquire)
    }
}
