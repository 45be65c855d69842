//! The offsets of consumer groups.

use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, Properties, Result};
use rdkafka::consumer::Consumer;
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;

use super::kafka::consumer_of;

const LIMIT: Duration = Duration::from_secs(10);

/// A group, and the topics to look up.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    /// The settings of its consumers.
    pub client: Properties,
    /// Its name.
    pub group: String,
    /// Its topics by name.
    pub topics: Vec<String>,
    /// Its topics by expression.
    pub pattern: Option<String>,
}

/// Looks up what consumer groups have committed.
#[async_trait]
pub trait ConsumerGroups: Send + Sync {
    /// Topic, partition and offset, for the partitions that have one.
    ///
    /// # Errors
    /// When Kafka does not answer.
    async fn committed(&self, group: ConsumerGroup) -> Result<Vec<(String, i32, i64)>>;
}

/// Asks Kafka.
#[derive(Debug)]
pub struct KafkaConsumerGroups;

#[async_trait]
impl ConsumerGroups for KafkaConsumerGroups {
    async fn committed(&self, group: ConsumerGroup) -> Result<Vec<(String, i32, i64)>> {
        let failed = |cause| Error::fatal("could not look up offsets").with_source(cause);
        tokio::task::spawn_blocking(move || committed(&group))
            .await
            .map_err(failed)?
    }
}

/// Knows none: without Kafka.
#[derive(Debug)]
pub struct NoConsumerGroups;

#[async_trait]
impl ConsumerGroups for NoConsumerGroups {
    async fn committed(&self, _: ConsumerGroup) -> Result<Vec<(String, i32, i64)>> {
        Ok(Vec::new())
    }
}

fn committed(group: &ConsumerGroup) -> Result<Vec<(String, i32, i64)>> {
    let name = &group.group;
    let failed = |cause| {
        Error::retriable(format!("could not look up the offsets of group {name}"))
            .with_source(cause)
    };
    let consumer = consumer_of(&group.client, name)?;
    let pattern = group
        .pattern
        .as_ref()
        .map(|p| Regex::new(&format!("^(?:{p})$")));
    let pattern = pattern
        .transpose()
        .map_err(|e| Error::config("topics.regex").with_source(e))?;
    let mut partitions = TopicPartitionList::new();
    let mut add = |topic: Option<&str>| {
        let metadata = consumer.fetch_metadata(topic, LIMIT).map_err(failed)?;
        for found in metadata.topics().iter().filter(|t| t.error().is_none()) {
            if topic.is_some() || pattern.as_ref().is_some_and(|p| p.is_match(found.name())) {
                for partition in found.partitions() {
                    partitions.add_partition(found.name(), partition.id());
                }
            }
        }
        Ok(())
    };
    for topic in &group.topics {
        add(Some(topic))?;
    }
    if group.pattern.is_some() {
        add(None)?;
    }
    if partitions.count() == 0 {
        return Ok(Vec::new());
    }
    let found = consumer
        .committed_offsets(partitions, LIMIT)
        .map_err(failed)?;
    let offsets = found
        .elements()
        .into_iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                Some((element.topic().to_owned(), element.partition(), offset))
            }
            _ => None,
        });
    Ok(offsets.collect())
}
