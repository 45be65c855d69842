//! What a test does to a broker: topics, records in, records out, offsets.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::TestKafka;
use crate::record::{Received, Record};
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(30);

impl TestKafka {
    /// Client settings that name this broker, for a client of the test's own.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Creates a topic and waits until it can be written to. It keeps all records, however old
    /// their timestamps are.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let settings = [("retention.ms", "-1")];
        self.create_topic_with(topic, partitions, &settings).await
    }

    /// Creates a topic with settings of its own, such as `("cleanup.policy", "compact")`.
    pub async fn create_topic_with(
        &self,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        for outcome in self
            .admin()?
            .create_topics([&new], &AdminOptions::new())
            .await?
        {
            outcome.map_err(|(topic, code)| anyhow!("cannot create {topic}: {code}"))?;
        }
        wait_until(LIMIT, "the topic's leaders", async || {
            Ok(self.partitions(topic).await?.len() == usize::try_from(partitions)?)
        })
        .await
    }

    /// Deletes a topic.
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        for outcome in self
            .admin()?
            .delete_topics(&[topic], &AdminOptions::new())
            .await?
        {
            outcome.map_err(|(topic, code)| anyhow!("cannot delete {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Produces records in order and waits until the broker has them all.
    pub async fn produce(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<()> {
        let producer = self.producer()?;
        let mut sent = Vec::new();
        for record in records {
            sent.push(send(producer, topic, &record).await?);
        }
        for delivery in sent {
            delivery
                .await?
                .map_err(|(error, _)| anyhow!("cannot produce to {topic}: {error}"))?;
        }
        Ok(())
    }

    /// Every committed record of a topic up to its end now, by partition and offset.
    pub async fn read(&self, topic: &str) -> Result<Vec<Received>> {
        let partitions = self.partitions(topic).await?;
        let mut config = self.client();
        config
            .set("group.id", "harness")
            .set("enable.auto.commit", "false");
        config
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50");
        let topic = topic.to_owned();
        let read = move || {
            let consumer: BaseConsumer = config.create()?;
            let mut list = TopicPartitionList::new();
            for partition in &partitions {
                list.add_partition_offset(&topic, *partition, Offset::Beginning)?;
            }
            consumer.assign(&list)?;
            drain(&consumer, partitions.len())
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// One past the last offset of each partition.
    pub async fn end_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let partitions = self.partitions(topic).await?;
        let consumer: BaseConsumer = self.client().create()?;
        let topic = topic.to_owned();
        let ask = move || {
            let ends = partitions.into_iter().map(|partition| {
                let (_, end) = consumer.fetch_watermarks(&topic, partition, LIMIT)?;
                Ok((partition, end))
            });
            ends.collect()
        };
        tokio::task::spawn_blocking(ask).await?
    }

    /// The offsets a group has committed for a topic; a partition it never committed is absent.
    /// What an open transaction is about to change is as it was.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let committed = self.committed_with_metadata(group, topic).await?;
        let offsets = committed.into_iter();
        Ok(offsets.map(|(at, (offset, _))| (at, offset)).collect())
    }

    /// The same, each with its metadata.
    pub async fn committed_with_metadata(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<BTreeMap<i32, (i64, String)>> {
        let mut list = TopicPartitionList::new();
        for partition in self.partitions(topic).await? {
            list.add_partition(topic, partition);
        }
        let mut config = self.client();
        // Else Kafka does not answer until the transaction of a killed worker is over.
        config.set("isolation.level", "read_uncommitted");
        let consumer: BaseConsumer = config.set("group.id", group).create()?;
        let ask = move || {
            let committed = consumer.committed_offsets(list, LIMIT)?;
            let offsets = committed.elements().into_iter().filter_map(|element| {
                let offset = element.offset().to_raw().filter(|offset| *offset >= 0)?;
                Some((element.partition(), (offset, element.metadata().to_owned())))
            });
            Ok(offsets.collect())
        };
        tokio::task::spawn_blocking(ask).await?
    }

    /// Commits an offset for a group without members, as `kafka-consumer-groups --reset-offsets`
    /// does.
    pub async fn commit(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let consumer: BaseConsumer = self.client().set("group.id", group).create()?;
        let commit = move || Ok(consumer.commit(&list, CommitMode::Sync)?);
        tokio::task::spawn_blocking(commit).await?
    }

    /// How many members a group has.
    pub async fn members(&self, group: &str) -> Result<usize> {
        let consumer: BaseConsumer = self.client().create()?;
        let group = group.to_owned();
        let ask = move || {
            let found = consumer.fetch_group_list(Some(&group), LIMIT)?;
            let members = found.groups().iter().map(|it| it.members().len());
            Ok(members.sum())
        };
        tokio::task::spawn_blocking(ask).await?
    }

    /// The offsets that the group of a sink has committed for the topic of its name, of partitions
    /// that have come anywhere.
    pub async fn sink_offsets(&self, connector: &str) -> Result<BTreeMap<i32, i64>> {
        let group = format!("connect-{connector}");
        let mut committed = self.committed(&group, connector).await?;
        committed.retain(|_, offset| *offset > 0);
        Ok(committed)
    }

    /// The partitions of a topic that have a leader.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<i32>> {
        let consumer: BaseConsumer = self.client().create()?;
        let topic = topic.to_owned();
        let ask = move || {
            let metadata = consumer.fetch_metadata(Some(&topic), LIMIT)?;
            let found = metadata
                .topics()
                .first()
                .context("no metadata for the topic")?;
            let led = found
                .partitions()
                .iter()
                .filter(|partition| partition.leader() >= 0);
            Ok(led.map(rdkafka::metadata::MetadataPartition::id).collect())
        };
        tokio::task::spawn_blocking(ask).await?
    }

    pub(super) async fn brokers(&self) -> Result<usize> {
        let consumer: BaseConsumer = self.client().create()?;
        let ask = move || {
            let metadata = consumer.fetch_metadata(Some("harness"), Duration::from_secs(1))?;
            Ok(metadata.brokers().len())
        };
        tokio::task::spawn_blocking(ask).await?
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.client().create()?)
    }

    fn producer(&self) -> Result<&FutureProducer> {
        if let Some(producer) = self.producer.get() {
            return Ok(producer);
        }
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            // The broker has the word on sizes.
            .set("message.max.bytes", "16777216")
            .set("linger.ms", "2");
        let producer = config.create()?;
        Ok(self.producer.get_or_init(|| producer))
    }
}

async fn send(producer: &FutureProducer, topic: &str, record: &Record) -> Result<DeliveryFuture> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    let mut message = FutureRecord::<Vec<u8>, Vec<u8>>::to(topic).headers(headers);
    message.partition = record.partition;
    message.key = record.key.as_ref();
    message.payload = record.value.as_ref();
    message.timestamp = record.timestamp;
    loop {
        match producer.send_result(message) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                message = back;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err((error, _)) => return Err(error).context("cannot produce"),
        }
    }
}

fn drain(consumer: &BaseConsumer, partitions: usize) -> Result<Vec<Received>> {
    let mut records = Vec::new();
    let mut ended = 0;
    while ended < partitions {
        match consumer
            .poll(LIMIT)
            .context("the topic did not end in time")?
        {
            Ok(message) => records.push(received(&message)),
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => return Err(error).context("cannot read the topic"),
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

fn received(message: &BorrowedMessage<'_>) -> Received {
    let headers = message.headers().map(|headers| {
        let all = headers.iter();
        all.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec)))
            .collect()
    });
    Received {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
