//! What metrics show of this worker at one moment, and the changes of the group that it has seen.

use std::sync::Arc;

use tokio::time::Instant;

use super::Herder;
use crate::connector_config::class_of;
use crate::connectors::RegisteredConnector;
use crate::group::Session;
use crate::metrics::{ConnectorSeries, GroupSeries, RebalanceSeries, Sensor, Snapshot};
use crate::plugins::KAFKA_VERSION;
use crate::storage::{State, StatusKey};

/// Changes of the group of workers: from the moment when this worker hears of one until all of its
/// tasks are where they belong.
#[derive(Debug, Default)]
pub(super) struct Rebalances {
    times: Arc<Sensor>,
    begun: Option<Instant>,
    ended: Option<Instant>,
}

impl Rebalances {
    /// The group has changed.
    pub(super) fn begin(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
    }

    /// Nothing moves any more.
    fn end(&mut self, now: Instant) {
        if let Some(begun) = self.begun.take() {
            self.times.took(now.saturating_duration_since(begun));
            self.ended = Some(now);
        }
    }
}

impl Herder {
    /// Ends the change of the group that is under way, if nothing moves any more.
    pub(super) fn settle_rebalance(&mut self) {
        let is_member = self.membership.borrow().session == Session::Member;
        let moves = !self.taking_over.is_empty() || self.is_behind() || self.tasks.is_leaving();
        if is_member && !moves {
            self.rebalances.end(Instant::now());
        }
    }

    /// What metrics show.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            connectors: self.connector_series(),
            tasks: self.tasks.series(&self.statuses),
            connector_starts: Arc::clone(&self.connector_starts),
            task_starts: Arc::clone(self.tasks.starts()),
            rebalances: RebalanceSeries {
                times: Arc::clone(&self.rebalances.times),
                under_way: self.rebalances.begun.is_some(),
                since_last: self.rebalances.ended.map(|at| at.elapsed()),
                leader: self.leader_name(),
            },
            group: GroupSeries {
                client_id: format!("connect-{}", self.shared.config.worker_id()),
                assigned_tasks: self.mine().len(),
                version: KAFKA_VERSION,
                commit: concat!("ferrule-", env!("CARGO_PKG_VERSION")),
                client: self.member.as_ref().and_then(|it| it.meter().measured()),
            },
        }
    }

    /// The connectors that this worker answers for: those of the leader.
    fn connector_series(&self) -> Vec<ConnectorSeries> {
        if self.leader.is_none() {
            return Vec::new();
        }
        let names = self.log.cluster.connectors();
        let series = names.filter_map(|name| {
            let config = self.log.cluster.config(name)?;
            let status = self.statuses.get(&StatusKey::Connector(name.to_owned()));
            let class = class_of(config);
            let plugin = self.shared.plugins.connector(class);
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
    fn leader_name(&self) -> Option<String> {
        if self.leader.is_some() {
            return Some(self.shared.config.worker_id().to_owned());
        }
        let names = self.log.cluster.connectors();
        let statuses =
            names.filter_map(|name| self.statuses.get(&StatusKey::Connector(name.to_owned())));
        let newest = statuses.max_by_key(|status| status.generation)?;
        Some(newest.worker_id)
    }
}
