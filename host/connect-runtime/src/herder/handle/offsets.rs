//! Requests about offsets: those of the consumer group, and those that a sink keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use connect_api::{ErrorKind, Offset, OffsetChange, OffsetScope, TopicPartition};
use connect_kafka::CommitMark;
use tokio::time::Instant;

use super::{Answer, HerderHandle, REQUEST_LIMIT};
use crate::connector_config::ConnectorConfig;
use crate::connectors::RegisteredConnector;
use crate::herder::HerderError;
use crate::storage::{ConsumerGroup, OffsetsRefusal, TargetState};

/// How long the group may keep the members of a stopped connector: one that was stopped while it
/// joined is missed when its session is over, 10 s unless the config says otherwise.
const LEAVING: Duration = Duration::from_secs(15);
/// How often it is looked whether they have left. Most have within a tenth of a second.
const LEAVING_LOOK: Duration = Duration::from_millis(100);

impl HerderHandle {
    /// Where the connector's tasks go on when they are next started: at the offsets that the sink
    /// keeps, and at those of its consumer group where the sink has none, or someone else than
    /// Ferrule has set the group's.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], or when Kafka or the target does not answer.
    pub async fn offsets(&self, name: &str) -> Answer<Vec<(TopicPartition, Offset)>> {
        let config = self.connector_config(name).await?;
        let looked_up = self.next_start(&config);
        let found = tokio::time::timeout(REQUEST_LIMIT, looked_up).await;
        found.unwrap_or(Err(HerderError::Timeout(REQUEST_LIMIT)))
    }

    async fn next_start(&self, config: &ConnectorConfig) -> Answer<Vec<(TopicPartition, Offset)>> {
        let committed = self.shared.groups.committed(self.group(config)).await?;
        let stored = match &config.connector {
            RegisteredConnector::Sink(sink) => {
                let context = self.context(config).await?;
                let sink = sink.connector();
                sink.offsets(&config.own, &context).await?
            }
            RegisteredConnector::Source(_) => None,
        };
        let Some(stored) = stored else {
            let all = committed.into_iter();
            return Ok(all.map(|(at, group)| (at, group.offset)).collect());
        };
        let mut offsets: BTreeMap<_, _> = stored.into_iter().collect();
        for (topic_partition, group) in committed {
            match &group.mark {
                None => {
                    offsets.insert(topic_partition, group.offset);
                }
                // What was committed for a target that has it no more is not where a task goes on.
                Some(mark) if mark.get(CommitMark::TARGET).is_some() => {}
                Some(_) => {
                    offsets.entry(topic_partition).or_insert(group.offset);
                }
            }
        }
        Ok(offsets.into_iter().collect())
    }

    /// Changes the offsets of a stopped connector: those that its sink keeps and those of its
    /// consumer group. A change that is refused leaves the sink's as they are, and so does a target
    /// that is away.
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
        let deadline = Instant::now() + LEAVING;
        self.check_offsets(config, &change, deadline).await?;
        let context = self.context(config).await?;
        let sink = sink.connector();
        // Rolled back when the group does not take the change.
        let pending = sink.alter_offsets(&config.own, &context, &change).await?;
        let group = self.group(config);
        let altered = loop {
            match self
                .shared
                .groups
                .alter(group.clone(), change.clone())
                .await
            {
                Err(error) if error.kind() == ErrorKind::Fenced && Instant::now() < deadline => {
                    tokio::time::sleep(LEAVING_LOOK).await;
                }
                altered => break altered,
            }
        };
        altered.map_err(|error| match error.kind() {
            ErrorKind::Fenced => has_members(name, &change),
            _ => error.into(),
        })?;
        match pending {
            Some(pending) => Ok(pending.commit().await?),
            None => Ok(()),
        }
    }

    /// Refuses a change that cannot be made as a whole, before anything is changed.
    async fn check_offsets(
        &self,
        config: &ConnectorConfig,
        change: &OffsetChange,
        deadline: Instant,
    ) -> Answer<()> {
        let (name, group) = (&config.name, self.group(config));
        let doing = doing(change);
        loop {
            let checked = self.shared.groups.check(group.clone(), change.clone());
            return match checked.await {
                Ok(()) => Ok(()),
                Err(OffsetsRefusal::HasMembers) if Instant::now() < deadline => {
                    tokio::time::sleep(LEAVING_LOOK).await;
                    continue;
                }
                Err(OffsetsRefusal::HasMembers) => Err(has_members(name, change)),
                Err(OffsetsRefusal::NoSuchPartition(why)) => Err(HerderError::Internal(format!(
                    "Failed to {doing} consumer group offsets for connector {name}: {why}"
                ))),
                Err(OffsetsRefusal::OutsideLog(why)) => Err(HerderError::BadRequest(why)),
                Err(OffsetsRefusal::Unknown(error)) => Err(error.into()),
            };
        }
    }

    /// Whose offsets those of the connector are: its consumers may read from another Kafka than the
    /// worker.
    pub(super) async fn offset_scope(&self, config: &ConnectorConfig) -> Answer<OffsetScope> {
        let own = !config.clients.consumer().contains_key("bootstrap.servers");
        let cluster = match self.shared.cluster_id.as_ref().filter(|_| own) {
            Some(known) => known.clone(),
            None => self.shared.groups.cluster_id(self.group(config)).await?,
        };
        Ok(OffsetScope {
            cluster,
            group: config.group_id.clone(),
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

fn doing(change: &OffsetChange) -> &'static str {
    match change {
        OffsetChange::Alter(_) => "alter",
        OffsetChange::Reset => "reset",
    }
}

fn has_members(name: &str, change: &OffsetChange) -> HerderError {
    let doing = doing(change);
    HerderError::Internal(format!(
        "Failed to {doing} consumer group offsets for connector {name} either because its tasks \
         haven't stopped completely yet or the connector was resumed before the request to {doing} \
         its offsets could be successfully completed. If the connector is in a stopped state, this \
         operation can be safely retried. If it doesn't eventually succeed, the Connect cluster \
         may need to be restarted to get rid of the zombie sink tasks."
    ))
}
