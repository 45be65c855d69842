//! The task: batches become one transaction, with the offsets that they lead to.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{
    ErrantRecordReporter, Error, ErrorKind, MemoryLimit, Offset, PartitionStates, RecordBatch,
    Result, SinkRecord, SinkState, SinkTask, StateStore, TaskContext, TopicPartition, panics,
};
use connect_kafka::{
    CommitMark, GroupMembership, GroupTransaction, KafkaClient, TransactionalSinkTask, add_marked,
    create, output_topic_refusal,
};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use tokio::runtime::Handle;

use crate::changelog::Changelog;
use crate::clients::Clients;
use crate::config::{Converters, KafkaSinkConfig};
use crate::producer::{Again, Failure, Message, Offsets, Producer};

/// How long Kafka may take for an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// How much the producer's queue holds, and the setting of it.
const QUEUE_SIZE: &str = "queue.buffering.max.kbytes";
const QUEUE_KBYTES: &str = "65536";

/// The most bytes of a message, as the producer is set, and librdkafka's default of that.
const MESSAGE_SIZE: &str = "message.max.bytes";
const MESSAGE_BYTES: usize = 1_000_000;

/// A record of a batch: the batch, and the place in it.
type Place = (usize, usize);

pub(crate) struct KafkaSinkTask {
    config: KafkaSinkConfig,
    /// Made with the first call, on the runtime.
    converters: Option<Converters>,
    clients: Arc<Clients>,
    /// Of the producer.
    client: ClientConfig,
    producer: Option<Producer>,
    /// Where the state of transforms is kept, if there is any.
    changelog: Option<Arc<Changelog>>,
    /// That under which the batches of the next put were read.
    membership: Option<GroupMembership>,
}

impl KafkaSinkTask {
    pub(crate) fn new(
        config: KafkaSinkConfig,
        context: &TaskContext,
        clients: Arc<Clients>,
    ) -> Self {
        let mut client = clients.producer.clone();
        client.set("enable.idempotence", "true").set("acks", "all");
        // Beside the records' own memory (Invariant 8); librdkafka's default is a gibibyte.
        if client.get(QUEUE_SIZE).is_none() {
            client.set(QUEUE_SIZE, QUEUE_KBYTES);
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

    fn make_converters(&mut self) -> Result<()> {
        if self.converters.is_none() {
            self.converters = Some(self.config.converters(&Handle::current())?);
        }
        Ok(())
    }

    /// What is to be written of the batches, but for what was reported. What cannot be written is
    /// reported now.
    async fn messages<'a>(
        &mut self,
        batches: &'a [RecordBatch],
        reporting: &mut Reporting<'_>,
    ) -> Result<Vec<(Place, Message<'a>)>> {
        let mut messages = Vec::new();
        let (limit, most) = (MemoryLimit::of_record(), self.message_size());
        let mut bytes = 0;
        for (number, batch) in batches.iter().enumerate() {
            for (at, record) in batch.records.iter().enumerate() {
                let place = (number, at);
                if reporting.reported.contains(&place) {
                    continue;
                }
                let message = match &mut self.converters {
                    Some(converters) => {
                        let internal = &self.clients.internal_topics;
                        output_topic(&self.config, internal, record)
                            .and_then(|topic| made(topic, converters, record))
                            .and_then(|message| small_enough(message, most))
                    }
                    None => Err(Error::fatal("there are no converters")),
                };
                match message {
                    Ok(mut message) => {
                        bytes += message.owned_bytes();
                        if bytes > limit.0 {
                            message.defer();
                        }
                        messages.push((place, message));
                    }
                    Err(error) if error.kind() == ErrorKind::Data => {
                        reporting.report(batches, place, error).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(messages)
    }

    /// The most bytes of a message.
    fn message_size(&self) -> usize {
        let given = self.client.get(MESSAGE_SIZE);
        given
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(MESSAGE_BYTES)
    }

    /// Where the group stands, once no transaction is open on it: who owned the partitions before
    /// cannot move it any more. None where it has never been.
    fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<Offset>>> {
        let failed = |e: KafkaError| Error::retriable(format!("cannot ask for offsets: {e}"));
        let mut config = self.clients.consumer.clone();
        config.set("isolation.level", "read_committed");
        let consumer: KafkaClient<BaseConsumer> = create(&config, DefaultConsumerContext)
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

    /// Writes the messages; those that were deferred are made again as they are sent.
    fn write(
        &mut self,
        messages: &[Message<'_>],
        places: &[Place],
        suspects: &HashSet<usize>,
        batches: &[RecordBatch],
    ) -> std::result::Result<(), Failure> {
        let mut converters = self.converters.take();
        let topic = self.config.topic.clone();
        let mut unmade = None;
        let written = self.write_with(messages, suspects, batches, &mut |at| {
            let (number, at) = *places.get(at)?;
            let record = batches.get(number)?.records.get(at)?;
            let topic = topic_name(&topic, record);
            let message = made(topic, converters.as_mut()?, record);
            message.map_err(|error| unmade = Some(error)).ok()
        });
        self.converters = converters;
        match (written, unmade) {
            (Err(Failure::Later(_)), Some(error)) => {
                Err(Failure::Later(Error::retriable(error.chain())))
            }
            (written, _) => written,
        }
    }

    fn write_with<'a>(
        &mut self,
        messages: &[Message<'a>],
        suspects: &HashSet<usize>,
        batches: &[RecordBatch],
        again: Again<'_, 'a>,
    ) -> std::result::Result<(), Failure> {
        let exactly_once = self.config.exactly_once;
        let membership = self.membership.clone();
        let mark = CommitMark::default();
        let producer = self.producer().map_err(Failure::Later)?;
        if !exactly_once {
            return producer.write(messages, suspects, again);
        }
        let Some(membership) = &membership else {
            return Err(Failure::Never(Error::fatal("the task is in no group")));
        };
        let mut positions = TopicPartitionList::with_capacity(batches.len());
        for batch in batches {
            let partition = &*batch.topic_partition;
            let added = add_marked(&mut positions, partition, batch.next_offset, &mark);
            added.map_err(|e| {
                Failure::Never(Error::fatal(format!("{}: {e}", batch.topic_partition)))
            })?;
        }
        let offsets = Offsets {
            positions: &positions,
            membership,
        };
        producer.transaction(messages, suspects, Some(&offsets), again)
    }
}

/// The reports of one put.
struct Reporting<'a> {
    reporter: &'a mut dyn ErrantRecordReporter,
    reported: HashSet<Place>,
}

impl Reporting<'_> {
    async fn report(&mut self, batches: &[RecordBatch], place: Place, error: Error) -> Result<()> {
        let (number, at) = place;
        let record = &batches[number].records[at];
        let error = error.context(record.origin.to_string());
        self.reporter.report(record, error).await?;
        self.reported.insert(place);
        Ok(())
    }
}

#[async_trait]
impl SinkTask for KafkaSinkTask {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        self.make_converters()?;
        let changelog = self.changelog.clone();
        let mut suspects = HashSet::new();
        let mut reporting = Reporting {
            reporter,
            reported: HashSet::new(),
        };
        loop {
            let messages = self.messages(batches, &mut reporting).await?;
            let (places, mut messages): (Vec<Place>, Vec<Message<'_>>) =
                messages.into_iter().unzip();
            if let Some(changelog) = &changelog {
                for batch in batches {
                    changelog.messages(&batch.topic_partition, &batch.state, &mut messages)?;
                }
            }
            match self.write(&messages, &places, &suspects, batches) {
                Ok(()) => return Ok(()),
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
                    let Some(&place) = places.get(at) else {
                        return Err(error.context("an entry of the state cannot be kept"));
                    };
                    reporting.report(batches, place, error).await?;
                }
                Err(Failure::Later(error) | Failure::Never(error)) => return Err(error),
                Err(Failure::Unknown(error)) => {
                    self.producer = None;
                    return Err(Error::fenced(error.chain()));
                }
            }
        }
    }

    async fn stop(&mut self) {
        self.producer = None;
    }

    fn state(&mut self) -> Option<&mut dyn SinkState> {
        Some(self)
    }
}

#[async_trait]
impl SinkState for KafkaSinkTask {
    fn keep(&mut self, stores: Vec<StateStore>) -> Result<()> {
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

    /// The state belongs to the group's offsets: where there is none, a state that is there all the
    /// same is of a connector that was, and is deleted.
    async fn load(&mut self, partitions: &[TopicPartition]) -> Result<PartitionStates> {
        let changelog = match &self.changelog {
            Some(changelog) if !partitions.is_empty() => Arc::clone(changelog),
            _ => return Ok(PartitionStates::new()),
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
            let deleted =
                self.producer()?
                    .transaction(&deletions, &HashSet::new(), None, &mut |_| None);
            if let Err(failure) = deleted {
                self.producer = None;
                return Err(Error::retriable(failure.into_error().chain()));
            }
        }
        Ok(states)
    }
}

impl TransactionalSinkTask for KafkaSinkTask {
    fn group_transaction(&mut self) -> Option<&mut dyn GroupTransaction> {
        match self.config.exactly_once {
            true => Some(self),
            false => None,
        }
    }
}

#[async_trait]
impl GroupTransaction for KafkaSinkTask {
    /// A producer ends the transactions of its predecessor as it starts.
    async fn end_open_transactions(&mut self) -> Result<()> {
        // That one cannot be made is better known now than with the first record.
        self.make_converters()?;
        if let Some(changelog) = &self.changelog {
            changelog.start().await?;
        }
        self.producer().map(drop)
    }

    fn read_under(&mut self, membership: GroupMembership) {
        self.membership = Some(membership);
    }
}

/// What `topic.name.format` makes of a record's topic.
fn topic_name<'a>(format: &str, record: &'a SinkRecord) -> Cow<'a, str> {
    if format == "${topic}" {
        Cow::Borrowed(&*record.record.topic)
    } else {
        Cow::Owned(format.replace("${topic}", &record.record.topic))
    }
}

/// The topic that a record is to go to. It is looked at before the producer is handed the record: a
/// transform, or who wrote the record, may have named any.
///
/// # Errors
/// [`ErrorKind::Data`] for a topic that no connector writes to.
fn output_topic<'a>(
    config: &KafkaSinkConfig,
    internal: &[String],
    record: &'a SinkRecord,
) -> Result<Cow<'a, str>> {
    let topic = topic_name(&config.topic, record);
    if let Some(why) = output_topic_refusal(&topic, internal) {
        return Err(Error::data(why));
    }
    if topic == config.changelog.topic {
        return Err(Error::data(format!(
            "topic {topic} keeps the state of this connector's plugins: no record goes there"
        )));
    }
    Ok(topic)
}

/// The message of a record, within the memory that a record may take.
fn made<'a>(
    topic: Cow<'a, str>,
    converters: &mut Converters,
    record: &'a SinkRecord,
) -> Result<Message<'a>> {
    let make = || panics::caught(|| message(topic.clone(), converters, record));
    MemoryLimit::of_record().measure(make).made
}

/// # Errors
/// When the producer would refuse it, so that its bytes need not wait for that.
fn small_enough(message: Message<'_>, most: usize) -> Result<Message<'_>> {
    let part = |part: &Option<Cow<'_, [u8]>>| part.as_ref().map_or(0, |part| part.len());
    let bytes = part(&message.key) + part(&message.value);
    if bytes <= most {
        return Ok(message);
    }
    Err(Error::data(format!(
        "topic {} does not take the record: it has {bytes} bytes, more than {MESSAGE_SIZE} of the \
         producer",
        message.topic
    )))
}

fn message<'a>(
    topic: Cow<'a, str>,
    converters: &mut Converters,
    record: &'a SinkRecord,
) -> Result<Message<'a>> {
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
        deferred: false,
    })
}
