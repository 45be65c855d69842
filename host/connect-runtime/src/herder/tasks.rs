//! Starts and stops the tasks that are this worker's, and takes in what they say of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Shared;
use super::cluster::{ClusterState, Revision};
use super::held_retries::HeldRetries;
use super::restarts::RestartState;
use super::shown_tasks::{ShownTask, ShownTasks};
use super::statuses::Statuses;
use crate::connector_config::class_of;
use crate::connectors::RegisteredConnector;
use crate::metrics::{Outcomes, RestartSeries, TaskMeters, forget_task};
use crate::storage::{ConnectorTaskId, RestartInstances, State, Status, StatusKey, TargetState};
use crate::task_control::Control;
use crate::task_restart::{RestartPolicy, Restarts};
use crate::worker::{TaskEvent, TaskHandle, TaskId, TaskState, Worker};

/// What a task may take beyond the worker's shutdown timeout: it is given up within a second then.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// The tasks that this worker runs.
pub(super) struct Tasks {
    shared: Arc<Shared>,
    worker: Worker,
    assigned: BTreeMap<ConnectorTaskId, AssignedTask>,
    /// Tasks that were told to stop. A task is not started again before its former run has ended.
    stopping: BTreeMap<ConnectorTaskId, StoppingTask>,
    held_retries: HeldRetries,
    ends: JoinSet<ConnectorTaskId>,
    shown: Arc<ShownTasks>,
}

/// A task that was started and not told to stop.
struct AssignedTask {
    generation: u64,
    /// The task configs that it was started with.
    revision: Option<Revision>,
    run: Run,
    restarts: RestartState,
    start: Start,
    shown: Arc<ShownTask>,
}

/// What has become of the start of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    UnderWay,
    /// It was told of, once.
    Ended,
}

/// A task that was told to stop.
struct StoppingTask {
    generation: u64,
    next: Next,
    /// It is shown until it has ended.
    _shown: Arc<ShownTask>,
}

impl AssignedTask {
    /// Counts what the task says of itself.
    fn count(&mut self, state: &TaskState, starts: &Outcomes) {
        let entered = match state {
            TaskState::Running => State::Running,
            TaskState::Paused => State::Paused,
            TaskState::Failed(_) => State::Failed,
            TaskState::Stopped => State::Unassigned,
            TaskState::Built(_) | TaskState::Waiting(_) | TaskState::Active(_) => return,
        };
        self.shown.meters().common().enter(entered);
        if std::mem::replace(&mut self.start, Start::Ended) == Start::UnderWay {
            match entered {
                State::Running | State::Paused => starts.succeed(),
                State::Failed => starts.fail(),
                // It was told to stop before it ran.
                _ => {}
            }
        }
    }
}

enum Run {
    Started(TaskHandle),
    /// It has failed, and stays failed until a restart is asked for or due.
    Failed,
}

/// What comes after the end of a task that is told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is started again here.
    Start,
    /// It is not this worker's any more, or the worker ends.
    Leave,
    /// There is no such task any more. The leader removes its status: what was written after that
    /// would stay for ever.
    Remove,
}

impl Tasks {
    pub(super) fn new(shared: Arc<Shared>, worker: Worker) -> Self {
        Self {
            shared,
            worker,
            assigned: BTreeMap::new(),
            stopping: BTreeMap::new(),
            held_retries: HeldRetries::default(),
            ends: JoinSet::new(),
            shown: Arc::default(),
        }
    }

    /// What metrics show of the tasks that are here.
    pub(super) fn shown(&self) -> &Arc<ShownTasks> {
        &self.shown
    }

    /// Whether a task has not ended yet that is to run elsewhere, or nowhere.
    pub(super) fn is_leaving(&self) -> bool {
        self.stopping.values().any(|task| task.next != Next::Start)
    }

    /// Whether a task was started here and not told to stop.
    pub(super) fn has(&self, id: &ConnectorTaskId) -> bool {
        self.assigned.contains_key(id)
    }

    /// Whether nothing was started here that has not ended.
    pub(super) fn is_empty(&self) -> bool {
        self.assigned.is_empty() && self.stopping.is_empty()
    }

    /// Starts what is this worker's and does not run; stops what is not, or has other configs by
    /// now; pauses and resumes the rest.
    pub(super) fn sync(
        &mut self,
        cluster: &ClusterState,
        mine: &BTreeSet<ConnectorTaskId>,
        statuses: &Statuses,
        now: Instant,
    ) {
        let current = |id: &ConnectorTaskId, task: &AssignedTask| {
            mine.contains(id) && task.revision == cluster.tasks_revision(&id.connector)
        };
        let outdated: Vec<_> = self
            .assigned
            .iter()
            .filter(|(id, task)| !current(id, task))
            .map(|(id, _)| id.clone())
            .collect();
        for id in outdated {
            let next = match mine.contains(&id) {
                true => Next::Start,
                false if cluster.task(&id).is_none() => Next::Remove,
                false => Next::Leave,
            };
            self.stop(&id, next, statuses);
        }
        self.forget_old_restarts(statuses, now);
        for id in mine {
            let paused = cluster.target_state(&id.connector) == TargetState::Paused;
            if !paused {
                self.restart_if_due(id, cluster, statuses, now);
            }
            match self.assigned.get(id) {
                Some(AssignedTask {
                    run: Run::Started(handle),
                    ..
                }) => handle.pause(paused),
                Some(_) => {}
                None if self.stopping.contains_key(id) => {}
                None => {
                    let status = statuses.get(&StatusKey::Task(id.clone()));
                    let counted = status.map_or(0, |status| status.restarts);
                    let restarts = Restarts::counted(counted);
                    self.start(id, cluster, statuses, restarts);
                }
            }
        }
    }

    /// Starts a failed task again when that is due by its policy.
    fn restart_if_due(
        &mut self,
        id: &ConnectorTaskId,
        cluster: &ClusterState,
        statuses: &Statuses,
        now: Instant,
    ) {
        let is_due = |task: &&AssignedTask| {
            let at = task.restarts.restart_at();
            at.is_some_and(|at| at <= now)
        };
        if self.assigned.get(id).filter(is_due).is_none() {
            return;
        }
        if let Some(task) = self.assigned.remove(id) {
            forget_task(&id.connector, id.task);
            self.start(id, cluster, statuses, task.restarts.restarted(id));
        }
    }

    /// Tasks that have run for long enough are healthy.
    fn forget_old_restarts(&mut self, statuses: &Statuses, now: Instant) {
        for (id, task) in &mut self.assigned {
            if task.restarts.forget_if_healthy(id, now) {
                task.shown.restarted(task.restarts.series());
                statuses.update(id, task.generation, |status| status.restarts = 0);
            }
        }
    }

    /// When a task is to be restarted next, or is healthy; those that are paused wait.
    pub(super) fn wakes_at(&self, cluster: &ClusterState) -> Option<Instant> {
        let of_task = |(id, task): (&ConnectorTaskId, &AssignedTask)| {
            let paused = cluster.target_state(&id.connector) == TargetState::Paused;
            let restart_at = task.restarts.restart_at().filter(|_| !paused);
            restart_at.or_else(|| task.restarts.healthy_at())
        };
        self.assigned.iter().filter_map(of_task).min()
    }

    fn start(
        &mut self,
        id: &ConnectorTaskId,
        cluster: &ClusterState,
        statuses: &Statuses,
        restarts: Restarts,
    ) {
        let Some(config) = cluster.task(id) else {
            return;
        };
        let generation = statuses.next_generation();
        let mut status = self.shared.status(State::Unassigned, generation, config);
        status.restarts = restarts.count();
        statuses.put(StatusKey::Task(id.clone()), status);
        let paused = cluster.target_state(&id.connector) == TargetState::Paused;
        let start = TaskId {
            connector: &id.connector,
            task: id.task,
            generation,
        };
        let control = Control::new(paused);
        if let Some(until) = self.held_retries.until(&id.connector) {
            control.retry_held(until);
        }
        let meters = match self.shared.plugins.connector(class_of(config)) {
            Some(RegisteredConnector::Source(_)) => TaskMeters::source(),
            _ => TaskMeters::sink(),
        };
        meters.common().enter(State::Unassigned);
        let starting = meters.clone();
        let handle = self
            .worker
            .start_task(start, config.clone(), control, starting);
        let policy = RestartPolicy::of_stored(config, self.shared.config.task_restart());
        let restarts = RestartState::new(restarts, policy);
        let task = AssignedTask {
            generation,
            revision: cluster.tasks_revision(&id.connector),
            run: Run::Started(handle),
            shown: self.shown.show(id, meters, restarts.series()),
            restarts,
            start: Start::UnderWay,
        };
        self.assigned.insert(id.clone(), task);
    }

    /// Tells a task to stop. Its end is waited for elsewhere, so that no slow task keeps the herder
    /// from its other work.
    fn stop(&mut self, id: &ConnectorTaskId, next: Next, statuses: &Statuses) {
        let Some(AssignedTask {
            generation,
            run,
            shown,
            ..
        }) = self.assigned.remove(id)
        else {
            return;
        };
        if next == Next::Start {
            // Whoever restarts or configures it has a reason to think that it will run.
            statuses.update(id, generation, |status| status.restarts = 0);
        }
        let Run::Started(handle) = run else {
            forget_task(&id.connector, id.task);
            if next != Next::Remove {
                statuses.update(id, generation, unassign);
            }
            return;
        };
        if next == Next::Start {
            statuses.update(id, generation, |status| {
                unassign(status);
                status.state = State::Restarting;
            });
        }
        handle.stop();
        shown.restarted(RestartSeries::default());
        let stopping = StoppingTask {
            generation,
            next,
            _shown: shown,
        };
        self.stopping.insert(id.clone(), stopping);
        let limit = self.shared.config.shutdown_timeout();
        let id = id.clone();
        self.ends.spawn(async move {
            if !handle.join(limit).await {
                warn!(task = %id, "the task did not stop in time");
            }
            id
        });
    }

    /// Somebody has asked for a restart of a task of the connector, or for another config: held
    /// partitions are tried again, by whichever of its tasks has them next.
    pub(super) fn retry_held(&mut self, connector: &str) {
        let until = self.held_retries.ask(connector);
        for (id, task) in &self.assigned {
            if let (true, Run::Started(handle)) = (id.connector == connector, &task.run) {
                handle.retry_held(until);
            }
        }
    }

    /// Restarts tasks of a connector that run here. Those that have to end first are started by a
    /// later [`Tasks::sync`].
    pub(super) fn restart(
        &mut self,
        connector: &str,
        instances: RestartInstances,
        statuses: &Statuses,
    ) {
        let failed = |id: &ConnectorTaskId| {
            let status = statuses.get(&StatusKey::Task(id.clone()));
            status.is_some_and(|status| status.state == State::Failed)
        };
        let due: Vec<_> = self
            .assigned
            .keys()
            .filter(|id| id.connector == connector)
            .filter(|id| instances == RestartInstances::All || failed(id))
            .cloned()
            .collect();
        info!(connector, tasks = due.len(), "restarting tasks");
        self.retry_held(connector);
        for id in due {
            self.stop(&id, Next::Start, statuses);
        }
    }

    /// Restarts one task, if it runs here.
    pub(super) fn restart_task(&mut self, id: &ConnectorTaskId, statuses: &Statuses) {
        self.stop(id, Next::Start, statuses);
    }

    /// Waits for the end of a task that was told to stop; for ever when there is none. It may be
    /// cancelled.
    pub(super) async fn next_end(&mut self) -> ConnectorTaskId {
        loop {
            match self.ends.join_next().await {
                Some(Ok(id)) => return id,
                Some(Err(cause)) => error!(error = %cause, "could not wait for the end of a task"),
                None => std::future::pending().await,
            }
        }
    }

    /// Takes in that a task has ended: whoever runs it next may start it now. Nothing is said of
    /// one that is not there any more.
    pub(super) fn ended(
        &mut self,
        id: &ConnectorTaskId,
        cluster: &ClusterState,
        statuses: &Statuses,
    ) {
        if let Some(StoppingTask { generation, .. }) = self.stopping.remove(id) {
            forget_task(&id.connector, id.task);
            if cluster.task(id).is_some() {
                statuses.update(id, generation, unassign);
            }
        }
    }

    /// Takes in what a task says of itself. Late news of a former run is ignored.
    pub(super) fn event(&mut self, event: TaskEvent, statuses: &Statuses, now: Instant) {
        let id = ConnectorTaskId::new(&event.connector, event.task);
        let Some(task) = self
            .assigned
            .get_mut(&id)
            .filter(|task| task.generation == event.generation)
        else {
            return;
        };
        if event.state == TaskState::Running {
            task.restarts.running(now);
        }
        if let TaskState::Active(topic) = event.state {
            return statuses.add_topic(&id, &topic);
        }
        task.count(&event.state, self.shown.starts());
        if let TaskState::Failed(failure) = event.state {
            // Its thread has ended or is about to.
            task.run = Run::Failed;
            let next = task.restarts.failed(&id, &failure, now);
            task.shown.restarted(task.restarts.series());
            statuses.update(&id, event.generation, |status| {
                status.state = State::Failed;
                (status.trace, status.message) = (Some(failure.trace), next.message);
                (status.restarts, status.next_restart) = (next.restarts, next.at);
            });
            return;
        }
        statuses.update(&id, event.generation, |status| match event.state {
            TaskState::Built(plugins) => status.plugins = plugins,
            TaskState::Running => status.state = State::Running,
            TaskState::Paused => status.state = State::Paused,
            TaskState::Waiting(what_for) => status.message = what_for,
            TaskState::Stopped => {
                status.state = State::Unassigned;
                status.message = None;
            }
            TaskState::Failed(_) | TaskState::Active(_) => {}
        });
    }

    /// Stops all tasks at once, within one deadline.
    pub(super) async fn stop_all(mut self, cluster: &ClusterState, statuses: &Statuses) {
        let all: Vec<_> = self.assigned.keys().cloned().collect();
        for id in &all {
            self.stop(id, Next::Leave, statuses);
        }
        info!(tasks = self.ends.len(), "stopping all tasks");
        let limit = self.shared.config.shutdown_timeout() + GIVE_UP_TIMEOUT;
        let all_end = async {
            while !self.stopping.is_empty() {
                let id = self.next_end().await;
                self.ended(&id, cluster, statuses);
            }
        };
        if tokio::time::timeout(limit, all_end).await.is_err() {
            warn!("not all tasks have stopped in time");
        }
        for (id, StoppingTask { generation, .. }) in &self.stopping {
            statuses.update(id, *generation, unassign);
        }
    }
}

fn unassign(status: &mut Status) {
    status.state = State::Unassigned;
    (status.trace, status.message, status.plugins) = (None, None, None);
    status.next_restart = None;
}

#[cfg(test)]
mod tests;
