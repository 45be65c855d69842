//! Whether the offsets of a group can be changed as they are asked to: looked up before anything
//! is.

use std::collections::BTreeMap;

use connect_api::{Error, Offset, OffsetChange, TopicPartition};
use connect_kafka::group_list;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{ConsumerGroup, LIMIT, OffsetsRefusal};
use crate::storage::kafka::consumer_of;

/// Looks whether the group is empty, and whether partitions and offsets are there.
pub(super) fn check(group: &ConsumerGroup, change: &OffsetChange) -> Result<(), OffsetsRefusal> {
    let name = &group.group;
    let consumer = consumer_of(&group.client, name).map_err(OffsetsRefusal::Unknown)?;
    let groups = group_list(&consumer, name, LIMIT);
    let groups = groups.map_err(|error| unanswered(name, error))?;
    if groups
        .groups()
        .iter()
        .any(|found| !found.members().is_empty())
    {
        return Err(OffsetsRefusal::HasMembers);
    }
    let OffsetChange::Alter(offsets) = change else {
        return Ok(());
    };
    let mut counts = BTreeMap::new();
    for (topic_partition, next) in offsets {
        let topic = &*topic_partition.topic;
        let count = match counts.get(topic) {
            Some(count) => *count,
            None => {
                let count = partitions(&consumer, name, topic)?;
                counts.insert(topic, count);
                count
            }
        };
        if !(0..count).contains(&topic_partition.partition) {
            let partition = topic_partition.partition;
            let why = match count {
                0 => format!("there is no topic {topic}"),
                1 => format!("topic {topic} has no partition {partition}, only partition 0"),
                _ => format!(
                    "topic {topic} has no partition {partition}, only 0 to {}",
                    count - 1
                ),
            };
            return Err(OffsetsRefusal::NoSuchPartition(why));
        }
        if let Some(next) = next {
            check_within_log(&consumer, name, topic_partition, *next)?;
        }
    }
    Ok(())
}

/// How many partitions a topic has; 0: there is no such topic.
fn partitions<C: ClientContext + ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    topic: &str,
) -> Result<i32, OffsetsRefusal> {
    // The client would ask for all topics.
    if topic.is_empty() {
        return Ok(0);
    }
    let found = match consumer.fetch_metadata(Some(topic), LIMIT) {
        Ok(metadata) => metadata,
        Err(error) if is_no_topic(error.rdkafka_error_code()) => return Ok(0),
        Err(error) => return Err(unanswered(group, error)),
    };
    let mut found = found.topics().iter().filter(|found| found.name() == topic);
    let Some(found) = found.next() else {
        return Ok(0);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)),
        Some(code) if is_no_topic(Some(code)) => Ok(0),
        Some(code) => Err(OffsetsRefusal::Unknown(Error::retriable(format!(
            "cannot look topic {topic} up: {code}"
        )))),
    }
}

fn is_no_topic(code: Option<RDKafkaErrorCode>) -> bool {
    matches!(
        code,
        Some(
            RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::InvalidTopic
        )
    )
}

fn check_within_log<C: ClientContext + ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    topic_partition: &TopicPartition,
    next: Offset,
) -> Result<(), OffsetsRefusal> {
    let TopicPartition { topic, partition } = topic_partition;
    let log = consumer.fetch_watermarks(topic, *partition, LIMIT);
    let (low, high) = log.map_err(|error| unanswered(group, error))?;
    if (low..=high).contains(&next.0) {
        return Ok(());
    }
    let side = if next.0 < low {
        "before the beginning"
    } else {
        "beyond the end"
    };
    Err(OffsetsRefusal::OutsideLog(format!(
        "The offset {next} for {topic_partition} is {side} of its log, which has the offsets {low} \
         to {high}. No offset was altered."
    )))
}

fn unanswered(group: &str, error: KafkaError) -> OffsetsRefusal {
    let text = format!("could not look up group {group} and its topics");
    OffsetsRefusal::Unknown(Error::retriable(text).with_source(error))
}
