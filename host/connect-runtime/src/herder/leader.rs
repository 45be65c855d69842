//! The leader decides which task configs each connector has, and is the only one that writes them:
//! records `task-…` and `commit-…` of the config topic. It also says what state connectors are in.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use connect_api::{Error, ErrorKind, Properties, Result};
use tracing::{error, warn};

use super::Shared;
use super::cluster::{ClusterState, Revision};
use super::log::Log;
use super::statuses::Statuses;
use crate::connector_config;
use crate::metrics::Outcomes;
use crate::storage::{State, StatusKey, TargetState, Transaction, records};

/// Decides for all connectors, on the worker that leads.
pub(super) struct Leader {
    shared: Arc<Shared>,
    connectors: BTreeMap<String, LedConnector>,
    starts: Arc<Outcomes>,
}

/// Whether a connector is started by what its config or target state has become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    New,
    Same,
}

/// What was decided for a connector.
struct LedConnector {
    /// The config that it was started with.
    config: Revision,
    /// Which start of the connector its status is about.
    generation: u64,
    /// The config that its task configs were made from; none: it could not be done.
    tasks_from: Option<Revision>,
}

impl Leader {
    pub(super) fn new(shared: Arc<Shared>, starts: Arc<Outcomes>) -> Self {
        Self {
            shared,
            connectors: BTreeMap::new(),
            starts,
        }
    }

    /// Starts to lead. Task configs that are stored already are kept where they are still right.
    ///
    /// # Errors
    /// As for [`Leader::reconcile`].
    pub(super) async fn start(&mut self, log: &mut Log, statuses: &Statuses) -> Result<()> {
        // Whoever led before may have ended between a deletion and that of its statuses.
        statuses.retain(|key| match key {
            StatusKey::Connector(name) => log.cluster.config(name).is_some(),
            StatusKey::Task(id) => log.cluster.config(&id.connector).is_some(),
        });
        statuses.retain_topics(|connector| log.cluster.config(connector).is_some());
        let names: Vec<String> = log.cluster.connectors().map(str::to_owned).collect();
        for name in &names {
            let Some(config) = log.cluster.config_revision(name) else {
                continue;
            };
            let led = LedConnector {
                config,
                generation: statuses.next_generation(),
                tasks_from: Some(config),
            };
            self.connectors.insert(name.clone(), led);
            self.reconcile(name, log, statuses).await?;
            self.count_start(name);
        }
        Ok(())
    }

    /// Stops to lead, as the worker ends.
    pub(super) fn end(self, cluster: &ClusterState, statuses: &Statuses) {
        for (name, led) in &self.connectors {
            if let Some(config) = cluster.config(name) {
                let status = self
                    .shared
                    .status(State::Unassigned, led.generation, config);
                statuses.put(StatusKey::Connector(name.clone()), status);
            }
        }
    }

    /// Brings the status and the task configs of a connector to what its config and target state
    /// say. A config that cannot be run makes the connector FAILED; its tasks stay as they are.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] when another worker leads by now.
    pub(super) async fn reconcile(
        &mut self,
        name: &str,
        log: &mut Log,
        statuses: &Statuses,
    ) -> Result<()> {
        let Some(revision) = log.cluster.config_revision(name) else {
            self.connectors.remove(name);
            statuses.remove_connector(name);
            return Ok(());
        };
        let start = self.show_target_state(name, revision, &log.cluster, statuses);
        let led = self.connectors.get(name);
        let decided = led.and_then(|led| led.tasks_from) == Some(revision);
        let written = match decide(&self.shared, &log.cluster, name) {
            Ok(wanted) if decided && wanted == log.cluster.tasks(name) => Ok(()),
            Ok(wanted) => {
                if log.cluster.lacks_tasks(name) {
                    warn!(
                        connector = name,
                        tasks = wanted.len(),
                        "the configs of the connector's tasks were incomplete in the config topic; \
                         they are written again"
                    );
                }
                write_tasks(name, &wanted, log).await
            }
            Err(cause) => Err(cause),
        };
        if let Some(led) = self.connectors.get_mut(name) {
            led.tasks_from = written.is_ok().then_some(revision);
        }
        match written {
            Ok(()) => {
                let count = u32::try_from(log.cluster.tasks(name).len()).unwrap_or(u32::MAX);
                statuses.remove_tasks(name, count);
            }
            Err(cause) if cause.kind() == ErrorKind::Fenced => return Err(cause),
            Err(cause) => self.failed(name, &cause, &log.cluster, statuses),
        }
        if start == Start::New {
            self.count_start(name);
        }
        Ok(())
    }

    /// Counts how the start of a connector has ended.
    fn count_start(&self, name: &str) {
        match self.connectors.get(name).map(|led| led.tasks_from) {
            Some(Some(_)) => self.starts.succeed(),
            Some(None) => self.starts.fail(),
            None => {}
        }
    }

    /// A new config, and a restart of a connector that has failed, are a new start of it.
    fn show_target_state(
        &mut self,
        name: &str,
        revision: Revision,
        cluster: &ClusterState,
        statuses: &Statuses,
    ) -> Start {
        let Some(config) = cluster.config(name) else {
            return Start::Same;
        };
        let key = StatusKey::Connector(name.to_owned());
        let shown = statuses.get(&key);
        let failed = shown.as_ref().is_some_and(|s| s.state == State::Failed);
        let led = self.connectors.get(name);
        if led.is_none() {
            // A task of a former connector of this name may have told of them behind its deletion.
            statuses.forget_topics(name);
        }
        let same = led.filter(|led| led.config == revision && !failed);
        let (start, generation) = match same {
            Some(led) => (Start::Same, led.generation),
            None => (Start::New, statuses.next_generation()),
        };
        let led = LedConnector {
            config: revision,
            generation,
            tasks_from: led.and_then(|led| led.tasks_from),
        };
        self.connectors.insert(name.to_owned(), led);
        let state = match cluster.target_state(name) {
            TargetState::Started => State::Running,
            TargetState::Paused => State::Paused,
            TargetState::Stopped => State::Stopped,
        };
        let status = self.shared.status(state, generation, config);
        if shown.as_ref() != Some(&status) {
            statuses.put(key, status);
        }
        start
    }

    fn failed(&self, name: &str, cause: &Error, cluster: &ClusterState, statuses: &Statuses) {
        error!(
            connector = name,
            error = %cause.chain(),
            "the connector has failed: its task configs could not be made"
        );
        let (Some(led), Some(config)) = (self.connectors.get(name), cluster.config(name)) else {
            return;
        };
        let mut status = self.shared.status(State::Failed, led.generation, config);
        status.trace = Some(trace(cause));
        statuses.put(StatusKey::Connector(name.to_owned()), status);
    }
}

/// The task configs that a connector is to have. It reads the stored config alone: config providers
/// are asked by the tasks.
fn decide(shared: &Shared, cluster: &ClusterState, name: &str) -> Result<Vec<Properties>> {
    let config = match (cluster.target_state(name), cluster.config(name)) {
        (TargetState::Stopped, _) | (_, None) => return Ok(Vec::new()),
        // As Kafka Connect's, a connector that is paused is given tasks when it is resumed. Those
        // that it has stay.
        (TargetState::Paused, _)
            if cluster.tasks(name).is_empty() && !cluster.lacks_tasks(name) =>
        {
            return Ok(Vec::new());
        }
        (_, Some(config)) => config,
    };
    // A connector that panics on its config must not end the worker.
    let made = AssertUnwindSafe(|| {
        connector_config::task_configs(&shared.plugins, &shared.config, name, config)
    });
    let panicked = |_| {
        Err(Error::fatal(
            "the connector panicked; the log has the message",
        ))
    };
    std::panic::catch_unwind(made).unwrap_or_else(panicked)
}

async fn write_tasks(name: &str, configs: &[Properties], log: &mut Log) -> Result<()> {
    // A thousand of them must not take a thousand round trips of the herder's time.
    log.commit(Transaction::of_config(records::tasks(name, configs)))
        .await
}

/// Clients read it line by line, as they would read Java's.
fn trace(cause: &Error) -> String {
    format!(
        "{}: {}\n\tat ferrule.herder\n",
        cause.class_name(),
        cause.chain()
    )
}
