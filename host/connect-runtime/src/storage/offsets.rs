//! The offsets of consumer groups.

mod check;

use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, OffsetChange, OffsetScope, Properties, Result, TopicPartition};
use connect_kafka::{
    CommitMark, GroupOffset, KafkaClient, add_marked, cluster_id, create, topic_name_refusal,
};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::kafka::consumer_of;
use crate::connector_config::{Subscription, TopicPattern};
use crate::kafka::client_config;

const LIMIT: Duration = Duration::from_secs(10);

/// A group, and the topics to look up.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    /// The settings of its consumers.
    pub client: Properties,
    /// Its name.
    pub group: String,
    /// The topics that it reads.
    pub subscription: Subscription,
}

/// Why offsets cannot be changed.
#[derive(Debug)]
pub enum OffsetsRefusal {
    /// The group has members: the tasks have not left it yet.
    HasMembers,
    /// There is no such topic or partition.
    NoSuchPartition(String),
    /// An offset is outside its log.
    OutsideLog(String),
    /// Kafka does not answer, or refuses to.
    Unknown(Error),
}

/// Looks up and changes what consumer groups have committed.
#[async_trait]
pub trait ConsumerGroups: Send + Sync {
    /// The id of the Kafka cluster that the group reads from.
    ///
    /// # Errors
    /// When Kafka does not answer.
    async fn cluster_id(&self, group: ConsumerGroup) -> Result<String>;

    /// The offset to go on from, for the partitions that have one.
    ///
    /// # Errors
    /// When Kafka does not answer.
    async fn committed(&self, group: ConsumerGroup) -> Result<Vec<(TopicPartition, GroupOffset)>>;

    /// Looks whether a change can be made, before anything is: the group has no members, each
    /// partition exists, and each offset is within its log.
    ///
    /// # Errors
    /// Why it cannot.
    async fn check(
        &self,
        group: ConsumerGroup,
        change: OffsetChange,
    ) -> std::result::Result<(), OffsetsRefusal>;

    /// Changes what a group has committed.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when the group has members, or when Kafka does not
    /// answer.
    async fn alter(&self, group: ConsumerGroup, change: OffsetChange) -> Result<()>;
}

/// Asks Kafka.
#[derive(Debug)]
pub struct KafkaConsumerGroups;

#[async_trait]
impl ConsumerGroups for KafkaConsumerGroups {
    async fn cluster_id(&self, group: ConsumerGroup) -> Result<String> {
        let failed = |cause| Error::fatal("could not ask for the cluster").with_source(cause);
        let asked = move || {
            let consumer = consumer_of(&group.client, &group.group)?;
            cluster_id(&consumer, LIMIT)
        };
        tokio::task::spawn_blocking(asked).await.map_err(failed)?
    }

    async fn committed(&self, group: ConsumerGroup) -> Result<Vec<(TopicPartition, GroupOffset)>> {
        let failed = |cause| Error::fatal("could not look up offsets").with_source(cause);
        tokio::task::spawn_blocking(move || committed(&group))
            .await
            .map_err(failed)?
    }

    async fn check(
        &self,
        group: ConsumerGroup,
        change: OffsetChange,
    ) -> std::result::Result<(), OffsetsRefusal> {
        let failed = |cause| {
            let error = Error::fatal("could not check offsets").with_source(cause);
            OffsetsRefusal::Unknown(error)
        };
        tokio::task::spawn_blocking(move || check::check(&group, &change))
            .await
            .map_err(failed)?
    }

    async fn alter(&self, group: ConsumerGroup, change: OffsetChange) -> Result<()> {
        let offsets = match change {
            OffsetChange::Reset => return delete(&group).await,
            OffsetChange::Alter(offsets) => offsets,
        };
        let plain = |offset| GroupOffset {
            offset,
            mark: Some(CommitMark::default()),
        };
        let mut wanted: Vec<_> = offsets
            .iter()
            .filter_map(|(topic_partition, next)| Some((topic_partition.clone(), plain((*next)?))))
            .collect();
        if wanted.len() < offsets.len() {
            // The client cannot take back the offset of one partition: the group begins anew with
            // those of the others.
            let others = self.committed(group.clone()).await?.into_iter();
            let altered = |topic_partition: &TopicPartition| {
                offsets.iter().any(|(at, _)| at == topic_partition)
            };
            wanted.extend(others.filter(|(topic_partition, _)| !altered(topic_partition)));
            delete(&group).await?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let failed = |cause| Error::fatal("could not alter offsets").with_source(cause);
        tokio::task::spawn_blocking(move || commit(&group, &wanted))
            .await
            .map_err(failed)?
    }
}

/// Knows none: without Kafka.
#[derive(Debug)]
pub struct NoConsumerGroups;

#[async_trait]
impl ConsumerGroups for NoConsumerGroups {
    async fn cluster_id(&self, _: ConsumerGroup) -> Result<String> {
        Ok(OffsetScope::NO_ID.to_owned())
    }

    async fn committed(&self, _: ConsumerGroup) -> Result<Vec<(TopicPartition, GroupOffset)>> {
        Ok(Vec::new())
    }

    async fn check(
        &self,
        _: ConsumerGroup,
        _: OffsetChange,
    ) -> std::result::Result<(), OffsetsRefusal> {
        Ok(())
    }

    async fn alter(&self, _: ConsumerGroup, _: OffsetChange) -> Result<()> {
        Ok(())
    }
}

/// Deletes a group; one that is not there is none.
async fn delete(group: &ConsumerGroup) -> Result<()> {
    let name = group.group.as_str();
    let admin: KafkaClient<AdminClient<DefaultClientContext>> =
        create(&client_config(&group.client)?, DefaultClientContext)
            .map_err(|error| Error::config("admin client").with_source(error))?;
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    let failed = |cause: RDKafkaErrorCode| refused(name, cause);
    let answers = admin.delete_groups(&[name], &options).await;
    let answers = answers.map_err(|error| {
        Error::retriable(format!("could not delete group {name}")).with_source(error)
    })?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
            Err((_, code)) => return Err(failed(code)),
        }
    }
    Ok(())
}

/// Commits offsets in the name of a group without being a member of it.
fn commit(group: &ConsumerGroup, offsets: &[(TopicPartition, GroupOffset)]) -> Result<()> {
    let name = group.group.as_str();
    let failed = |error: rdkafka::error::KafkaError| match error.rdkafka_error_code() {
        Some(code) => refused(name, code),
        None => Error::retriable(format!("could not alter the offsets of group {name}"))
            .with_source(error),
    };
    let consumer = consumer_of(&group.client, name)?;
    let mut list = TopicPartitionList::new();
    for (topic_partition, GroupOffset { offset, mark }) in offsets {
        // The client library takes no other name.
        if let Some(why) = topic_name_refusal(&topic_partition.topic) {
            return Err(Error::config(format!("an offset: {why}")));
        }
        let added = match mark {
            Some(mark) => add_marked(&mut list, topic_partition, *offset, mark),
            None => {
                let TopicPartition { topic, partition } = topic_partition;
                list.add_partition_offset(topic, *partition, rdkafka::Offset::Offset(offset.0))
            }
        };
        added.map_err(failed)?;
    }
    consumer.commit(&list, CommitMode::Sync).map_err(failed)
}

fn refused(group: &str, code: RDKafkaErrorCode) -> Error {
    match code {
        RDKafkaErrorCode::NonEmptyGroup
        | RDKafkaErrorCode::UnknownMemberId
        | RDKafkaErrorCode::RebalanceInProgress
        | RDKafkaErrorCode::IllegalGeneration => {
            Error::fenced(format!("group {group} has members"))
        }
        code => Error::retriable(format!(
            "could not alter the offsets of group {group}: {code}"
        )),
    }
}

fn committed(group: &ConsumerGroup) -> Result<Vec<(TopicPartition, GroupOffset)>> {
    let name = &group.group;
    let failed = |cause| {
        Error::retriable(format!("could not look up the offsets of group {name}"))
            .with_source(cause)
    };
    let consumer = consumer_of(&group.client, name)?;
    let (topics, pattern) = match &group.subscription {
        Subscription::Topics(topics) => (topics.as_slice(), None),
        Subscription::Pattern(pattern) => {
            let pattern = TopicPattern::new(pattern);
            let pattern = pattern.map_err(|e| Error::config(format!("topics.regex: {e}")))?;
            (&[] as &[String], Some(pattern))
        }
    };
    let mut partitions = TopicPartitionList::new();
    let mut add = |topic: Option<&str>| {
        let metadata = consumer.fetch_metadata(topic, LIMIT).map_err(failed)?;
        for found in metadata.topics().iter().filter(|t| t.error().is_none()) {
            if topic.is_some() || pattern.as_ref().is_some_and(|p| p.matches(found.name())) {
                for partition in found.partitions() {
                    partitions.add_partition(found.name(), partition.id());
                }
            }
        }
        Ok(())
    };
    for topic in topics {
        add(Some(topic))?;
    }
    if pattern.is_some() {
        add(None)?;
    }
    if partitions.count() == 0 {
        return Ok(Vec::new());
    }
    let found = consumer
        .committed_offsets(partitions, LIMIT)
        .map_err(failed)?;
    let found = found.elements();
    let offsets = found.iter().filter_map(|element| {
        let partition = TopicPartition::new(element.topic(), element.partition());
        Some((partition, GroupOffset::of(element)?))
    });
    Ok(offsets.collect())
}
