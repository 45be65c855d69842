//! A log in a compacted topic of Kafka.

use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, Properties, Result};
use connect_kafka::{
    IgnorePartitionEof, KafkaClient, Producer, SettingsOf, TopicCreation, TopicSpec, client_config,
    create as create_client, group_list, told_by,
};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{Metadata, MetadataPartition, MetadataTopic};
use rdkafka::producer::BaseRecord;
use rdkafka::util::Timeout;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::log_reader::{LogReader, Position};
use super::topic_check::{FoundPartition, Wanted};
use super::{BackingStore, StoredRecord};
use crate::config::{StorageTopic, WorkerConfig};

/// How long a write may take until it is read back.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long one request to Kafka may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long the first request may take: then the client knows what keeps it from Kafka, and is
/// asked again.
const FIRST_LIMIT: Duration = Duration::from_millis(500);
/// How long Kafka may be away when the worker starts.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The consumer of a log.
pub(super) type LogConsumer = KafkaClient<BaseConsumer<IgnorePartitionEof>>;

/// A compacted topic that is read in full and then followed.
pub struct KafkaBasedLog {
    topic: String,
    producer: Producer,
    reader: LogReader,
}

impl KafkaBasedLog {
    /// Opens the topic, which this producer writes to. It is created when it is not there.
    ///
    /// # Errors
    /// When Kafka cannot be reached, or the topic is not fit: not compacted, or with more
    /// partitions than `most_partitions`.
    pub async fn open(
        config: &WorkerConfig,
        topic: StorageTopic,
        most_partitions: Option<usize>,
        producer: &Producer,
    ) -> Result<Self> {
        let partitions = ensure_topic(config, &topic, most_partitions).await?;
        let producer = producer.clone();
        let reader = LogReader::start(consumer(config)?, &topic.name, partitions)?;
        Ok(Self {
            topic: topic.name,
            producer,
            reader,
        })
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn producer(&self) -> &Producer {
        &self.producer
    }

    pub(super) fn reader(&mut self) -> &mut LogReader {
        &mut self.reader
    }
}

pub(super) fn only_records(read: Vec<(Position, StoredRecord)>) -> Vec<StoredRecord> {
    read.into_iter().map(|(_, record)| record).collect()
}

#[async_trait]
impl BackingStore for KafkaBasedLog {
    async fn start(&mut self) -> Result<Vec<StoredRecord>> {
        let read = tokio::time::timeout(START_LIMIT, self.reader.read_to_end()).await;
        let late = || Error::retriable(format!("could not read topic {} to its end", self.topic));
        read.unwrap_or_else(|_| Err(late())).map(only_records)
    }

    async fn write(&mut self, record: StoredRecord) -> Result<Vec<StoredRecord>> {
        self.write_all(vec![record]).await
    }

    async fn write_all(&mut self, records: Vec<StoredRecord>) -> Result<Vec<StoredRecord>> {
        let deadline = Instant::now() + WRITE_LIMIT;
        let failed = || Error::retriable(format!("could not write to topic {}", self.topic));
        let mut receipts = Vec::with_capacity(records.len());
        for record in &records {
            let value = record.value.as_ref().map(ToString::to_string);
            let mut message = BaseRecord::<str, str>::to(&self.topic).key(&record.key);
            if let Some(value) = &value {
                message = message.payload(value);
            }
            let sent = self.producer.send(message);
            receipts.push(sent.map_err(|cause| failed().with_source(cause))?);
        }
        // The last of each partition.
        let mut own: Vec<Position> = Vec::new();
        for receipt in receipts {
            let written = receipt.await.map_err(|_| failed())?;
            let (partition, offset) = written.map_err(|cause| failed().with_source(cause))?;
            own.retain(|known| known.partition != partition);
            own.push(Position { partition, offset });
        }
        let read = timeout_at(deadline, self.reader.until(own)).await;
        let late =
            || Error::retriable(format!("a write to topic {} was not read back", self.topic));
        read.unwrap_or_else(|_| Err(late())).map(only_records)
    }

    async fn read_to_end(&mut self) -> Result<Vec<StoredRecord>> {
        let (producer, topic) = (self.producer.clone(), self.topic.clone());
        let failed = || Error::retriable(format!("could not read topic {} to its end", self.topic));
        let asked =
            tokio::task::spawn_blocking(move || producer.end_offsets(&topic, REQUEST_LIMIT));
        let ends = asked.await.map_err(|_| failed())?;
        let ends = ends.map_err(|cause| failed().with_source(cause))?;
        let last = ends.into_iter().map(|(partition, end)| Position {
            partition,
            offset: end - 1,
        });
        let last = last.filter(|last| last.offset >= 0).collect();
        let read = tokio::time::timeout(WRITE_LIMIT, self.reader.read_up_to(last)).await;
        read.unwrap_or_else(|_| Err(failed())).map(only_records)
    }

    async fn next(&mut self) -> StoredRecord {
        self.reader.next().await.1
    }
}

/// The id of the Kafka cluster.
pub async fn cluster_id(config: &WorkerConfig) -> Option<String> {
    let consumer = consumer(config).ok()?;
    let fetch = move || consumer.client().fetch_cluster_id(REQUEST_LIMIT);
    tokio::task::spawn_blocking(fetch).await.ok().flatten()
}

/// How many members a group has.
///
/// # Errors
/// When Kafka does not say.
pub(super) async fn group_members(config: &WorkerConfig, group: &str) -> Result<usize> {
    let (consumer, group) = (consumer(config)?, group.to_owned());
    let looked = move || {
        let found = group_list(&consumer, &group, REQUEST_LIMIT);
        let unknown = |cause| Error::retriable("could not look up a group").with_source(cause);
        let found = found.map_err(unknown)?;
        Ok(found.groups().iter().map(|it| it.members().len()).sum())
    };
    let failed = |cause| Error::fatal("could not look up a group").with_source(cause);
    tokio::task::spawn_blocking(looked).await.map_err(failed)?
}

fn invalid(cause: KafkaError) -> Error {
    let text = "the settings of the Kafka clients are not valid";
    let text = match cause.to_string().contains("sasl.username") {
        true => format!("{text}: sasl.jaas.config gives user and password"),
        false => text.to_owned(),
    };
    Error::config(text).with_source(cause)
}

/// The producer that writes to the worker's own topics.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when a setting is refused.
pub fn producer(config: &WorkerConfig) -> Result<Producer> {
    let mut client = client_config(&config.client_properties("producer."))?;
    client
        .set("acks", "all")
        .set("linger.ms", "0")
        .set("max.in.flight.requests.per.connection", "1")
        .set("message.timeout.ms", WRITE_LIMIT.as_millis().to_string())
        // Java's: a key must not move to another partition when a JVM worker writes it.
        .set("partitioner", "murmur2_random");
    Producer::new(&client)
}

pub(super) fn consumer(config: &WorkerConfig) -> Result<LogConsumer> {
    consumer_of(&config.client_properties("consumer."), config.group_id())
}

/// A consumer for one partition assignment of its own; the group is never joined.
pub(super) fn consumer_of(properties: &Properties, group: &str) -> Result<LogConsumer> {
    let context = IgnorePartitionEof::new("a log of the worker");
    let client = consumer_settings(properties, group)?;
    create_client(&client, context).map_err(invalid)
}

/// A consumer that asks for topics.
pub(super) fn asking_consumer(config: &WorkerConfig) -> Result<LogConsumer> {
    let context = IgnorePartitionEof::asking(SettingsOf::Worker);
    let properties = config.client_properties("consumer.");
    let client = consumer_settings(&properties, config.group_id())?;
    create_client(&client, context).map_err(invalid)
}

fn consumer_settings(properties: &Properties, group: &str) -> Result<ClientConfig> {
    let mut client = client_config(properties)?;
    for key in [
        "group.protocol",
        "group.instance.id",
        "partition.assignment.strategy",
    ] {
        client.remove(key);
    }
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "100");
    Ok(client)
}

/// The partitions of a topic, which is created when it is not there.
pub(super) async fn ensure_topic(
    config: &WorkerConfig,
    topic: &StorageTopic,
    most_partitions: Option<usize>,
) -> Result<Vec<i32>> {
    let wanted = Wanted::new(config, topic, most_partitions);
    let admin = admin(config)?;
    let deadline = Instant::now() + START_LIMIT;
    let name = &topic.name;
    let mut found = partitions(config, name, deadline).await?;
    while found.is_empty() {
        if !config.creates_internal_topics() {
            return Err(Error::config(wanted.absence()));
        }
        create(&admin, topic).await?;
        if Instant::now() > deadline {
            return Err(Error::retriable(format!(
                "topic {name} was created but is not there"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        found = partitions(config, name, deadline).await?;
    }
    check(&admin, &wanted, &found).await?;
    Ok(found.into_iter().map(|partition| partition.id).collect())
}

/// Checks a topic that is not needed yet, so that the worker does not start where it would fail
/// later. It need not be there, unless the worker may not create it.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it is not fit, or is to be there and is not;
/// [`connect_api::ErrorKind::Retriable`] when Kafka cannot be reached.
pub async fn check_topic(config: &WorkerConfig, topic: &StorageTopic) -> Result<()> {
    let wanted = Wanted::new(config, topic, None);
    let deadline = Instant::now() + START_LIMIT;
    let found = partitions(config, &topic.name, deadline).await?;
    match found.is_empty() {
        true if config.creates_internal_topics() => Ok(()),
        true => Err(Error::config(wanted.absence())),
        false => {
            let admin = admin(config)?;
            check(&admin, &wanted, &found).await
        }
    }
}

fn admin(config: &WorkerConfig) -> Result<KafkaClient<AdminClient<DefaultClientContext>>> {
    let admin = client_config(&config.client_properties("admin."))?;
    create_client(&admin, DefaultClientContext).map_err(invalid)
}

async fn check(
    admin: &AdminClient<DefaultClientContext>,
    wanted: &Wanted<'_>,
    found: &[FoundPartition],
) -> Result<()> {
    match wanted.partitions_refusal(found) {
        Some(why) => Err(Error::config(why)),
        None => check_compacted(admin, wanted).await,
    }
}

/// The partitions of a topic; none when it is not there. Kafka may be away for a while; what keeps
/// the worker from it is told at once, and when that changes.
async fn partitions(
    config: &WorkerConfig,
    topic: &str,
    deadline: Instant,
) -> Result<Vec<FoundPartition>> {
    let name = topic.to_owned();
    let consumer = asking_consumer(config)?;
    let servers = config
        .client_properties("consumer.")
        .remove("bootstrap.servers");
    let servers = servers.unwrap_or_default();
    let look = move || {
        let mut limit = FIRST_LIMIT;
        let mut told: Option<String> = None;
        loop {
            let cause = match consumer.fetch_metadata(Some(&name), limit) {
                Ok(metadata) => return Ok(found_partitions(&metadata)),
                Err(cause) => cause,
            };
            let why = told_by(&consumer);
            let why = why.unwrap_or_else(|| {
                format!("no answer from {servers}; check bootstrap.servers ({cause})")
            });
            if Instant::now() > deadline {
                return Err(Error::retriable(format!("could not reach Kafka: {why}")));
            }
            if told.as_ref() != Some(&why) {
                let seconds = deadline.duration_since(Instant::now()).as_secs();
                warn!(
                    cause = why,
                    "Kafka does not answer yet; trying for {seconds} more seconds"
                );
                told = Some(why);
            }
            limit = (limit * 2).min(REQUEST_LIMIT);
        }
    };
    let failed = |cause| Error::fatal("could not look up a topic").with_source(cause);
    tokio::task::spawn_blocking(look).await.map_err(failed)?
}

fn found_partitions(metadata: &Metadata) -> Vec<FoundPartition> {
    let topics = metadata.topics().iter().filter(|t| t.error().is_none());
    let partitions = topics.flat_map(MetadataTopic::partitions);
    let found = |partition: &MetadataPartition| FoundPartition {
        id: partition.id(),
        replicas: partition.replicas().len(),
    };
    partitions.map(found).collect()
}

async fn create(admin: &AdminClient<DefaultClientContext>, topic: &StorageTopic) -> Result<()> {
    let settings = topic.settings.iter();
    let spec = TopicSpec {
        name: &topic.name,
        purpose: "topic",
        partitions: topic.partitions,
        replication: topic.replication_factor,
        replication_option: &topic.replication_option,
        settings: settings.map(|(k, v)| (k.as_str(), v.as_str())).collect(),
    };
    if spec.create(admin, REQUEST_LIMIT).await? == TopicCreation::Created {
        info!(topic = topic.name, "created");
    }
    Ok(())
}

/// A topic that deletes by age would forget connectors.
async fn check_compacted(
    admin: &AdminClient<DefaultClientContext>,
    wanted: &Wanted<'_>,
) -> Result<()> {
    let topic = wanted.topic.name.as_str();
    let options = AdminOptions::new().request_timeout(Some(Timeout::After(REQUEST_LIMIT)));
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
        .await;
    let described = described.map(|resources| resources.into_iter().next());
    let policy = match described {
        Ok(Some(Ok(resource))) => {
            let entries = resource.entries.into_iter();
            entries
                .filter(|entry| entry.name == "cleanup.policy")
                .find_map(|entry| entry.value)
        }
        Ok(Some(Err(cause))) => return unknown_policy(topic, &cause.to_string()),
        Err(cause) => return unknown_policy(topic, &cause.to_string()),
        Ok(None) => None,
    };
    let Some(policy) = policy else {
        return unknown_policy(topic, "the answer does not name it");
    };
    let refusal = wanted.policy_refusal(&policy).map(Error::config);
    refusal.map_or(Ok(()), Err)
}

/// The right to describe may be missing; then the operator is trusted, as by Kafka Connect.
fn unknown_policy(topic: &str, why: &str) -> Result<()> {
    warn!(topic, why, "could not see whether the topic is compacted");
    Ok(())
}
