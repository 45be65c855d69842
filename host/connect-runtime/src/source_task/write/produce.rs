//! The second half: bytes go to Kafka, into topics that are created where the connector asks for
//! it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, Offset, Properties, RecordMetadata};
use connect_kafka::{ClientMeter, KafkaClient, Producer, brokers, create, replication_refusal};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use tokio::sync::oneshot::error::TryRecvError;
use tracing::{info, warn};

use super::ProducerRecord;

type Result<T, E = Error> = std::result::Result<T, E>;

/// How long Kafka may take for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one step of a transaction is tried again.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait in between.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Why a record was not written.
#[derive(Debug)]
pub enum SendError {
    /// The record is at fault: another may be written.
    Record(Error),
    /// Kafka, the producer or the configuration is.
    Producer(Error),
}

impl SendError {
    /// The error itself.
    pub fn into_error(self) -> Error {
        match self {
            Self::Record(error) | Self::Producer(error) => error,
        }
    }
}

/// Kafka's answer to one record, which is yet to come.
pub struct Receipt {
    topic: Arc<str>,
    written: connect_kafka::Receipt,
}

impl Receipt {
    /// The answer of the client, for a record of this topic.
    pub fn new(topic: &Arc<str>, written: connect_kafka::Receipt) -> Self {
        Self {
            topic: Arc::clone(topic),
            written,
        }
    }

    fn metadata(&self, (partition, offset): (i32, i64)) -> RecordMetadata {
        RecordMetadata {
            topic: Arc::clone(&self.topic),
            partition,
            offset: Offset(offset),
            timestamp: None,
        }
    }

    /// The answer, if it is here. Its timestamp is left to whoever has the record.
    pub fn try_answer(&mut self) -> Option<Result<RecordMetadata, SendError>> {
        match self.written.try_recv() {
            Ok(Ok(at)) => Some(Ok(self.metadata(at))),
            Ok(Err(error)) => Some(Err(send_error(&self.topic, &error))),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(gone())),
        }
    }

    /// The answer. The wait may be cut short and begun again.
    pub async fn answer(&mut self) -> Result<RecordMetadata, SendError> {
        match (&mut self.written).await {
            Ok(Ok(at)) => Ok(self.metadata(at)),
            Ok(Err(error)) => Err(send_error(&self.topic, &error)),
            Err(_) => Err(gone()),
        }
    }
}

fn gone() -> SendError {
    SendError::Producer(Error::retriable("the producer has gone"))
}

/// What a source task needs of a producer. All calls come from one thread, and may block it.
pub trait RecordProducer: Send {
    /// Hands a record over: it is on its way, whether or not somebody waits for the answer.
    ///
    /// # Errors
    /// Why the client does not take it.
    fn send(&self, record: &ProducerRecord) -> Result<Receipt, SendError>;

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when another producer has taken over,
    /// [`connect_api::ErrorKind::Retriable`] when a new producer may succeed.
    fn begin(&self) -> Result<()>;

    /// Commits the transaction.
    ///
    /// # Errors
    /// As for `begin`; whether it was committed is then unknown.
    fn commit(&self) -> Result<()>;

    /// Takes the transaction back. What Kafka does not hear of now, it does when the next producer
    /// takes over.
    fn abort(&self);
}

/// A producer of Kafka.
pub struct KafkaRecordProducer(Producer);

impl KafkaRecordProducer {
    /// A producer without transactions.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when librdkafka rejects a setting.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        Ok(Self(Producer::new(config)?))
    }

    /// A producer of transactions. What producers with the same `transactional.id` have left open
    /// is taken back, and they can write no more (Invariant 5).
    ///
    /// # Errors
    /// As for `new`, and [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
    pub fn transactional(config: &ClientConfig) -> Result<Self> {
        let this = Self::new(config)?;
        this.0
            .init_transactions(REQUEST_TIMEOUT)
            .map_err(|error| transaction_error("could not take over the transactions", &error))?;
        Ok(this)
    }

    /// What its client has done.
    pub fn meter(&self) -> &Arc<ClientMeter> {
        self.0.meter()
    }
}

impl RecordProducer for KafkaRecordProducer {
    fn send(&self, record: &ProducerRecord) -> Result<Receipt, SendError> {
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic);
        message.partition = record.partition;
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.timestamp = record.timestamp.map(|at| at.0);
        if !record.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for header in &record.headers {
                headers = headers.insert(Header {
                    key: &header.name,
                    value: header.value.as_deref(),
                });
            }
            message.headers = Some(headers);
        }
        match self.0.send(message) {
            Ok(written) => Ok(Receipt::new(&record.topic, written)),
            Err(error) => Err(send_error(&record.topic, &error)),
        }
    }

    fn begin(&self) -> Result<()> {
        self.0
            .begin_transaction()
            .map_err(|error| transaction_error("could not begin a transaction", &error))
    }

    fn commit(&self) -> Result<()> {
        repeat(|| self.0.commit_transaction(REQUEST_TIMEOUT))
            .map_err(|error| transaction_error("could not commit a transaction", &error))
    }

    fn abort(&self) {
        if let Err(error) = self.0.abort_transaction(REQUEST_TIMEOUT) {
            warn!(%error, "could not abort a transaction; the next producer does it");
        }
    }
}

/// Repeats a step for as long as Kafka says that it may succeed yet.
fn repeat(step: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let until = Instant::now() + TRANSACTION_TIMEOUT;
    loop {
        match step() {
            Err(KafkaError::Transaction(cause))
                if cause.is_retriable()
                    && !cause.txn_requires_abort()
                    && Instant::now() < until =>
            {
                std::thread::sleep(RETRY_INTERVAL);
            }
            answer => return answer,
        }
    }
}

/// Whether another producer has taken over.
fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch
    )
}

fn transaction_error(doing: &str, error: &KafkaError) -> Error {
    let code = match error {
        KafkaError::Transaction(cause) => cause.code(),
        other => other.rdkafka_error_code().unwrap_or(Code::Fail),
    };
    let text = format!("{doing}: {error}");
    match code {
        code if is_fenced(code) => Error::fenced(format!(
            "{text}: another task writes with this transactional.id"
        )),
        Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Error::config(text).transient()
        }
        _ => Error::retriable(text),
    }
}

/// What a refusal means: of the record, or of all records.
fn send_error(topic: &str, error: &KafkaError) -> SendError {
    let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
    match code {
        Code::MessageSizeTooLarge
        | Code::InvalidMessage
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp => SendError::Record(Error::data(format!(
            "topic {topic} does not take the record: {code}"
        ))),
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed => {
            let refused = Error::config(format!(
                "cannot write to topic {topic}: {code}; create it or allow it, or have it created by \
                 topic.creation.default.partitions and topic.creation.default.replication.factor"
            ));
            SendError::Producer(refused.transient())
        }
        code if is_fenced(code) => SendError::Producer(Error::fenced(format!(
            "cannot write to topic {topic}: {code}: another task writes with this transactional.id"
        ))),
        _ => SendError::Producer(Error::retriable(format!(
            "cannot write to topic {topic}: {error}"
        ))),
    }
}

/// How topics are created that a record is to go to: `topic.creation.default.*`.
#[derive(Clone, Debug)]
pub struct TopicCreation {
    /// The settings of the admin client.
    pub admin: ClientConfig,
    /// Partitions; -1: as the broker's default.
    pub partitions: i32,
    /// Replicas; -1: as the broker's default.
    pub replication_factor: i32,
    /// Settings of the topic, such as `cleanup.policy`.
    pub settings: Properties,
}

/// The topics that a task has written to.
#[derive(Debug)]
pub struct Topics {
    creation: Option<TopicCreation>,
    known: BTreeSet<Arc<str>>,
}

impl Topics {
    /// Topics that are created by these rules; without any, the broker creates them, if it is
    /// configured to.
    pub fn new(creation: Option<TopicCreation>) -> Self {
        Self {
            creation,
            known: BTreeSet::new(),
        }
    }

    /// Whether a topic has to be created before it is written to.
    pub fn is_new(&self, topic: &Arc<str>) -> bool {
        self.creation.is_some() && !self.known.contains(topic)
    }

    /// Creates a topic that is not there. A topic that exists stays as it is.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when Kafka refuses the settings,
    /// [`connect_api::ErrorKind::Retriable`] when it does not answer.
    pub async fn create(&mut self, topic: &Arc<str>) -> Result<()> {
        let Some(creation) = &self.creation else {
            return Ok(());
        };
        creation.create(topic).await?;
        self.known.insert(Arc::clone(topic));
        Ok(())
    }
}

impl TopicCreation {
    async fn create(&self, topic: &str) -> Result<()> {
        let failed =
            |error: &dyn std::fmt::Display| format!("cannot create topic {topic}: {error}");
        let client: KafkaClient<AdminClient<DefaultClientContext>> =
            create(&self.admin, DefaultClientContext)
                .map_err(|error| Error::config(format!("admin client: {error}")))?;
        let replication = TopicReplication::Fixed(self.replication_factor);
        let mut wanted = NewTopic::new(topic, self.partitions, replication);
        for (key, value) in &self.settings {
            wanted = wanted.set(key, value);
        }
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        let answers = client.create_topics([&wanted], &options).await;
        for answer in answers.map_err(|error| Error::retriable(failed(&error)))? {
            match answer {
                Ok(_) => info!(topic, "created"),
                Err((_, Code::TopicAlreadyExists)) => {}
                // It may be there all the same: the producer finds out.
                Err((
                    _,
                    code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed),
                )) => {
                    warn!(topic, %code, "may not create the topic");
                }
                Err((_, Code::InvalidReplicationFactor)) => {
                    let option = "topic.creation.default.replication.factor";
                    let brokers = brokers(&client);
                    let why = replication_refusal(self.replication_factor, option, brokers);
                    // There may be more brokers later.
                    return Err(Error::config(failed(&why)).transient());
                }
                Err((
                    _,
                    code @ (Code::InvalidPartitions
                    | Code::InvalidConfig
                    | Code::InvalidTopic
                    | Code::PolicyViolation),
                )) => {
                    return Err(Error::config(failed(&code)));
                }
                Err((_, code)) => return Err(Error::retriable(failed(&code))),
            }
        }
        Ok(())
    }
}
