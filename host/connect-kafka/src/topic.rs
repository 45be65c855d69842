//! Topics that are created when they are absent.

use std::time::Duration;

use connect_api::{Error, Result};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::util::Timeout;

/// A topic as it is to be created.
#[derive(Clone, Debug)]
pub struct TopicSpec<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for, for errors: `dead letter topic`.
    pub purpose: &'a str,
    /// How many partitions it gets.
    pub partitions: i32,
    /// How many replicas each partition gets; -1 is the broker's default.
    pub replication: i32,
    /// Settings of the topic, by Kafka's names: `("cleanup.policy", "compact")`.
    pub settings: Vec<(&'a str, &'a str)>,
}

/// What [`TopicSpec::create`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCreation {
    /// The topic was absent, and is created now.
    Created,
    /// There was a topic of this name. Its partitions and settings may be others.
    AlreadyThere,
}

impl TopicSpec<'_> {
    /// Creates the topic if it is absent, by a new admin client of these settings.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when librdkafka rejects a setting;
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer within `limit`, or refuses.
    pub async fn create_by(&self, admin: &ClientConfig, limit: Duration) -> Result<TopicCreation> {
        let client: AdminClient<DefaultClientContext> = admin
            .create()
            .map_err(|e| Error::config(format!("admin client: {e}")))?;
        self.create(&client, limit).await
    }

    /// Creates the topic if it is absent.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer within `limit`, or refuses.
    pub async fn create(
        &self,
        client: &AdminClient<DefaultClientContext>,
        limit: Duration,
    ) -> Result<TopicCreation> {
        let Self {
            name,
            purpose,
            partitions,
            replication,
            settings,
        } = self;
        let failed = |error: &dyn std::fmt::Display| {
            Error::retriable(format!("cannot create {purpose} {name}: {error}"))
        };
        let mut wanted = NewTopic::new(name, *partitions, TopicReplication::Fixed(*replication));
        for (key, value) in settings {
            wanted = wanted.set(key, value);
        }
        let limit = Some(Timeout::After(limit));
        let options = AdminOptions::new()
            .request_timeout(limit)
            .operation_timeout(limit);
        let answers = client.create_topics([&wanted], &options).await;
        match answers.map_err(|e| failed(&e))?.pop() {
            Some(Ok(_)) => Ok(TopicCreation::Created),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(TopicCreation::AlreadyThere),
            Some(Err((_, code))) => Err(failed(&code)),
            None => Err(failed(&"the answer is empty")),
        }
    }
}
