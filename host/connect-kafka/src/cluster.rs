//! Which Kafka cluster it is.

use std::time::Duration;

use connect_api::{Error, OffsetScope, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};

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
