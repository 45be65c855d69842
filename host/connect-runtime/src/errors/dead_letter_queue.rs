//! The dead letter queue: the record's very bytes, and headers that say why.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connect_api::{Error, RawRecord, Result, TaskContext};
use connect_kafka::{ClientMeter, Producer, Receipt, SettingsOf, TopicSpec};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::Errant;
use crate::metrics::CLIENT_STATISTICS_INTERVAL;

/// A dead letter on its way. `Ok` once all in-sync replicas have it.
pub type Delivery = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// librdkafka's default is less than what brokers take by default, and a record that the topic has
/// would get no dead letter. The broker alone is to say what is too large.
const MESSAGE_SIZE: &str = "message.max.bytes";

/// How long Kafka may take to create the topic.
const CREATE_TIMEOUT: Duration = Duration::from_secs(30);

/// Kafka takes records of that size, whatever it is set to, with the headers of a dead letter.
const SURELY_SMALL: usize = 64 << 10;

/// A dead letter without the bytes of its record.
struct Reserve {
    topic: Arc<str>,
    producer: Producer,
    headers: OwnedHeaders,
    timestamp: Option<i64>,
}

impl Reserve {
    fn send(self) -> KafkaResult<Receipt> {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).headers(self.headers);
        self.producer.send(BaseRecord {
            timestamp: self.timestamp,
            ..record
        })
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize)
    )
}

/// Produces to the dead letter topic of one task.
#[derive(Clone)]
pub struct DeadLetterQueue {
    topic: Arc<str>,
    connector: Arc<str>,
    task: u32,
    producer: Producer,
}

impl std::fmt::Debug for DeadLetterQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetterQueue")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl DeadLetterQueue {
    /// Creates the topic, with one partition as Kafka Connect does, if it is absent.
    ///
    /// # Errors
    /// When Kafka does not answer or refuses.
    pub async fn create_topic(topic: &str, replication: i32, admin: &ClientConfig) -> Result<()> {
        let spec = TopicSpec {
            name: topic,
            purpose: "dead letter topic",
            partitions: 1,
            replication,
            replication_option: "errors.deadletterqueue.topic.replication.factor",
            settings: Vec::new(),
        };
        let settings = SettingsOf::Connector("admin.override.");
        spec.create_by(admin, settings, CREATE_TIMEOUT)
            .await
            .map(drop)
    }

    /// The queue of a task.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting is refused.
    pub fn new(topic: &str, context: &TaskContext, producer: &ClientConfig) -> Result<Self> {
        let mut producer = producer.clone();
        producer
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("statistics.interval.ms", CLIENT_STATISTICS_INTERVAL);
        if producer.get(MESSAGE_SIZE).is_none() {
            producer.set(MESSAGE_SIZE, "1000000000");
        }
        let producer = Producer::new(&producer).map_err(|e| e.context("dead letters"))?;
        let TaskContext {
            connector, task, ..
        } = context;
        Ok(Self {
            topic: topic.into(),
            connector: connector.as_str().into(),
            task: *task,
            producer,
        })
    }

    /// What its client has done.
    pub fn meter(&self) -> &Arc<ClientMeter> {
        self.producer.meter()
    }

    /// Sends a dead letter.
    pub fn send(&self, errant: &Errant<'_>, context_headers: bool) -> Delivery {
        let raw = errant.raw;
        let mut headers = OwnedHeaders::new_with_capacity(raw.headers.len() + 10);
        for header in &raw.headers {
            headers = headers.insert(Header {
                key: &header.name,
                value: header.value.as_deref(),
            });
        }
        if context_headers {
            headers = self.context(errant, headers);
        }
        let reserve = self.reserve(errant);
        let at = format!("{} at offset {}", errant.topic_partition, raw.offset);
        let topic = Arc::clone(&self.topic);
        let undelivered = move |error: &dyn std::fmt::Display| {
            Error::fatal(format!(
                "cannot write the dead letter of {at} to topic {topic}: {error}"
            ))
            .transient()
        };
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).headers(headers);
        record.key = raw.key.as_deref();
        record.payload = raw.value.as_deref();
        record.timestamp = raw.timestamp.map(|at| at.0);
        // It is on its way now, whether or not somebody waits for it.
        let queued = self.producer.send(record);
        Box::pin(async move {
            let mut sent = queued;
            let mut reserve = reserve;
            loop {
                let outcome = match sent {
                    Ok(receipt) => receipt.await,
                    Err(error) => Ok(Err(error)),
                };
                match (outcome, reserve.take()) {
                    (Ok(Ok(_)), _) => return Ok(()),
                    (Ok(Err(error)), Some(reserve)) if is_too_large(&error) => {
                        sent = reserve.send();
                    }
                    (Ok(Err(error)), _) => return Err(undelivered(&error)),
                    (Err(_), _) => return Err(undelivered(&"the producer has gone")),
                }
            }
        })
    }

    /// What is sent where Kafka does not take the letter, as it can be larger than the record by
    /// its headers: where the record is, and why, without its bytes. It would else fail the task,
    /// whatever is tolerated. None for a record that is surely small enough.
    fn reserve(&self, errant: &Errant<'_>) -> Option<Reserve> {
        let RawRecord {
            key,
            value,
            headers,
            timestamp,
            ..
        } = errant.raw;
        let part = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let of_headers = headers.iter().map(|h| 8 + h.name.len() + part(&h.value));
        if part(key) + part(value) + of_headers.sum::<usize>() < SURELY_SMALL {
            return None;
        }
        let without_bytes = Header {
            key: "__connect.errors.without.record",
            value: Some("the record is too large for the dead letter topic"),
        };
        let headers = self.context(errant, OwnedHeaders::new_with_capacity(11));
        Some(Reserve {
            topic: Arc::clone(&self.topic),
            producer: self.producer.clone(),
            headers: headers.insert(without_bytes),
            timestamp: timestamp.map(|at| at.0),
        })
    }

    fn context(&self, errant: &Errant<'_>, headers: OwnedHeaders) -> OwnedHeaders {
        let Errant {
            topic_partition,
            raw,
            stage,
            class,
            error,
        } = errant;
        let exception = error.class_name();
        let message = errant.message();
        let trace = format!("{exception}: {message}\n");
        [
            ("__connect.errors.topic", topic_partition.topic.as_ref()),
            (
                "__connect.errors.partition",
                &topic_partition.partition.to_string(),
            ),
            ("__connect.errors.offset", &raw.offset.to_string()),
            ("__connect.errors.connector.name", &self.connector),
            ("__connect.errors.task.id", &self.task.to_string()),
            ("__connect.errors.stage", stage.name()),
            ("__connect.errors.class.name", class),
            ("__connect.errors.exception.class.name", exception),
            ("__connect.errors.exception.message", &message),
            ("__connect.errors.exception.stacktrace", &trace),
        ]
        .into_iter()
        .fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        })
    }
}
