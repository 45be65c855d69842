//! What REST shows of connectors and tasks: their configs, and the statuses that whichever worker
//! runs them has written.

use connect_api::Properties;

use super::command::{ConnectorView, TaskView};
use super::{Herder, Shared};
use crate::connector_config::{Subscription, class_of};
use crate::storage::{ConnectorTaskId, State, Status, StatusKey};

impl Herder {
    /// All connectors, by name.
    pub(super) fn views(&self) -> Vec<ConnectorView> {
        let names = self.log.cluster.connectors();
        names.filter_map(|name| self.view(name)).collect()
    }

    /// A connector; none: there is no such connector.
    pub(super) fn view(&self, name: &str) -> Option<ConnectorView> {
        let cluster = &self.log.cluster;
        let config = cluster.config(name)?;
        let tasks = (0..).zip(cluster.tasks(name)).map(|(id, config)| {
            let key = StatusKey::Task(ConnectorTaskId::new(name, id));
            TaskView {
                id,
                config: config.clone(),
                status: self.status(&key, config),
            }
        });
        let topics = match self.topics_reset.contains(name) {
            true => Vec::new(),
            false => Subscription::named_topics(config),
        };
        Some(ConnectorView {
            name: name.to_owned(),
            config: config.clone(),
            target_state: cluster.target_state(name),
            status: self.status(&StatusKey::Connector(name.to_owned()), config),
            tasks: tasks.collect(),
            topics,
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
