//! What this worker knows of the restarts of one of its tasks: when it is restarted next, and when
//! it counts as healthy.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::metrics::RestartSeries;
use crate::storage::ConnectorTaskId;
use crate::task_restart::{AfterFailure, RestartPolicy, Restarts};
use crate::worker::TaskFailure;

/// The restarts of a task that is assigned here.
pub(super) struct RestartState {
    restarts: Restarts,
    policy: RestartPolicy,
    /// Whether it stays failed although it has a policy to restart it.
    exhausted: bool,
    /// Since when it has run without a failure.
    running_since: Option<Instant>,
    restart_at: Option<Instant>,
}

/// What a failed task's status says of its restarts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NextRestart {
    /// What happens next, in a sentence; none without a policy.
    pub message: Option<String>,
    /// How many there were.
    pub restarts: u32,
    /// When the next one comes, in RFC 3339.
    pub at: Option<String>,
}

impl RestartState {
    /// Of a task that is being started.
    pub(super) fn new(restarts: Restarts, policy: RestartPolicy) -> Self {
        Self {
            restarts,
            policy,
            exhausted: false,
            running_since: None,
            restart_at: None,
        }
    }

    /// What metrics show of them.
    pub(super) fn series(&self) -> RestartSeries {
        RestartSeries {
            count: self.restarts.count(),
            exhausted: self.exhausted,
        }
    }

    /// When it is to be started again.
    pub(super) fn restart_at(&self) -> Option<Instant> {
        self.restart_at
    }

    /// When its restarts are counted anew, if it does not fail before; none: there were none.
    pub(super) fn healthy_at(&self) -> Option<Instant> {
        let since = self.running_since.filter(|_| self.restarts.count() > 0)?;
        since.checked_add(self.policy.window())
    }

    /// It runs.
    pub(super) fn running(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }

    /// Counts anew where it has run for long enough; whether that has changed anything.
    pub(super) fn forget_if_healthy(&mut self, id: &ConnectorTaskId, now: Instant) -> bool {
        if self.healthy_at().is_none_or(|at| now < at) {
            return false;
        }
        info!(
            task = %id,
            restarts = self.restarts.count(),
            "the task has run for task.restart.window.ms: its restarts are counted anew"
        );
        self.restarts = Restarts::default();
        true
    }

    /// Takes in a failure: what comes next, for the status.
    pub(super) fn failed(
        &mut self,
        id: &ConnectorTaskId,
        failure: &TaskFailure,
        now: Instant,
    ) -> NextRestart {
        self.forget_if_healthy(id, now);
        self.running_since = None;
        self.policy = failure.restart.unwrap_or(self.policy);
        let after = self.restarts.after(&failure.cause, &self.policy);
        let restarts = self.restarts.count();
        let (message, at) = match after {
            AfterFailure::Stay(None) => (None, None),
            AfterFailure::Stay(Some(why)) => {
                error!(task = %id, restarts, "the failed task is not restarted: {why}");
                self.exhausted = true;
                (Some(format!("The task is not restarted: {why}.")), None)
            }
            AfterFailure::Restart(wait) => {
                self.restart_at = now.checked_add(wait);
                let (number, at) = (u64::from(restarts) + 1, rfc3339_in(wait));
                warn!(task = %id, "the failed task is restarted at {at}, restart {number} in a row");
                let message = format!(
                    "The task is restarted at {at} by task.restart.policy, {number} in a row."
                );
                (Some(message), Some(at))
            }
        };
        NextRestart {
            message,
            restarts,
            at,
        }
    }

    /// The count of a task that is started again now.
    pub(super) fn restarted(mut self, id: &ConnectorTaskId) -> Restarts {
        self.restarts.restarted();
        info!(
            task = %id,
            restarts = self.restarts.count(),
            "restarting the failed task, as task.restart.policy says"
        );
        self.restarts
    }
}

/// So much later than now.
fn rfc3339_in(wait: Duration) -> String {
    let at = SystemTime::now().checked_add(wait);
    let at = DateTime::<Utc>::from(at.unwrap_or(SystemTime::UNIX_EPOCH));
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
