//! What a cluster has stored, looked at without writing anything: no topic is created, no group is
//! joined, no offset is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use connect_api::{Error, Offset, Result, TopicPartition};
use connect_kafka::{KafkaClient, client_config, create, group_list, told_by};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::metadata::MetadataPartition;
use rdkafka::util::Timeout;
use tokio::time::Instant;

use super::StoredRecord;
use super::kafka::{LogConsumer, asking_consumer, consumer, only_records};
use super::log_reader::LogReader;
use crate::config::WorkerConfig;

/// How long one request to Kafka may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long the first request may take, which is sent again until Kafka answers.
const FIRST_LIMIT: Duration = Duration::from_secs(1);
/// How long Kafka may be away.
const AWAY_LIMIT: Duration = Duration::from_secs(15);
/// How long a topic may take to be read.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// A topic as it is.
#[derive(Clone, Debug, Default)]
pub struct TopicSnapshot {
    /// Its name.
    pub name: String,
    /// How many partitions it has; 0: there is no such topic.
    pub partitions: usize,
    /// Its `cleanup.policy`; none: Kafka does not tell.
    pub cleanup_policy: Option<String>,
    /// Its records, partition after partition as they were read.
    pub records: Vec<StoredRecord>,
}

/// The members of a group of workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// Kafka's word for what they are: `connect` for workers of the JVM, `consumer` for Ferrule's.
    pub protocol: String,
    /// The addresses that they come from.
    pub hosts: Vec<String>,
}

/// What a cluster has stored.
#[derive(Clone, Debug, Default)]
pub struct ClusterSnapshot {
    /// `config.storage.topic`.
    pub configs: TopicSnapshot,
    /// `offset.storage.topic`.
    pub offsets: TopicSnapshot,
    /// `status.storage.topic`.
    pub statuses: TopicSnapshot,
    /// The group of the workers.
    pub group: GroupSnapshot,
}

/// Looks at a cluster; its workers may be alive.
#[derive(Debug)]
pub struct ClusterReader<'a> {
    worker: &'a WorkerConfig,
    /// The topics that there are, with their partitions.
    topics: BTreeMap<String, Vec<i32>>,
}

impl<'a> ClusterReader<'a> {
    /// Asks Kafka which topics there are.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer, with the cause;
    /// [`connect_api::ErrorKind::Config`] when a setting of the clients is refused.
    pub async fn connect(worker: &'a WorkerConfig) -> Result<Self> {
        let consumer = asking_consumer(worker)?;
        let servers = worker.bootstrap_servers();
        let topics = blocking(move || topics(&consumer, &servers)).await?;
        Ok(Self { worker, topics })
    }

    /// Whether there is such a topic.
    pub fn has(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The partitions of a topic; none: there is no such topic.
    pub fn partitions(&self, topic: &str) -> &[i32] {
        self.topics.get(topic).map_or(&[], Vec::as_slice)
    }

    /// The names of all topics.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// Reads the topics of the cluster, and asks who is in its group.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer in time.
    pub async fn read(&self) -> Result<ClusterSnapshot> {
        let worker = self.worker;
        Ok(ClusterSnapshot {
            configs: self.topic(worker.config_topic().name).await?,
            offsets: self.topic(worker.offset_topic().name).await?,
            statuses: self.topic(worker.status_topic().name).await?,
            group: self.group().await?,
        })
    }

    async fn topic(&self, name: String) -> Result<TopicSnapshot> {
        let Some(partitions) = self.topics.get(&name) else {
            return Ok(TopicSnapshot {
                name,
                ..TopicSnapshot::default()
            });
        };
        let mut reader = LogReader::start(consumer(self.worker)?, &name, partitions.clone())?;
        let late = || Error::retriable(format!("could not read topic {name} to its end"));
        let read = tokio::time::timeout(READ_LIMIT, reader.read_to_end()).await;
        Ok(TopicSnapshot {
            records: only_records(read.map_err(|_| late())??),
            partitions: partitions.len(),
            cleanup_policy: self.cleanup_policy(&name).await?,
            name,
        })
    }

    /// The right to describe may be missing: then it is not told.
    async fn cleanup_policy(&self, topic: &str) -> Result<Option<String>> {
        let admin = client_config(&self.worker.client_properties("admin."))?;
        let invalid = |cause| Error::config("admin.*").with_source(cause);
        let admin: KafkaClient<AdminClient<DefaultClientContext>> =
            create(&admin, DefaultClientContext).map_err(invalid)?;
        let options = AdminOptions::new().request_timeout(Some(Timeout::After(REQUEST_LIMIT)));
        let asked = [ResourceSpecifier::Topic(topic)];
        let Ok(described) = admin.describe_configs(&asked, &options).await else {
            return Ok(None);
        };
        let described = described
            .into_iter()
            .next()
            .and_then(std::result::Result::ok);
        let mut entries = described.into_iter().flat_map(|it| it.entries);
        let policy = entries.find(|entry| entry.name == "cleanup.policy");
        Ok(policy.and_then(|entry| entry.value))
    }

    async fn group(&self) -> Result<GroupSnapshot> {
        let (consumer, group) = (consumer(self.worker)?, self.worker.group_id().to_owned());
        blocking(move || {
            let unknown = |cause| {
                Error::retriable(format!("could not look up the group {group}")).with_source(cause)
            };
            let found = group_list(&consumer, &group, REQUEST_LIMIT);
            let found = found.map_err(unknown)?;
            let group = found.groups().iter().find(|it| it.name() == group);
            let snapshot = group.map(|group| GroupSnapshot {
                protocol: group.protocol_type().to_owned(),
                hosts: group
                    .members()
                    .iter()
                    .map(|it| host(it.client_host()))
                    .collect(),
            });
            Ok(snapshot.unwrap_or_default())
        })
        .await
    }

    /// Where the logs of partitions end; one that Kafka does not tell is left out.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer in time.
    pub async fn ends(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        let consumer = consumer(self.worker)?;
        blocking(move || {
            let deadline = Instant::now() + READ_LIMIT;
            let mut ends = BTreeMap::new();
            for at in partitions {
                let asked = consumer.fetch_watermarks(&at.topic, at.partition, REQUEST_LIMIT);
                match asked {
                    Ok((_, end)) => {
                        ends.insert(at, Offset(end));
                    }
                    Err(cause) if Instant::now() > deadline => {
                        let late = format!("could not look up the end of topic {}", at.topic);
                        return Err(Error::retriable(late).with_source(cause));
                    }
                    Err(_) => {}
                }
            }
            Ok(ends)
        })
        .await
    }
}

/// Kafka begins the address of a client with a slash.
fn host(address: &str) -> String {
    address.trim_start_matches('/').to_owned()
}

/// The client library waits on the thread that calls it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let failed = |cause| Error::fatal("a request to Kafka has ended early").with_source(cause);
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// All topics: to ask for one by its name may create it.
fn topics(consumer: &LogConsumer, servers: &str) -> Result<BTreeMap<String, Vec<i32>>> {
    let deadline = Instant::now() + AWAY_LIMIT;
    let metadata = loop {
        let cause = match consumer.fetch_metadata(None, FIRST_LIMIT) {
            Ok(metadata) => break metadata,
            Err(cause) => cause,
        };
        if Instant::now() > deadline {
            let told = told_by(consumer);
            let why = told.unwrap_or_else(|| format!("no answer from {servers} ({cause})"));
            return Err(Error::retriable(format!("could not reach Kafka: {why}")));
        }
    };
    let there = metadata.topics().iter().filter(|it| it.error().is_none());
    let partitions = |it: &[MetadataPartition]| it.iter().map(MetadataPartition::id).collect();
    Ok(there
        .map(|it| (it.name().to_owned(), partitions(it.partitions())))
        .collect())
}
