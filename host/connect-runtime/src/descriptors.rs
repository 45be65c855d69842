//! File descriptors: as many as the system gives, and no task that there are none for.
//!
//! Kafka's clients and sinks take what there is. Some are kept for the REST API, by `connect-http`,
//! and a task for which too few are left fails with that text, instead of taking them from others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connect_api::{Error, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beyond this a higher limit is of no use to a worker.
const ENOUGH: u64 = 65_536;
/// Descriptors of a task with one broker and one connection to its target.
const OF_A_TASK: u64 = 9;
/// Descriptors that no task gets: for config providers, files of plugins, more connections of
/// Kafka.
const KEPT: u64 = 6;

/// Raises the limit of descriptors as far as the system lets it, and gives the limit that counts.
/// That is safe here: nothing in a worker uses `select`, which knows only the first 1024.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let now = current.unwrap_or(ENOUGH);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if wanted <= now {
        return now;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        // A sandbox may forbid it: the worker does with what it has.
        Err(_) => now,
    }
}

/// Those that tasks may use.
#[derive(Debug)]
pub(crate) struct TaskDescriptors {
    limit: u64,
    /// What the worker had before the first task.
    own: u64,
    tasks: Mutex<u64>,
}

/// A task's share, until this is dropped.
#[derive(Debug)]
pub(crate) struct TaskClaim(Arc<TaskDescriptors>);

impl Drop for TaskClaim {
    fn drop(&mut self) {
        *self.0.tasks() -= 1;
    }
}

impl TaskDescriptors {
    /// What is left as of now, before any task runs.
    pub fn new() -> Arc<Self> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::of(limit, used().unwrap_or(0))
    }

    fn of(limit: u64, own: u64) -> Arc<Self> {
        let tasks = Mutex::new(0);
        Arc::new(Self { limit, own, tasks })
    }

    fn tasks(&self) -> MutexGuard<'_, u64> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a task's share. A client opens its connections only after a while: what runs counts by
    /// its share, or by what is in use where that is more.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when too few are left.
    pub fn claim(self: &Arc<Self>) -> Result<TaskClaim> {
        self.claim_beside(used().unwrap_or(self.limit))
    }

    fn claim_beside(self: &Arc<Self>, used: u64) -> Result<TaskClaim> {
        let mut tasks = self.tasks();
        let promised = self.own.saturating_add(*tasks * OF_A_TASK).max(used);
        if promised.saturating_add(OF_A_TASK + KEPT) > self.limit {
            return Err(Error::fatal(format!(
                "the worker may have {} open files (ulimit -n), {promised} are in use or kept for \
                 what runs, and a task needs about {OF_A_TASK}: raise the limit, or run fewer tasks",
                self.limit
            ))
            .transient());
        }
        *tasks += 1;
        Ok(TaskClaim(Arc::clone(self)))
    }
}

/// How many descriptors the process has open; none when that cannot be seen.
fn used() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(open.count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_for_which_too_few_are_left_is_refused() {
        let descriptors = TaskDescriptors::of(64, 30);
        let claims = [30, 31, 32].map(|used| descriptors.claim_beside(used).unwrap());
        // Few have been opened yet, but they will be.
        let error = descriptors.claim_beside(32).unwrap_err().to_string();
        assert!(error.contains("64 open files"), "{error}");
        assert!(error.contains("57 are in use"), "{error}");
        drop(claims);
        assert!(descriptors.claim_beside(49).is_ok());
        // Somebody else has taken them.
        assert!(descriptors.claim_beside(50).is_err());
        assert!(TaskDescriptors::new().claim().is_ok());
    }

    #[test]
    fn the_limit_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        let after = raise_limit();
        assert!(before.is_none_or(|before| after >= before.min(ENOUGH)));
        assert_eq!(raise_limit(), after);
    }
}
