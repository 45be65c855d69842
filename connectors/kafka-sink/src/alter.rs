//! Offsets that are altered from outside: the state of their partitions goes with them.

use std::collections::HashSet;
use std::sync::Arc;

use connect_api::{Error, Offset, OffsetChange, Result, TopicPartition};
use connect_kafka::{CommitMark, KafkaClient, add_marked, create};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};

use crate::changelog::{Changelog, ChangelogConfig};
use crate::clients::Clients;
use crate::producer::{Failure, Offsets, Producer};

/// Deletes the state of the partitions that are to go on elsewhere, in one transaction with their
/// offsets. A partition that is to have none needs nothing: whoever opens it deletes its state.
pub(crate) fn alter(
    config: ChangelogConfig,
    clients: &Arc<Clients>,
    connector: &str,
    change: &OffsetChange,
) -> Result<()> {
    let OffsetChange::Alter(offsets) = change else {
        return Ok(());
    };
    let moved = offsets
        .iter()
        .filter_map(|(topic_partition, next)| Some((topic_partition.clone(), (*next)?)));
    let (topic_partitions, offsets): (Vec<TopicPartition>, Vec<Offset>) = moved.unzip();
    let changelog = Changelog::new(config, Arc::clone(clients), Vec::new());
    if topic_partitions.is_empty() || !changelog.find()? {
        return Ok(());
    }
    let mut deletions = Vec::new();
    for (topic_partition, states) in changelog.read(&topic_partitions)? {
        changelog.deletions(&topic_partition, &states, &mut deletions)?;
    }
    if deletions.is_empty() {
        return Ok(());
    }
    let mut client = clients.producer.clone();
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("transactional.id", format!("connect-{connector}-offsets"));
    let producer = Producer::start(&client, true)?;
    let consumer: KafkaClient<BaseConsumer> = create(&clients.consumer, DefaultConsumerContext)
        .map_err(|e| Error::config(format!("consumer: {e}")))?;
    // Of no member: Kafka takes it of a group that has none.
    let membership = consumer
        .group_metadata()
        .ok_or_else(|| Error::fatal("the consumer is in no group"))?;
    let mut positions = TopicPartitionList::with_capacity(topic_partitions.len());
    for (topic_partition, next) in topic_partitions.iter().zip(offsets) {
        let added = add_marked(
            &mut positions,
            topic_partition,
            next,
            &CommitMark::default(),
        );
        added.map_err(|e| Error::fatal(format!("{topic_partition}: {e}")))?;
    }
    let offsets = Offsets {
        positions: &positions,
        membership: &membership,
    };
    let done = producer.transaction(&deletions, &HashSet::new(), Some(&offsets), &mut |_| None);
    done.map_err(|failure| match failure {
        Failure::Unknown(error) => Error::fenced(error.chain()),
        other => other.into_error(),
    })
}
