//! The task: batches become one transaction, with the offsets that they lead to.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{
    ErrantRecordReporter, Error, GroupMembership, Offset, OpenedPartition, RecordBatch, Result,
    SinkRecord, SinkTask, StateStore, StoredState, TaskContext, TopicPartition,
};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use tokio::runtime::Handle;

use crate::changelog::Changelog;
use crate::clients::Clients;
use crate::config::{Converters, KafkaSinkConfig};
use crate::producer::{Failure, Message, Offsets, Producer};

/// How long Kafka may take for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// A record of a batch: the batch, and the place in it.
type Place = (usize, usize);

pub(crate) struct KafkaSinkTask {
    config: KafkaSinkConfig,
    /// Made when the task starts, on the runtime.
    converters: Option<Converters>,
    clients: Arc<Clients>,
    /// Of the producer.
    client: ClientConfig,
    producer: Option<Producer>,
    /// Where the state of transforms is kept, if there is any.
    changelog: Option<Arc<Changelog>>,
    membership: Option<GroupMembership>,
    /// What was reported of batches that are not durable yet: a repeated put does not report it
    /// again.
    reported: HashSet<(Arc<TopicPartition>, Offset, usize)>,
}

impl KafkaSinkTask {
    pub(crate) fn new(
        config: KafkaSinkConfig,
        context: &TaskContext,
        clients: Arc<Clients>,
    ) -> Self {
        let mut client = clients.producer.clone();
        client.set("enable.idempotence", "true").set("acks", "all");
        // Java's: a key then goes to the partition where other producers put it.
        if client.get("partitioner").is_none() {
            client.set("partitioner", "murmur2_random");
        }
        if config.exactly_once {
            let TaskContext {
                connector, task, ..
            } = context;
            client.set("transactional.id", format!("connect-{connector}-{task}"));
        }
        Self {
            config,
            converters: None,
            clients,
            client,
            producer: None,
            changelog: None,
            membership: None,
            reported: HashSet::new(),
        }
    }

    /// The producer. Starting one ends what a former one has left open, so that what Kafka says of
    /// offsets from then on is final (Invariant 5).
    fn producer(&mut self) -> Result<&Producer> {
        let Self {
            producer,
            client,
            config,
            ..
        } = self;
        match producer {
            Some(producer) => Ok(producer),
            None => Ok(producer.insert(Producer::start(client, config.exactly_once)?)),
        }
    }

    fn key_of(batch: &RecordBatch, at: usize) -> (Arc<TopicPartition>, Offset, usize) {
        (Arc::clone(&batch.topic_partition), batch.first_offset, at)
    }

    async fn report(
        &mut self,
        batch: &RecordBatch,
        at: usize,
        error: Error,
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let record = &batch.records[at];
        let error = error.context(record.origin.to_string());
        reporter.report(record, error).await?;
        self.reported.insert(Self::key_of(batch, at));
        Ok(())
    }

    /// What is to be written of the batches. What cannot be is reported.
    async fn messages<'a>(
        &mut self,
        batches: &'a [RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<Vec<(Place, Message<'a>)>> {
        let mut messages = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            for (at, record) in batch.records.iter().enumerate() {
                if self.reported.contains(&Self::key_of(batch, at)) {
                    continue;
                }
                let message = match &mut self.converters {
                    Some(converters) => message(&self.config.topic, converters, record),
                    None => Err(Error::fatal("the task was not started")),
                };
                match message {
                    Ok(message) => messages.push(((number, at), message)),
                    Err(error) if error.kind() == connect_api::ErrorKind::Data => {
                        self.report(batch, at, error, reporter).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(messages)
    }

    /// Where the group stands, once no transaction is open on it: who owned the partitions before
    /// cannot move it any more. None where it has never been.
    fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>> {
        let failed = |e: KafkaError| Error::retriable(format!("cannot ask for offsets: {e}"));
        let consumer: BaseConsumer = self
            .clients
            .consumer
            .clone()
            .set("isolation.level", "read_committed")
            .create()
            .map_err(|e| Error::config(format!("consumer: {e}")))?;
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for TopicPartition { topic, partition } in partitions {
            list.add_partition(topic, *partition);
        }
        let answer = consumer.committed_offsets(list, ANSWER).map_err(failed)?;
        let offset = |topic_partition: &TopicPartition| {
            let found = answer.find_partition(&topic_partition.topic, topic_partition.partition)?;
            match found.offset() {
                rdkafka::Offset::Offset(offset) => Some(Offset(offset)),
                _ => None,
            }
        };
        Ok(partitions.iter().map(offset).collect())
    }

    /// The state of the partitions. It belongs to the group's offsets: where there is none, a state
    /// that is there all the same is of a connector that was, and is deleted.
    fn stored(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, Vec<StoredState>>> {
        let Some(changelog) = &self.changelog else {
            return Ok(HashMap::new());
        };
        let offsets = self.committed(partitions)?;
        let mut states = changelog.read(partitions)?;
        let mut deletions = Vec::new();
        for (topic_partition, offset) in partitions.iter().zip(offsets) {
            if offset.is_none()
                && let Some(old) = states.remove(topic_partition)
            {
                changelog.deletions(topic_partition, &old, &mut deletions)?;
            }
        }
        if !deletions.is_empty() {
            let producer = self.producer.as_ref();
            let producer = producer.ok_or_else(|| Error::retriable("there is no producer"))?;
            if let Err(failure) = producer.transaction(&deletions, &HashSet::new(), None) {
                self.producer = None;
                return Err(Error::retriable(failure.into_error().chain()));
            }
        }
        Ok(states)
    }

    fn write(
        &mut self,
        messages: &[Message<'_>],
        suspects: &HashSet<usize>,
        batches: &[RecordBatch],
    ) -> std::result::Result<(), Failure> {
        let exactly_once = self.config.exactly_once;
        let membership = self.membership.clone();
        let producer = self.producer().map_err(Failure::Later)?;
        if !exactly_once {
            return producer.write(messages, suspects);
        }
        let membership = membership
            .as_deref()
            .and_then(|m| m.downcast_ref::<ConsumerGroupMetadata>());
        let Some(membership) = membership else {
            return Err(Failure::Never(Error::fatal("the task is in no group")));
        };
        let mut positions = TopicPartitionList::with_capacity(batches.len());
        for batch in batches {
            let TopicPartition { topic, partition } = &*batch.topic_partition;
            let next = rdkafka::Offset::Offset(batch.next_offset.0);
            let added = positions.add_partition_offset(topic, *partition, next);
            added.map_err(|e| {
                Failure::Never(Error::fatal(format!("{}: {e}", batch.topic_partition)))
            })?;
        }
        let offsets = Offsets {
            positions: &positions,
            membership,
        };
        producer.transaction(messages, suspects, Some(&offsets))
    }
}

#[async_trait]
impl SinkTask for KafkaSinkTask {
    /// A producer ends the transactions of this task's former life, whichever task has their
    /// partitions now.
    async fn start(&mut self) -> Result<()> {
        self.converters = Some(self.config.converters(&Handle::current())?);
        if let Some(changelog) = &self.changelog {
            changelog.start().await?;
        }
        self.producer().map(drop)
    }

    fn keep_state(&mut self, stores: Vec<StateStore>) -> Result<()> {
        if !self.config.exactly_once {
            return Err(Error::config(
                "delivery.guarantee=at_least_once keeps no state of plugins; use exactly_once",
            ));
        }
        let config = self.config.changelog.clone();
        let changelog = Changelog::new(config, Arc::clone(&self.clients), stores);
        self.changelog = Some(Arc::new(changelog));
        Ok(())
    }

    /// Kafka's own group has the offsets, and says them once no transaction is open on them.
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>> {
        self.reported.clear();
        let mut states = HashMap::new();
        if !partitions.is_empty() {
            self.producer()?;
            states = self.stored(partitions)?;
        }
        let opened = partitions.iter().map(|topic_partition| OpenedPartition {
            topic_partition: topic_partition.clone(),
            next_offset: None,
            last_timestamp: None,
            state: states.remove(topic_partition).unwrap_or_default(),
        });
        Ok(opened.collect())
    }

    async fn start_at(&mut self, _: &[(TopicPartition, Offset)]) -> Result<()> {
        Ok(())
    }

    fn commits_offsets(&self) -> bool {
        self.config.exactly_once
    }

    fn joined(&mut self, membership: GroupMembership) {
        self.membership = Some(membership);
    }

    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let changelog = self.changelog.clone();
        let mut suspects = HashSet::new();
        loop {
            let messages = self.messages(batches, reporter).await?;
            let (places, mut messages): (Vec<Place>, Vec<Message<'_>>) =
                messages.into_iter().unzip();
            if let Some(changelog) = &changelog {
                for batch in batches {
                    changelog.messages(&batch.topic_partition, &batch.state, &mut messages)?;
                }
            }
            match self.write(&messages, &suspects, batches) {
                Ok(()) => {
                    self.reported.clear();
                    return Ok(());
                }
                // After a refusal librdkafka goes on with sequence numbers that the broker has not
                // seen, and the next transaction would fail too: another producer starts afresh.
                Err(Failure::Suspects(found)) => {
                    self.producer = None;
                    suspects = found;
                }
                Err(Failure::Message(at, error)) => {
                    self.producer = None;
                    // The places of the others change.
                    suspects.clear();
                    let Some(&(number, at)) = places.get(at) else {
                        return Err(error.context("an entry of the state cannot be kept"));
                    };
                    self.report(&batches[number], at, error, reporter).await?;
                }
                Err(Failure::Later(error) | Failure::Never(error)) => return Err(error),
                Err(Failure::Unknown(error)) => {
                    self.producer = None;
                    return Err(Error::fenced(error.chain()));
                }
            }
        }
    }

    async fn close(&mut self, _: &[TopicPartition]) {
        self.reported.clear();
    }

    async fn stop(&mut self) {
        self.producer = None;
    }
}

fn message<'a>(
    topic: &str,
    converters: &mut Converters,
    record: &'a SinkRecord,
) -> Result<Message<'a>> {
    let topic = if topic == "${topic}" {
        Cow::Borrowed(&*record.record.topic)
    } else {
        Cow::Owned(topic.replace("${topic}", &record.record.topic))
    };
    if *topic == *record.origin.topic_partition.topic {
        return Err(Error::config(format!(
            "a record of {} would go back to the topic that it was read from; name another one by \
             topic.name.format or a transform",
            record.origin.topic_partition
        )));
    }
    let Converters { key, value, header } = converters;
    let mut headers = None;
    if !record.record.headers.is_empty() {
        let mut all = OwnedHeaders::new_with_capacity(record.record.headers.len());
        for each in &record.record.headers {
            let value = header.from_connect_header(&topic, &each.name, &each.value);
            let value = value.map_err(|e| e.context(format!("header {}", each.name)))?;
            all = all.insert(Header {
                key: &each.name,
                value: value.as_deref(),
            });
        }
        headers = Some(all);
    }
    Ok(Message {
        partition: None,
        key: key.from_connect_data(&topic, &record.record.key)?,
        value: value.from_connect_data(&topic, &record.record.value)?,
        topic,
        headers,
        timestamp: record.record.timestamp.map(|at| at.0),
    })
}
