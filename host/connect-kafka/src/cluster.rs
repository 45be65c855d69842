//! What a client asks a Kafka cluster as a whole.

use std::time::Duration;

use connect_api::{Error, OffsetScope, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::groups::GroupList;

use crate::is_outage;

/// A topic that is there wherever groups are.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The id of the Kafka cluster that a consumer reads from (KIP-78). [`OffsetScope::NO_ID`] where
/// its brokers tell none. Blocks for twice the limit at most.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] when no broker answers.
pub fn cluster_id<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    limit: Duration,
) -> Result<String> {
    if let Some(id) = consumer.client().fetch_cluster_id(limit) {
        return Ok(id);
    }
    let asked = consumer.fetch_metadata(None, limit);
    asked.map_err(|cause| {
        Error::retriable("Kafka does not tell the id of its cluster").with_source(cause)
    })?;
    let id = consumer.client().fetch_cluster_id(Duration::ZERO);
    Ok(id.unwrap_or_else(|| OffsetScope::NO_ID.to_owned()))
}

/// A group and its members. Blocks for twice the limit at most.
///
/// A client that has asked nothing yet knows no brokers, and would wait for its timer of a second
/// before it lists a group; asking for a topic brings them at once.
///
/// # Errors
/// When no broker answers, or they refuse.
pub fn group_list<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    limit: Duration,
) -> KafkaResult<GroupList> {
    match consumer.fetch_metadata(Some(OFFSETS_TOPIC), limit) {
        Err(cause) if is_outage(&cause) => Err(cause),
        // What is said of the topic itself does not matter.
        _ => consumer.fetch_group_list(Some(group), limit),
    }
}
