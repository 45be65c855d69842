//! What REST shows of connectors and tasks: their configs, and the statuses that whichever worker
//! runs them has written.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Properties, Result};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::cluster::ClusterState;
use super::command::{ConnectorView, Probe, Query, TaskView};
use super::snapshot::HerderMeters;
use super::statuses::StatusReader;
use super::{Shared, answer, not_found};
use crate::connector_config::class_of;
use crate::storage::{ConnectorTaskId, State, Status, StatusKey};

/// How long what only reads waits for what is being written.
const WRITE_WAIT: Duration = Duration::from_secs(2);

/// Answers requests that only read.
pub(super) struct Views {
    shared: Arc<Shared>,
    statuses: StatusReader,
    meters: Arc<HerderMeters>,
    queries: mpsc::Receiver<Query>,
    probes: mpsc::Receiver<Probe>,
    /// Whether the worker has taken in all that it found when it started.
    is_started: bool,
    /// Whether what was written last has failed.
    has_failed: bool,
}

impl Views {
    pub(super) fn new(
        shared: Arc<Shared>,
        statuses: StatusReader,
        meters: Arc<HerderMeters>,
        (queries, probes): (mpsc::Receiver<Query>, mpsc::Receiver<Probe>),
    ) -> Self {
        Self {
            shared,
            statuses,
            meters,
            queries,
            probes,
            is_started: false,
            has_failed: false,
        }
    }

    /// From now on queries are answered.
    pub(super) fn start(&mut self) {
        self.is_started = true;
    }

    /// Answers queries, by what is known of the cluster, until something is done.
    pub(super) async fn answer_while<T>(
        &mut self,
        cluster: &ClusterState,
        done: impl Future<Output = T>,
    ) -> T {
        self.answer_beside(cluster, done, None).await
    }

    /// The same for what changes the cluster: another worker may have read it, and have told its
    /// caller, before this one has. So queries wait for it, unless it takes long, or Kafka is away:
    /// then the one before has failed. Probes never wait.
    pub(super) async fn answer_after<T>(
        &mut self,
        cluster: &ClusterState,
        done: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let wait = (!self.has_failed).then_some(WRITE_WAIT);
        let done = self.answer_beside(cluster, done, wait).await;
        self.has_failed = done.is_err();
        done
    }

    async fn answer_beside<T>(
        &mut self,
        cluster: &ClusterState,
        done: impl Future<Output = T>,
        wait: Option<Duration>,
    ) -> T {
        let mut done = pin!(done);
        let mut waited = pin!(sleep(wait.unwrap_or_default()));
        let mut waits = wait.is_some();
        loop {
            tokio::select! {
                done = &mut done => return done,
                Some(probe) = self.probes.recv(), if self.is_started => {
                    self.answer_probe(probe, cluster);
                }
                Some(query) = self.queries.recv(), if self.is_started && !waits => {
                    self.answer(query, cluster);
                }
                () = &mut waited, if waits => waits = false,
            }
        }
    }

    fn answer_probe(&self, probe: Probe, cluster: &ClusterState) {
        match probe {
            Probe::Ping(reply) => answer(reply, Ok(())),
            Probe::Metrics(reply) => {
                let shown = self.meters.snapshot(&self.shared, cluster, &self.statuses);
                answer(reply, Ok(shown));
            }
        }
    }

    fn answer(&self, query: Query, cluster: &ClusterState) {
        match query {
            Query::Connectors(reply) => {
                let all = cluster.connectors();
                answer(
                    reply,
                    Ok(all.filter_map(|name| self.of(cluster, name)).collect()),
                );
            }
            Query::Connector(name, reply) => {
                let view = self.of(cluster, &name).ok_or_else(|| not_found(&name));
                answer(reply, view);
            }
        }
    }

    /// A connector; none: there is no such connector.
    pub(super) fn of(&self, cluster: &ClusterState, name: &str) -> Option<ConnectorView> {
        let config = cluster.config(name)?;
        let tasks = (0..).zip(cluster.tasks(name)).map(|(id, config)| {
            let key = StatusKey::Task(ConnectorTaskId::new(name, id));
            TaskView {
                id,
                config: config.clone(),
                status: self.status(&key, config),
            }
        });
        Some(ConnectorView {
            name: name.to_owned(),
            config: config.clone(),
            target_state: cluster.target_state(name),
            status: self.status(&StatusKey::Connector(name.to_owned()), config),
            tasks: tasks.collect(),
            topics: self.statuses.topics(name),
        })
    }

    fn status(&self, key: &StatusKey, config: &Properties) -> Status {
        let unassigned = || self.shared.status(State::Unassigned, 0, config);
        self.statuses.get(key).unwrap_or_else(unassigned)
    }
}

impl Shared {
    /// A status that this worker writes of a connector or task with this config.
    pub(super) fn status(&self, state: State, generation: u64, config: &Properties) -> Status {
        let found = self.plugins.connector(class_of(config));
        Status {
            state,
            trace: None,
            message: None,
            worker_id: self.config.worker_id().to_owned(),
            generation,
            version: found.map(|found| found.connector().version().to_owned()),
            plugins: None,
            restarts: 0,
            next_restart: None,
            instance: Some(self.instance.to_string()),
        }
    }
}
