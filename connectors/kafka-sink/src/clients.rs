//! Settings of the clients that the sink makes, for librdkafka.

use connect_api::{ClientProperties, Result};
use connect_kafka::client_config;
use rdkafka::config::ClientConfig;

/// Settings of the clients that a task may make, with the connector's overrides.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// Of a producer.
    pub producer: ClientConfig,
    /// Of a consumer in the task's group.
    pub consumer: ClientConfig,
    /// Of an admin client.
    pub admin: ClientConfig,
    /// The worker's own topics.
    pub internal_topics: Vec<String>,
}

impl Clients {
    /// Brings the settings to librdkafka's.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting has no counterpart that can be used.
    pub(crate) fn new(properties: &ClientProperties) -> Result<Self> {
        Ok(Self {
            producer: client_config(&properties.producer)?,
            consumer: client_config(&properties.consumer)?,
            admin: client_config(&properties.admin)?,
            internal_topics: properties.internal_topics.clone(),
        })
    }
}
