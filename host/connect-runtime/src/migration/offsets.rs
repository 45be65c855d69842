//! Where a connector goes on: at the offsets of its consumer group, or those that it has stored.

use connect_api::{Error, Offset, Result, SourceOffset, SourcePartition, TopicPartition};

use super::{ConnectorReport, Finding, Migration, Weight};
use crate::connector_config::{ConnectorConfig, Subscription, TopicPattern};
use crate::connectors::RegisteredConnector;
use crate::storage::{
    ClusterReader, ClusterSnapshot, ConsumerGroup, ConsumerGroups as _, KafkaConsumerGroups,
    offsets_of,
};

/// Where a connector goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// A sink, at the offsets of its group.
    Group(GroupStart),
    /// A source, at what it has stored.
    Source(Vec<(SourcePartition, SourceOffset)>),
}

impl Eq for Start {}

/// The offsets of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStart {
    /// The group.
    pub group: String,
    /// Topics that the config names and that are not there.
    pub missing_topics: Vec<String>,
    /// All partitions, in their order.
    pub partitions: Vec<PartitionStart>,
    /// Where partitions begin that have no offset: `auto.offset.reset`.
    pub otherwise: String,
}

/// The offset of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStart {
    /// The partition.
    pub at: TopicPartition,
    /// The next record to read; none: the group has committed none.
    pub offset: Option<Offset>,
    /// The end of the log; none: Kafka does not tell.
    pub end: Option<Offset>,
}

impl PartitionStart {
    /// How many records there are to read, transaction marks included.
    pub fn behind(&self) -> Option<u64> {
        let (offset, end) = (self.offset?, self.end?);
        u64::try_from(end.0.saturating_sub(offset.0)).ok()
    }
}

impl Migration<'_> {
    /// Where a connector goes on; none: it is refused.
    pub(super) async fn start(
        &self,
        reader: &ClusterReader<'_>,
        snapshot: &ClusterSnapshot,
        report: &mut ConnectorReport,
    ) -> Result<Option<Start>> {
        let Some(config) = report.config.as_ref().map(|it| it.0.clone()) else {
            return Ok(None);
        };
        match &config.connector {
            RegisteredConnector::Sink(_) => {
                let start = self.group_start(reader, &config).await?;
                Ok(Some(Start::Group(start)))
            }
            RegisteredConnector::Source(source) => {
                let stored = stored(snapshot, &config.name);
                let given = stored.iter().cloned();
                let given: Vec<_> = given.map(|(at, offset)| (at, Some(offset))).collect();
                if let Err(error) = source.check_offsets(&config.own, &given)
                    && !given.is_empty()
                {
                    let why = format!("it cannot go on from what is stored: {}", error.chain());
                    report.findings.push(Finding::new(Weight::Differs, "", why));
                }
                Ok(Some(Start::Source(stored)))
            }
        }
    }

    async fn group_start(
        &self,
        reader: &ClusterReader<'_>,
        config: &ConnectorConfig,
    ) -> Result<GroupStart> {
        let mut client = self.worker.client_properties("consumer.");
        client.extend(config.clients.consumer().clone());
        let otherwise = client.get("auto.offset.reset").cloned();
        let topics = subscribed(reader, &config.subscription)?;
        let (there, missing_topics): (Vec<_>, Vec<_>) =
            topics.into_iter().partition(|topic| reader.has(topic));
        let partitions = there.iter().flat_map(|topic| {
            let partitions = reader.partitions(topic).iter();
            partitions.map(|partition| TopicPartition::new(topic.as_str(), *partition))
        });
        let partitions: Vec<TopicPartition> = partitions.collect();
        // To ask for a topic by its name may create it: only those are asked for that are there.
        let committed = match there.is_empty() {
            true => Vec::new(),
            false => {
                let group = ConsumerGroup {
                    client,
                    group: config.group_id.clone(),
                    subscription: Subscription::Topics(there),
                };
                KafkaConsumerGroups.committed(group).await?
            }
        };
        let ends = reader.ends(partitions.clone()).await?;
        let start = |at: TopicPartition| {
            let found = committed.iter().find(|(known, _)| *known == at);
            PartitionStart {
                offset: found.map(|(_, group)| group.offset),
                end: ends.get(&at).copied(),
                at,
            }
        };
        Ok(GroupStart {
            group: config.group_id.clone(),
            missing_topics,
            partitions: partitions.into_iter().map(start).collect(),
            otherwise: otherwise.unwrap_or_else(|| "earliest".to_owned()),
        })
    }
}

/// The topics that a sink reads: those that are named, and those that are there and match.
fn subscribed(reader: &ClusterReader<'_>, subscription: &Subscription) -> Result<Vec<String>> {
    match subscription {
        Subscription::Topics(topics) => Ok(topics.clone()),
        Subscription::Pattern(pattern) => {
            let pattern = TopicPattern::new(pattern);
            let pattern = pattern.map_err(|why| Error::config(format!("topics.regex: {why}")))?;
            let matching = reader.topics().filter(|topic| pattern.matches(topic));
            Ok(matching.map(str::to_owned).collect())
        }
    }
}

/// What a source has stored.
pub(super) fn stored(
    snapshot: &ClusterSnapshot,
    connector: &str,
) -> Vec<(SourcePartition, SourceOffset)> {
    let quoted = serde_json::Value::from(connector).to_string();
    let records = snapshot.offsets.records.iter();
    // Only to copy less: what the key says is looked at behind it.
    let own = records.filter(|record| record.key.contains(&quoted));
    offsets_of(connector, own.cloned().collect())
}
