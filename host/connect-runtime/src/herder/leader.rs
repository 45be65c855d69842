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
use crate::storage::{State, StatusKey, StoredRecord, TargetState, Transaction, records};

/// With how many records of task configs a transaction is full.
const RECORDS_AT_ONCE: usize = 10_000;

/// Decides for all connectors, on the worker that leads.
pub(super) struct Leader {
    shared: Arc<Shared>,
    connectors: BTreeMap<String, LedConnector>,
    starts: Arc<Outcomes>,
    /// Whether the lead has been taken: until then no start is counted.
    has_started: bool,
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

/// What is to become of a connector's tasks.
struct Decided {
    name: String,
    revision: Revision,
    start: Start,
    /// Its task configs; none: they stay as they are.
    records: Vec<StoredRecord>,
    /// Why they cannot be made.
    failure: Option<Error>,
}

impl Leader {
    pub(super) fn new(shared: Arc<Shared>, starts: Arc<Outcomes>) -> Self {
        Self {
            shared,
            connectors: BTreeMap::new(),
            starts,
            has_started: false,
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
        }
        let all = names.iter().map(String::as_str);
        self.reconcile(all, log, statuses).await?;
        // Once for each, also for those that had failed, and that are new starts for that reason.
        // Where the lead is lost before this, whoever leads next counts them.
        names.iter().for_each(|name| self.count_start(name));
        self.has_started = true;
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

    /// Brings the statuses and the task configs of connectors to what their configs and target
    /// states say. A config that cannot be run makes the connector FAILED; its tasks stay as they
    /// are.
    ///
    /// # Errors
    /// When they cannot be written because this worker does not lead any more.
    pub(super) async fn reconcile(
        &mut self,
        names: impl IntoIterator<Item = &str>,
        log: &mut Log,
        statuses: &Statuses,
    ) -> Result<()> {
        let mut decided = Vec::new();
        let mut records = 0;
        for name in names {
            let Some(one) = self.decide(name, log, statuses) else {
                continue;
            };
            records += one.records.len();
            decided.push(one);
            if records >= RECORDS_AT_ONCE {
                records = 0;
                let full = std::mem::take(&mut decided);
                self.write(full, log, statuses).await?;
            }
        }
        self.write(decided, log, statuses).await
    }

    /// Shows the connector's target state, and decides about its tasks. None: it is gone.
    fn decide(&mut self, name: &str, log: &Log, statuses: &Statuses) -> Option<Decided> {
        let Some(revision) = log.cluster.config_revision(name) else {
            self.connectors.remove(name);
            statuses.remove_connector(name);
            return None;
        };
        let start = self.show_target_state(name, revision, &log.cluster, statuses);
        let led = self.connectors.get(name);
        let decided = led.and_then(|led| led.tasks_from) == Some(revision);
        let (records, failure) = match task_configs(&self.shared, &log.cluster, name) {
            Ok(wanted) if decided && wanted == log.cluster.tasks(name) => (Vec::new(), None),
            Ok(wanted) => {
                if log.cluster.lacks_tasks(name) {
                    warn!(
                        connector = name,
                        tasks = wanted.len(),
                        "the configs of the connector's tasks were incomplete in the config topic; \
                         they are written again"
                    );
                }
                (records::tasks(name, &wanted), None)
            }
            Err(cause) => (Vec::new(), Some(cause)),
        };
        Some(Decided {
            name: name.to_owned(),
            revision,
            start,
            records,
            failure,
        })
    }

    /// Writes the task configs of many connectors at once: hundreds of them must not take hundreds
    /// of round trips of the herder's time.
    async fn write(
        &mut self,
        mut decided: Vec<Decided>,
        log: &mut Log,
        statuses: &Statuses,
    ) -> Result<()> {
        let all = decided.iter().flat_map(|one| one.records.iter().cloned());
        match log.commit(Transaction::of_config(all.collect())).await {
            Ok(()) => decided
                .into_iter()
                .try_for_each(|one| self.settle(one, Ok(()), log, statuses)),
            // One that cannot be written must not keep the others from it.
            Err(_) if decided.len() > 1 && log.leads() => {
                for one in decided {
                    let records = one.records.clone();
                    let written = log.commit(Transaction::of_config(records)).await;
                    self.settle(one, written, log, statuses)?;
                }
                Ok(())
            }
            Err(cause) => match decided.pop() {
                Some(one) => self.settle(one, Err(cause), log, statuses),
                None => Err(cause),
            },
        }
    }

    /// Takes in whether the task configs of a connector were written. Without the lead nothing is
    /// said of it: whoever leads next decides anew.
    fn settle(
        &mut self,
        decided: Decided,
        written: Result<()>,
        log: &Log,
        statuses: &Statuses,
    ) -> Result<()> {
        let unwritten = match written {
            Err(cause) if cause.kind() == ErrorKind::Fenced || !log.leads() => return Err(cause),
            written => written.err(),
        };
        let name = decided.name.as_str();
        let failure = decided.failure.or(unwritten);
        if let Some(led) = self.connectors.get_mut(name) {
            led.tasks_from = failure.is_none().then_some(decided.revision);
        }
        match failure {
            None => {
                let count = u32::try_from(log.cluster.tasks(name).len()).unwrap_or(u32::MAX);
                statuses.remove_tasks(name, count);
            }
            Some(cause) => self.failed(name, &cause, &log.cluster, statuses),
        }
        if decided.start == Start::New && self.has_started {
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
fn task_configs(shared: &Shared, cluster: &ClusterState, name: &str) -> Result<Vec<Properties>> {
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

/// Clients read it line by line, as they would read Java's.
fn trace(cause: &Error) -> String {
    format!(
        "{}: {}\n\tat ferrule.herder\n",
        cause.class_name(),
        cause.chain()
    )
}
