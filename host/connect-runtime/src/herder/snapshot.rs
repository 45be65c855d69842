//! What metrics show of this worker at one moment, and the changes of the group that it has seen.
//! All of it is kept where it is read without the herder's loop, which may be waiting for Kafka.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use connect_kafka::ClientMeter;
use tokio::time::Instant;

use super::cluster::ClusterState;
use super::shown_tasks::ShownTasks;
use super::statuses::StatusReader;
use super::{Herder, Shared};
use crate::connector_config::class_of;
use crate::connectors::RegisteredConnector;
use crate::group::Session;
use crate::metrics::{ConnectorSeries, GroupSeries, Outcomes, RebalanceSeries, Sensor, Snapshot};
use crate::plugins::KAFKA_VERSION;
use crate::storage::{State, StatusKey};

/// Changes of the group of workers: from the moment when this worker hears of one until all of its
/// tasks are where they belong.
#[derive(Default)]
pub(super) struct Rebalances {
    times: Arc<Sensor>,
    last: Mutex<LastRebalance>,
}

#[derive(Clone, Copy, Default)]
struct LastRebalance {
    begun: Option<Instant>,
    ended: Option<Instant>,
}

impl Rebalances {
    fn change(&self, change: impl FnOnce(&mut LastRebalance)) {
        change(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The group has changed.
    pub(super) fn begin(&self) {
        self.change(|last| {
            last.begun.get_or_insert_with(Instant::now);
        });
    }

    /// Nothing moves any more.
    fn end(&self, now: Instant) {
        self.change(|last| {
            if let Some(begun) = last.begun.take() {
                self.times.took(now.saturating_duration_since(begun));
                last.ended = Some(now);
            }
        });
    }

    fn series(&self, leader: Option<String>) -> RebalanceSeries {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        RebalanceSeries {
            times: Arc::clone(&self.times),
            under_way: last.begun.is_some(),
            since_last: last.ended.map(|at| at.elapsed()),
            leader,
        }
    }
}

/// What the herder says of itself for metrics, beside what its topics say.
pub(super) struct HerderMeters {
    /// Whether this worker leads.
    leads: AtomicBool,
    /// Tasks that were placed here when the herder last looked.
    assigned_tasks: AtomicUsize,
    /// Starts of connectors, while this worker led.
    pub(super) connector_starts: Arc<Outcomes>,
    tasks: Arc<ShownTasks>,
    pub(super) rebalances: Rebalances,
    /// Of the client in the group; none in a test without one.
    client: Option<Arc<ClientMeter>>,
}

impl HerderMeters {
    pub(super) fn new(tasks: Arc<ShownTasks>, client: Option<Arc<ClientMeter>>) -> Self {
        Self {
            leads: AtomicBool::default(),
            assigned_tasks: AtomicUsize::default(),
            connector_starts: Arc::default(),
            tasks,
            rebalances: Rebalances::default(),
            client,
        }
    }

    /// This worker leads from now on, or no more.
    pub(super) fn lead(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }

    /// So many tasks are placed here.
    pub(super) fn assigned(&self, tasks: usize) {
        self.assigned_tasks.store(tasks, Ordering::Relaxed);
    }

    /// What metrics show.
    pub(super) fn snapshot(
        &self,
        shared: &Shared,
        cluster: &ClusterState,
        statuses: &StatusReader,
    ) -> Snapshot {
        let leads = self.leads.load(Ordering::Relaxed);
        let (connectors, leader) = match leads {
            true => {
                let own = shared.config.worker_id().to_owned();
                (connector_series(shared, cluster, statuses), Some(own))
            }
            false => (Vec::new(), leader_name(cluster, statuses)),
        };
        Snapshot {
            connectors,
            tasks: self.tasks.series(statuses),
            connector_starts: Arc::clone(&self.connector_starts),
            task_starts: Arc::clone(self.tasks.starts()),
            rebalances: self.rebalances.series(leader),
            group: GroupSeries {
                client_id: format!("connect-{}", shared.config.worker_id()),
                assigned_tasks: self.assigned_tasks.load(Ordering::Relaxed),
                version: KAFKA_VERSION,
                commit: concat!("ferrule-", env!("CARGO_PKG_VERSION")),
                client: self.client.as_ref().and_then(|it| it.measured()),
            },
        }
    }
}

impl Herder {
    /// Ends the change of the group that is under way, if nothing moves any more.
    pub(super) fn settle_rebalance(&mut self) {
        let is_member = self.membership.borrow().session == Session::Member;
        let moves = !self.taking_over.is_empty() || self.is_behind() || self.tasks.is_leaving();
        if is_member && !moves {
            self.meters.rebalances.end(Instant::now());
        }
    }
}

/// The connectors that the leader answers for.
fn connector_series(
    shared: &Shared,
    cluster: &ClusterState,
    statuses: &StatusReader,
) -> Vec<ConnectorSeries> {
    let series = cluster.connectors().filter_map(|name| {
        let config = cluster.config(name)?;
        let status = statuses.get(&StatusKey::Connector(name.to_owned()));
        let class = class_of(config);
        let plugin = shared.plugins.connector(class);
        let version = plugin.map(|it| it.connector().version().to_owned());
        Some(ConnectorSeries {
            name: name.to_owned(),
            state: status.map_or(State::Unassigned, |status| status.state),
            class: class.to_owned(),
            kind: plugin.map_or("unknown", RegisteredConnector::type_name),
            version: version.unwrap_or_default(),
        })
    });
    series.collect()
}

/// The worker that leads, by the statuses of connectors, which only a leader writes; the newest
/// says so. None: there is no connector.
fn leader_name(cluster: &ClusterState, statuses: &StatusReader) -> Option<String> {
    let names = cluster.connectors();
    let statuses = names.filter_map(|name| statuses.get(&StatusKey::Connector(name.to_owned())));
    let newest = statuses.max_by_key(|status| status.generation)?;
    Some(newest.worker_id)
}
