//! Requests about offsets: those of the consumer group, and those that a sink keeps.

use std::time::Duration;

use connect_api::{ErrorKind, Offset, OffsetChange, TopicPartition};
use tokio::time::Instant;

use super::{Answer, HerderHandle, REQUEST_LIMIT};
use crate::connector_config::ConnectorConfig;
use crate::connectors::RegisteredConnector;
use crate::herder::HerderError;
use crate::storage::{ConsumerGroup, TargetState};

/// How long the group's coordinator may take to hear that the members of a stopped connector left.
const LEAVING: Duration = Duration::from_secs(5);

impl HerderHandle {
    /// What the connector's consumer group has committed.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], or when Kafka does not answer.
    pub async fn offsets(&self, name: &str) -> Answer<Vec<(TopicPartition, Offset)>> {
        let config = self.connector_config(name).await?;
        let group = self.group(&config);
        let looked_up = self.shared.groups.committed(group);
        match tokio::time::timeout(REQUEST_LIMIT, looked_up).await {
            Ok(found) => Ok(found?),
            Err(_) => Err(HerderError::Timeout(REQUEST_LIMIT)),
        }
    }

    /// Changes the offsets of a stopped connector: those that its sink keeps, and then those of its
    /// consumer group. The same request can be repeated where only the first was done.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], [`HerderError::BadRequest`] when the connector is not stopped.
    pub async fn alter_offsets(&self, name: &str, change: OffsetChange) -> Answer<()> {
        self.must_be_stopped(name).await?;
        let config = self.connector_config(name).await?;
        let altering = self.alter(&config, change);
        let altered = tokio::time::timeout(REQUEST_LIMIT, altering).await;
        altered.unwrap_or(Err(HerderError::Timeout(REQUEST_LIMIT)))
    }

    pub(super) async fn must_be_stopped(&self, name: &str) -> Answer<()> {
        let view = self.connector(name).await?;
        if view.target_state != TargetState::Stopped || !view.tasks.is_empty() {
            return Err(HerderError::BadRequest(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. \
                 This can be done for the specified connector by issuing a 'PUT' request to the \
                 '/connectors/{name}/stop' endpoint"
            )));
        }
        Ok(())
    }

    async fn alter(&self, config: &ConnectorConfig, change: OffsetChange) -> Answer<()> {
        let name = &config.name;
        let RegisteredConnector::Sink(sink) = &config.connector else {
            return Err(HerderError::Internal(format!(
                "Connector {name} is not a sink"
            )));
        };
        let context = self.context(config);
        let sink = sink.connector();
        sink.alter_offsets(&config.own, &context, &change).await?;
        let doing = match change {
            OffsetChange::Alter(_) => "alter",
            OffsetChange::Reset => "reset",
        };
        let group = self.group(config);
        let deadline = Instant::now() + LEAVING;
        let altered = loop {
            match self
                .shared
                .groups
                .alter(group.clone(), change.clone())
                .await
            {
                Err(error) if error.kind() == ErrorKind::Fenced && Instant::now() < deadline => {
                    tokio::time::sleep(LEAVING / 50).await;
                }
                altered => break altered,
            }
        };
        altered.map_err(|error| match error.kind() {
            ErrorKind::Fenced => HerderError::Internal(format!(
                "Failed to {doing} consumer group offsets for connector {name} either because its \
                 tasks haven't stopped completely yet or the connector was resumed before the \
                 request to {doing} its offsets could be successfully completed. If the connector \
                 is in a stopped state, this operation can be safely retried. If it doesn't \
                 eventually succeed, the Connect cluster may need to be restarted to get rid of \
                 the zombie sink tasks."
            )),
            _ => error.into(),
        })
    }

    fn group(&self, config: &ConnectorConfig) -> ConsumerGroup {
        let mut client = self.shared.config.client_properties("consumer.");
        client.extend(config.clients.consumer().clone());
        ConsumerGroup {
            client,
            group: config.group_id.clone(),
            subscription: config.subscription.clone(),
        }
    }
}
