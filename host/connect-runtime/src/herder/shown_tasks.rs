//! The tasks of this worker as metrics show them. A scrape reads them without the herder's loop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::statuses::StatusReader;
use crate::metrics::{Outcomes, RestartSeries, TaskMeters, TaskSeries};
use crate::storage::ConnectorTaskId;

/// All of them.
#[derive(Default)]
pub(super) struct ShownTasks {
    starts: Arc<Outcomes>,
    tasks: Mutex<Vec<Weak<ShownTask>>>,
}

/// One start of a task. It is shown for as long as somebody has it.
pub(super) struct ShownTask {
    id: ConnectorTaskId,
    meters: TaskMeters,
    restarts: Mutex<RestartSeries>,
}

impl ShownTask {
    /// What the task counts.
    pub(super) fn meters(&self) -> &TaskMeters {
        &self.meters
    }

    /// Shows these restarts from now on.
    pub(super) fn restarted(&self, restarts: RestartSeries) {
        *lock(&self.restarts) = restarts;
    }
}

impl ShownTasks {
    /// How starts of tasks have ended.
    pub(super) fn starts(&self) -> &Arc<Outcomes> {
        &self.starts
    }

    /// Shows a task that is being started.
    pub(super) fn show(
        &self,
        id: &ConnectorTaskId,
        meters: TaskMeters,
        restarts: RestartSeries,
    ) -> Arc<ShownTask> {
        let shown = Arc::new(ShownTask {
            id: id.clone(),
            meters,
            restarts: Mutex::new(restarts),
        });
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(Arc::downgrade(&shown));
        shown
    }

    /// What metrics show of the tasks that are here, by their names.
    pub(super) fn series(&self, statuses: &StatusReader) -> Vec<TaskSeries> {
        let mut tasks: Vec<_> = lock(&self.tasks).iter().filter_map(Weak::upgrade).collect();
        tasks.sort_by(|one, other| one.id.cmp(&other.id));
        let series = tasks.into_iter().map(|task| TaskSeries {
            connector: task.id.connector.clone(),
            task: task.id.task,
            state: statuses.state_of_task(&task.id),
            meters: task.meters.clone(),
            restarts: *lock(&task.restarts),
        });
        series.collect()
    }
}

/// What is behind these locks is whole after each of its changes.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
