//! What a task tells of itself, and what it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use connect_api::Error;
use tokio::sync::mpsc;

use crate::task_restart::{FailureCause, RestartPolicy};
use crate::topic_tracking::{ForgottenTopics, ToldTopics};

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
    Failed(TaskFailure),
    /// It ended as it was told to.
    Stopped,
    /// It is active in this topic: it has read from it, or written to it.
    Active(String),
}

/// How a task ended with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFailure {
    /// Java-like: clients read it line by line.
    pub trace: String,
    /// What it was, as far as a restart is concerned.
    pub cause: FailureCause,
    /// When it is to be started again, as its config says with what its providers gave; none: they
    /// were not asked.
    pub restart: Option<RestartPolicy>,
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
    standing: Arc<Mutex<Standing>>,
    /// None: topics are not tracked.
    topics: Option<ForgottenTopics>,
}

/// What a task waits for. It may wait for several at once: each is told until it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// Kafka: its brokers, a login, a topic, partitions.
    Kafka,
    /// A service that a record needs, as a schema registry.
    Service,
    /// The target of a sink, or the system of a source.
    Target,
}

/// What holds until something else is said.
#[derive(Debug, Default)]
struct Standing {
    waits: BTreeMap<Awaited, String>,
    /// What the user should know for as long as the task runs.
    note: Option<String>,
    restart: Option<RestartPolicy>,
}

impl Standing {
    fn message(&self) -> Option<String> {
        if self.waits.is_empty() {
            return self.note.clone();
        }
        let mut waits: Vec<&str> = Vec::new();
        for wait in self.waits.values() {
            // The sink and the worker may wait for the same.
            if !waits.contains(&wait.as_str()) {
                waits.push(wait);
            }
        }
        Some(waits.join("; "))
    }
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
            standing: Arc::default(),
            topics: None,
        }
    }

    /// The same, which tells of the topics that the task is active in.
    #[must_use]
    pub fn with_topics(mut self, forgotten: Option<ForgottenTopics>) -> Self {
        self.topics = forgotten;
        self
    }

    /// It has read from the topic, or written to it. `told` are the task's own.
    pub fn active(&self, topic: &str, told: &mut ToldTopics) {
        if let Some(forgotten) = &self.topics
            && told.is_news(topic, forgotten)
        {
            self.send(TaskState::Active(topic.to_owned()));
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

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It cannot go on for now, for what is awaited is away.
    pub fn waiting(&self, awaited: Awaited, why: String) {
        let mut standing = self.standing();
        standing.waits.insert(awaited, why);
        let message = standing.message();
        drop(standing);
        self.send(TaskState::Waiting(message));
    }

    /// Whether what is in hand waits: for the target, or for a service that a record needs.
    pub fn is_waiting(&self) -> bool {
        let standing = self.standing();
        standing
            .waits
            .keys()
            .any(|awaited| *awaited != Awaited::Kafka)
    }

    /// It goes on, and its user should know this: it is said again when the task has waited for
    /// something.
    pub fn note(&self, what: String) {
        let mut standing = self.standing();
        standing.note = Some(what);
        let message = standing.message();
        drop(standing);
        self.send(TaskState::Waiting(message));
    }

    /// What was awaited is there.
    pub fn going_on(&self, awaited: Awaited) {
        let mut standing = self.standing();
        if standing.waits.remove(&awaited).is_none() {
            return;
        }
        let message = standing.message();
        drop(standing);
        self.send(TaskState::Waiting(message));
    }

    /// When it is to be started again, should it fail.
    pub fn restarts_by(&self, policy: RestartPolicy) {
        self.standing().restart = Some(policy);
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
        let restart = self.standing().restart;
        self.send(TaskState::Failed(TaskFailure {
            trace,
            cause: FailureCause::of(error),
            restart,
        }));
    }

    fn send(&self, state: TaskState) {
        let Self {
            events,
            connector,
            task,
            generation,
            ..
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
    retries_held_until: Mutex<Option<Instant>>,
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

    /// Tells the task to try held partitions again that it opens until then.
    pub fn retry_held(&self, until: Instant) {
        *self.retries_held_until() = Some(until);
    }

    fn retries_held_until(&self) -> MutexGuard<'_, Option<Instant>> {
        let until = self.retries_held_until.lock();
        until.unwrap_or_else(PoisonError::into_inner)
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

    /// Whether the task is to try held partitions again that it opens now.
    pub fn retries_held(&self) -> bool {
        self.retries_held_until()
            .is_some_and(|until| Instant::now() < until)
    }

    /// Whether the task is to pause.
    pub fn pausing(&self) -> bool {
        self.pause.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(events: &mut mpsc::Receiver<TaskEvent>) -> Vec<Option<String>> {
        let mut messages = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let TaskState::Waiting(message) = event.state {
                messages.push(message);
            }
        }
        messages
    }

    #[test]
    fn a_task_that_waits_for_two_tells_of_the_other_when_one_is_there() {
        let (sender, mut events) = mpsc::channel(16);
        let reports = Reports::new(sender, "c", 0, 1);
        reports.note("a note".into());
        reports.waiting(Awaited::Kafka, "no topic t".into());
        assert!(!reports.is_waiting(), "nothing in hand waits");
        reports.waiting(Awaited::Target, "away".into());
        assert!(reports.is_waiting());
        reports.going_on(Awaited::Service);
        reports.going_on(Awaited::Target);
        reports.going_on(Awaited::Kafka);
        let told = [
            "a note",
            "no topic t",
            "no topic t; away",
            "no topic t",
            "a note",
        ];
        assert_eq!(
            messages(&mut events),
            told.map(|text| Some(text.to_owned()))
        );
    }
}
