//! Starting and stopping tasks, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connect_api::{Error, Properties};
use tokio::task::JoinError;
use tracing::{error, info, warn};

use super::command::{ConnectorView, Restart, TaskView};
use super::{Herder, HerderError};
use crate::connector_config::{self, Subscription, class_of};
use crate::storage::{State, Status, TargetState, task_status_key};
use crate::worker::{TaskEvent, TaskHandle, TaskId, TaskState};

/// A task that has ended after it was told to.
pub(super) struct Ended {
    connector: String,
    task: u32,
}

/// A connector and its tasks.
pub(super) struct RunningConnector {
    status: Status,
    tasks: BTreeMap<u32, RunningTask>,
    /// Tasks that are about to end; a number is not started again before its former task has.
    ending: BTreeSet<u32>,
    /// The config is another than that which the tasks were started with.
    pub(super) changed: bool,
    pub(super) topics: Vec<String>,
}

struct RunningTask {
    handle: Option<TaskHandle>,
    status: Status,
}

impl Herder {
    fn status(&self, state: State, generation: u64, config: &Properties) -> Status {
        let connector = self.shared.plugins.connector(class_of(config));
        let version = connector.map(|found| found.connector().version().to_owned());
        let worker_id = self.shared.config.worker_id().to_owned();
        Status {
            state,
            trace: None,
            message: None,
            worker_id,
            generation,
            version,
            plugins: None,
        }
    }

    /// The configs of a connector's tasks, as they are stored.
    pub(super) fn task_configs(&self, config: &Properties) -> connect_api::Result<Vec<Properties>> {
        connector_config::task_configs(&self.shared.plugins, config)
    }

    /// Makes the connector known, and sets its state by its target state.
    pub(super) fn ensure_connector(&mut self, name: &str, config: &Properties) {
        let target = self.state.target_state(name);
        let state = match target {
            TargetState::Started => State::Running,
            TargetState::Paused => State::Paused,
            TargetState::Stopped => State::Stopped,
        };
        let known = self.connectors.get(name);
        let is_new = known.is_none();
        if is_new || known.is_some_and(|c| c.changed || c.status.state == State::Failed) {
            self.generation += 1;
        }
        let generation = known
            .filter(|c| !c.changed)
            .map_or(self.generation, |c| c.status.generation);
        let status = self.status(state, generation, config);
        let topics = Subscription::named_topics(config);
        let connector =
            self.connectors
                .entry(name.to_owned())
                .or_insert_with(|| RunningConnector {
                    status: status.clone(),
                    tasks: BTreeMap::new(),
                    ending: BTreeSet::new(),
                    changed: false,
                    topics: topics.clone(),
                });
        if connector.changed {
            connector.topics = topics;
        }
        if is_new || connector.status != status {
            info!(
                connector = name,
                state = state.name(),
                "the connector's state"
            );
            connector.status = status.clone();
            self.statuses
                .put(format!("status-connector-{name}"), Some(status.value()));
        }
        if std::mem::take(&mut connector.changed) {
            let all: Vec<u32> = connector.tasks.keys().copied().collect();
            self.stop_tasks(name, &all);
        }
    }

    pub(super) fn connector_failed(&mut self, name: &str, cause: &Error) {
        if let Some(connector) = self.connectors.get_mut(name) {
            connector.status.state = State::Failed;
            connector.status.trace = Some(trace(cause));
            let value = connector.status.value();
            self.statuses
                .put(format!("status-connector-{name}"), Some(value));
        }
    }

    /// Stops what a deleted connector has.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(connector) = self.connectors.get(name) else {
            return;
        };
        let all: Vec<u32> = connector.tasks.keys().copied().collect();
        self.stop_tasks(name, &all);
        info!(connector = name, "the connector is deleted");
        self.statuses.put(format!("status-connector-{name}"), None);
        for task in all {
            self.statuses.put(task_status_key(name, task), None);
        }
        if let Some(connector) = self.connectors.get_mut(name) {
            connector.tasks.clear();
            if connector.ending.is_empty() {
                self.connectors.remove(name);
            }
        }
    }

    /// Starts, pauses and stops tasks by their configs and the target state.
    pub(super) fn tasks_changed(&mut self, name: &str) {
        let configs = self.state.tasks(name).to_vec();
        let paused = self.state.target_state(name) == TargetState::Paused;
        let exists = self.state.config(name).is_some();
        let Some(connector) = self.connectors.get(name).filter(|_| exists) else {
            return;
        };
        let surplus: Vec<u32> = connector
            .tasks
            .keys()
            .copied()
            .filter(|n| *n as usize >= configs.len())
            .collect();
        self.stop_tasks(name, &surplus);
        for task in surplus {
            self.statuses.put(task_status_key(name, task), None);
            if let Some(connector) = self.connectors.get_mut(name) {
                connector.tasks.remove(&task);
            }
        }
        for (task, config) in (0..).zip(&configs) {
            let Some(connector) = self.connectors.get(name) else {
                return;
            };
            let running = connector.tasks.get(&task);
            match running.and_then(|running| running.handle.as_ref()) {
                Some(handle) => handle.pause(paused),
                // A failed task stays failed until a restart is asked for.
                None if running.is_some_and(|r| r.status.state == State::Failed) => {}
                None if connector.ending.contains(&task) => {}
                None => self.start_task(name, task, config, paused),
            }
        }
    }

    fn start_task(&mut self, name: &str, task: u32, config: &Properties, paused: bool) {
        self.generation += 1;
        let generation = self.generation;
        let status = self.status(State::Unassigned, generation, config);
        let id = TaskId {
            connector: name,
            task,
            generation,
        };
        let handle = Some(self.worker.start_task(id, config.clone(), paused));
        self.statuses
            .put(task_status_key(name, task), Some(status.value()));
        if let Some(connector) = self.connectors.get_mut(name) {
            connector.tasks.insert(task, RunningTask { handle, status });
        }
    }

    /// Tells tasks to stop. Their end is waited for elsewhere, so that no slow task keeps the
    /// herder from its other work.
    fn stop_tasks(&mut self, name: &str, tasks: &[u32]) {
        let limit = self.shared.config.shutdown_timeout();
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        for task in tasks.iter().copied() {
            let Some(running) = connector.tasks.get_mut(&task) else {
                continue;
            };
            running.status.state = State::Unassigned;
            running.status.trace = None;
            (running.status.message, running.status.plugins) = (None, None);
            let Some(handle) = running.handle.take() else {
                continue;
            };
            handle.stop();
            connector.ending.insert(task);
            let ended = Ended {
                connector: name.to_owned(),
                task,
            };
            self.ending.spawn(async move {
                if !handle.join(limit).await {
                    warn!(
                        connector = ended.connector,
                        task, "the task did not stop in time"
                    );
                }
                ended
            });
        }
    }

    /// What waited for the end of a former task may start now.
    pub(super) fn task_ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ended {
            connector: name,
            task,
        } = match ended {
            Ok(ended) => ended,
            Err(cause) => {
                error!(error = %cause, "waiting for a task went wrong");
                return;
            }
        };
        let Some(connector) = self.connectors.get_mut(&name) else {
            return;
        };
        connector.ending.remove(&task);
        if connector.ending.is_empty() && self.state.config(&name).is_none() {
            self.connectors.remove(&name);
        } else {
            self.tasks_changed(&name);
        }
    }

    /// Takes in the news of a task.
    pub(super) fn task_event(&mut self, event: TaskEvent) {
        let TaskEvent {
            connector: name,
            task,
            generation,
            state,
        } = event;
        let Some(connector) = self.connectors.get_mut(&name) else {
            return;
        };
        let Some(running) = connector.tasks.get_mut(&task) else {
            return;
        };
        if running.status.generation != generation || running.handle.is_none() {
            return;
        }
        let before = running.status.clone();
        let status = &mut running.status;
        match state {
            TaskState::Built(plugins) => status.plugins = plugins,
            TaskState::Running => status.state = State::Running,
            TaskState::Paused => status.state = State::Paused,
            TaskState::Waiting(what_for) => status.message = what_for,
            TaskState::Stopped => {
                status.state = State::Unassigned;
                status.message = None;
            }
            TaskState::Failed { trace } => {
                status.state = State::Failed;
                (status.trace, status.message) = (Some(trace), None);
                // Its thread has ended or is about to.
                running.handle = None;
            }
        }
        if running.status != before {
            let state = running.status.state.name();
            info!(connector = name, task, state, "the task's state");
            self.statuses
                .put(task_status_key(&name, task), Some(running.status.value()));
        }
    }

    /// What a restart will begin anew.
    fn restarted(connector: &RunningConnector, restart: &Restart) -> (bool, Vec<u32>) {
        let due = |status: &Status| !restart.only_failed || status.state == State::Failed;
        let tasks = connector.tasks.iter().filter(|_| restart.include_tasks);
        let tasks = tasks
            .filter(|(_, task)| due(&task.status))
            .map(|(number, _)| *number);
        (due(&connector.status), tasks.collect())
    }

    pub(super) fn mark_restarting(&self, view: &mut ConnectorView, restart: &Restart) {
        let Some(connector) = self.connectors.get(&view.name) else {
            return;
        };
        let (itself, tasks) = Self::restarted(connector, restart);
        if itself {
            view.status.state = State::Restarting;
            view.status.trace = None;
        }
        for task in view
            .tasks
            .iter_mut()
            .filter(|task| tasks.contains(&task.id))
        {
            task.status.state = State::Restarting;
            task.status.trace = None;
        }
    }

    /// A sink's connector does nothing by itself, so its restart only clears its state.
    pub(super) fn restart_now(&mut self, restart: &Restart) {
        let name = &restart.name;
        let Some(connector) = self.connectors.get(name) else {
            return;
        };
        let (itself, tasks) = Self::restarted(connector, restart);
        info!(connector = name, itself, tasks = tasks.len(), "restarting");
        if itself && let Some(config) = self.state.config(name).cloned() {
            self.ensure_connector(name, &config);
        }
        self.stop_tasks(name, &tasks);
        self.tasks_changed(name);
    }

    pub(super) fn restart_task(&mut self, name: &str, task: u32) -> Result<(), HerderError> {
        if self.state.config(name).is_none() {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        }
        if self.state.tasks(name).get(task as usize).is_none() {
            return Err(HerderError::NotFound(format!(
                "Unknown task: {name}-{task}"
            )));
        }
        self.stop_tasks(name, &[task]);
        self.tasks_changed(name);
        Ok(())
    }

    /// A connector as REST shows it.
    pub(super) fn view(&self, name: &str) -> Option<ConnectorView> {
        let config = self.state.config(name)?;
        let connector = self.connectors.get(name)?;
        let tasks = (0..).zip(self.state.tasks(name)).map(|(id, config)| {
            let running = connector
                .tasks
                .get(&id)
                .map(|running| running.status.clone());
            let status = running.unwrap_or_else(|| self.status(State::Unassigned, 0, config));
            TaskView {
                id,
                config: config.clone(),
                status,
            }
        });
        Some(ConnectorView {
            name: name.to_owned(),
            config: config.clone(),
            target_state: self.state.target_state(name),
            status: connector.status.clone(),
            tasks: tasks.collect(),
            topics: connector.topics.clone(),
        })
    }

    /// Stops all tasks at once, within one deadline.
    pub(super) async fn stop_all(mut self) {
        let names: Vec<String> = self.connectors.keys().cloned().collect();
        for name in &names {
            let Some(connector) = self.connectors.get(name) else {
                continue;
            };
            let all: Vec<u32> = connector.tasks.keys().copied().collect();
            self.stop_tasks(name, &all);
        }
        info!(tasks = self.ending.len(), "stopping all tasks");
        // What a task is given after its deadline to give up is in its own hands.
        let grace = self.shared.config.shutdown_timeout() + Duration::from_secs(2);
        let all_ended = async { while self.ending.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            warn!("not all tasks have stopped in time");
        }
        for (name, connector) in &mut self.connectors {
            for (task, running) in &connector.tasks {
                let status = Status {
                    state: State::Unassigned,
                    ..running.status.clone()
                };
                self.statuses
                    .put(task_status_key(name, *task), Some(status.value()));
            }
            connector.status.state = State::Unassigned;
            let value = connector.status.value();
            self.statuses
                .put(format!("status-connector-{name}"), Some(value));
        }
        self.statuses.finish().await;
    }
}

/// Clients read it line by line, as they would read Java's.
fn trace(cause: &Error) -> String {
    format!(
        "{}: {}\n\tat ferrule.herder\n",
        cause.class_name(),
        cause.chain()
    )
}
