//! What becomes of a cluster of Kafka Connect when Ferrule's workers take it over, on the same
//! topics and with the same `group.id`: what runs as it is, what differs, and what is refused.
//!
//! Nothing is a rule of this module's own that the worker has, too: properties are parsed by
//! [`WorkerConfig`], configs are validated and resolved as the herder and the tasks do it. What is
//! added is the nearest thing to what is refused, and what is known to differ in effect.

mod connector;
mod differences;
mod nearest;
mod offsets;
mod worker;

use connect_api::Result;

use crate::config::WorkerConfig;
use crate::herder::ClusterState;
use crate::plugins::Plugins;
use crate::storage::{
    ClusterReader, ClusterSnapshot, GroupSnapshot, State, Status, StatusKey, TargetState,
};

pub use connector::{ConnectorReport, Verdict};
pub use differences::for_all;
pub use offsets::{GroupStart, PartitionStart, Start};
pub use worker::WorkerReport;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is good to know.
    Note,
    /// It runs, with another effect.
    Differs,
    /// It does not run.
    Refused,
}

/// What is to be said of a key of a config or of the worker's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// The key; empty: it is about no single key.
    pub key: String,
    /// What becomes of it. It tells no secret.
    pub what: String,
    /// What comes nearest to what is refused.
    pub nearest: Option<String>,
}

impl Finding {
    fn new(weight: Weight, key: &str, what: impl Into<String>) -> Self {
        Self {
            weight,
            key: key.to_owned(),
            what: what.into(),
            nearest: None,
        }
    }
}

/// A topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// The option that names it.
    pub option: &'static str,
    /// Its name.
    pub name: String,
    /// How many partitions it has; 0: there is no such topic.
    pub partitions: usize,
    /// Whether there is no cluster without it.
    pub is_needed: bool,
    /// Why a worker would not start on it; none: it would.
    pub refusal: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `group.id`.
    pub group_id: String,
    /// Who is in the group at the moment.
    pub group: GroupSnapshot,
    /// The three topics.
    pub topics: Vec<TopicReport>,
    /// The worker's properties.
    pub worker: WorkerReport,
    /// The connectors, by name.
    pub connectors: Vec<ConnectorReport>,
}

impl Report {
    /// The gravest of all verdicts; a worker that does not start runs no connector.
    pub fn verdict(&self) -> Verdict {
        let refuses = |it: &Finding| it.weight == Weight::Refused;
        let starts = !self.worker.findings.iter().any(refuses)
            && self.topics.iter().all(|topic| topic.refusal.is_none());
        let own = match starts {
            true => Verdict::Unchanged,
            false => Verdict::Refused,
        };
        let connectors = self.connectors.iter().map(ConnectorReport::verdict);
        connectors.fold(own, Verdict::max)
    }

    /// Whether workers of Kafka Connect are in the group.
    pub fn is_alive(&self) -> bool {
        self.group.protocol == JVM_PROTOCOL && !self.group.hosts.is_empty()
    }

    /// How many connectors have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let all = self.connectors.iter();
        all.filter(|it| it.verdict() == verdict).count()
    }
}

/// The type of the group of Kafka Connect's own workers.
const JVM_PROTOCOL: &str = "connect";

/// What a report is made with: what a worker has.
pub struct Migration<'a> {
    /// The worker's config.
    pub worker: &'a WorkerConfig,
    /// What configs may name.
    pub plugins: &'a Plugins,
    /// The runtime of converters; nothing is asked of it.
    pub runtime: tokio::runtime::Handle,
}

impl Migration<'_> {
    /// Reads a cluster, and says what becomes of it. Nothing is written.
    ///
    /// # Errors
    /// As [`ClusterReader::connect`] and [`ClusterReader::read`].
    pub async fn report(&self, worker: WorkerReport) -> Result<Report> {
        let reader = ClusterReader::connect(self.worker).await?;
        let snapshot = reader.read().await?;
        // A config provider may be slow, and plugins are compiled.
        let mut report = tokio::task::block_in_place(|| self.of(&snapshot, worker));
        for connector in &mut report.connectors {
            connector.start = self.start(&reader, &snapshot, connector).await?;
        }
        Ok(report)
    }

    /// What becomes of what a cluster has stored, but for where consumer groups go on.
    pub fn of(&self, snapshot: &ClusterSnapshot, worker: WorkerReport) -> Report {
        let mut state = ClusterState::default();
        for record in &snapshot.configs.records {
            state.apply(record.clone());
        }
        let names: Vec<String> = state.connectors().map(str::to_owned).collect();
        let connectors = names.iter().filter_map(|name| {
            let mut report = self.connector(name, state.config(name)?);
            report.target_state = state.target_state(name);
            report.tasks = state.tasks(name).len();
            report.was = was(snapshot, name);
            Some(report)
        });
        Report {
            group_id: self.worker.group_id().to_owned(),
            group: snapshot.group.clone(),
            topics: topics(snapshot),
            worker,
            connectors: connectors.collect(),
        }
    }
}

/// The worst state that the status topic has of a connector and its tasks: what a person would look
/// at first. None: it has none.
fn was(snapshot: &ClusterSnapshot, name: &str) -> Option<State> {
    let mut latest: std::collections::BTreeMap<StatusKey, State> = Default::default();
    for record in &snapshot.statuses.records {
        let Some(key) = StatusKey::from_key(&record.key) else {
            continue;
        };
        if key.connector() != name {
            continue;
        }
        match record.value.as_ref().and_then(Status::from_value) {
            Some(status) => latest.insert(key, status.state),
            None => latest.remove(&key),
        };
    }
    let states = || latest.values().copied();
    let failed = states().find(|state| *state == State::Failed);
    failed
        .or_else(|| states().find(|state| *state != State::Running))
        .or_else(|| states().next())
}

fn topics(snapshot: &ClusterSnapshot) -> Vec<TopicReport> {
    let topics = [
        ("config.storage.topic", &snapshot.configs, Some(1)),
        ("offset.storage.topic", &snapshot.offsets, None),
        ("status.storage.topic", &snapshot.statuses, None),
    ];
    let report = |(option, topic, most): (&'static str, &crate::storage::TopicSnapshot, _)| {
        let policy = topic.cleanup_policy.as_deref();
        let refusal = match (most, policy) {
            (Some(most), _) if topic.partitions > most => Some(format!(
                "it must have {most} partition, and has {}",
                topic.partitions
            )),
            (_, Some(policy)) if policy != "compact" => Some(format!(
                "it must have cleanup.policy=compact, and has {policy}"
            )),
            _ => None,
        };
        TopicReport {
            option,
            name: topic.name.clone(),
            partitions: topic.partitions,
            is_needed: most.is_some(),
            refusal,
        }
    };
    topics.map(report).into()
}

/// The word of a target state in reports.
pub fn target_word(state: TargetState) -> &'static str {
    match state {
        TargetState::Started => "running",
        TargetState::Paused => "paused",
        TargetState::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests;
