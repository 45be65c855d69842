//! Topics that are created when they are absent.

use std::time::Duration;

use connect_api::{Error, ErrorKind, Result};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::util::Timeout;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::cause::SettingsOf;
use crate::login::{KafkaClient, create};
use crate::quiet::unreachable_because;

/// How long it may take to find out why a topic was not created.
const REASON_LIMIT: Duration = Duration::from_secs(2);

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
    /// The option that says how many, for errors: `config.storage.replication.factor`.
    pub replication_option: &'a str,
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
    /// [`connect_api::ErrorKind::Config`] when librdkafka rejects a setting, or there are fewer
    /// brokers than replicas; [`connect_api::ErrorKind::Retriable`] when Kafka does not answer
    /// within `limit`, or refuses.
    pub async fn create_by(
        &self,
        admin: &ClientConfig,
        settings: SettingsOf,
        limit: Duration,
    ) -> Result<TopicCreation> {
        let client: KafkaClient<AdminClient<DefaultClientContext>> =
            create(admin, DefaultClientContext)
                .map_err(|e| Error::config(format!("admin client: {e}")))?;
        let created = self.create(&client, limit).await;
        let Err(error) = created else { return created };
        if error.kind() != ErrorKind::Retriable {
            return Err(error);
        }
        let admin = admin.clone();
        let ask = move || unreachable_because(&admin, settings, REASON_LIMIT);
        let cause = tokio::task::spawn_blocking(ask).await.ok().flatten();
        Err(cause.map_or(error, |cause| {
            Error::retriable(format!(
                "cannot create {} {}: {cause}",
                self.purpose, self.name
            ))
        }))
    }

    /// Creates the topic if it is absent.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when there are fewer brokers than replicas;
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
            replication_option,
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
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                let why = replication_refusal(*replication, replication_option, brokers(client));
                Err(Error::config(format!(
                    "cannot create {purpose} {name}: {why}"
                )))
            }
            Some(Err((_, code))) => Err(failed(&code)),
            None => Err(failed(&"the answer is empty")),
        }
    }
}

/// Why a topic was not created that was to have so many replicas, and which option to set.
/// `brokers` is how many there are, if that is known.
pub fn replication_refusal(replication: i32, option: &str, brokers: Option<usize>) -> String {
    let there = match brokers {
        Some(1) => "the cluster has 1 broker".to_owned(),
        Some(brokers) => format!("the cluster has {brokers} brokers"),
        None => "the cluster has fewer brokers".to_owned(),
    };
    format!(
        "it was to have {replication} replicas, and {there}; set {option} to that many at most, or \
         to -1 for the broker's default"
    )
}

/// How many brokers a cluster has, as the client is told now; none: it is not told in time.
pub fn brokers<C: ClientContext>(client: &AdminClient<C>) -> Option<usize> {
    let ask = || {
        let metadata = client.inner().fetch_metadata(Some("ferrule"), REASON_LIMIT);
        Some(metadata.ok()?.brokers().len())
    };
    // The client waits on the thread that asks.
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::CurrentThread) => None,
        Ok(_) => tokio::task::block_in_place(ask),
        Err(_) => ask(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_replicas_are_told_with_the_option_and_the_brokers() {
        let option = "config.storage.replication.factor";
        assert_eq!(
            replication_refusal(3, option, Some(1)),
            "it was to have 3 replicas, and the cluster has 1 broker; set \
             config.storage.replication.factor to that many at most, or to -1 for the broker's \
             default"
        );
    }
}
