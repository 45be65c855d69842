//! What the worker lends to the sink: settings of clients of its own cluster.

use rdkafka::config::ClientConfig;

/// Settings of the clients that a task may make, with the connector's overrides. The worker puts
/// it into [`connect_api::TaskContext::clients`].
#[derive(Clone, Debug)]
pub struct Clients {
    /// Of a producer.
    pub producer: ClientConfig,
    /// Of a consumer in the task's group.
    pub consumer: ClientConfig,
    /// Of an admin client.
    pub admin: ClientConfig,
}
