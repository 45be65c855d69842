//! The producer: idempotent, each record acknowledged by all replicas.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use connect_api::Properties;
use connect_kafka::{KafkaClient, create};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::input::Outgoing;
use crate::kafka_args::{Connection, KafkaArgs};

/// What the settings are where the user gives none.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "ferrule-produce"),
    ("compression.type", "snappy"),
    // Kafka's own producer waits for so long.
    ("delivery.timeout.ms", "120000"),
];

/// What the promise of this command rests on.
const FIXED: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("partitioner", "murmur2_random"),
];

const FULL: Duration = Duration::from_millis(10);
const FLUSH: Duration = Duration::from_millis(200);

/// How many records there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged by Kafka.
    pub acknowledged: u64,
    /// Given up, or refused by Kafka.
    pub failed: u64,
}

#[derive(Default)]
struct Answers {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    /// Why the first one failed.
    why: Mutex<Option<String>>,
}

/// Counts the answers.
#[derive(Clone)]
struct Context {
    connection: Connection,
    answers: Arc<Answers>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.error(error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.connection.log(level, facility, line);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.answers.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.answers.failed.fetch_add(1, Ordering::Relaxed);
                let mut why = self
                    .answers
                    .why
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                why.get_or_insert_with(|| match error.rdkafka_error_code() {
                    Some(code) => code.to_string(),
                    None => error.to_string(),
                });
            }
        }
    }
}

/// Sends records.
pub struct Sender {
    producer: KafkaClient<ThreadedProducer<Context>>,
    connection: Connection,
    answers: Arc<Answers>,
}

impl Sender {
    /// Makes a producer of the user's settings.
    pub fn open(args: &KafkaArgs, more: &Properties) -> Result<Self> {
        let (mut config, connection) = args.connect(more)?;
        let given = args.settings()?;
        for (key, value) in DEFAULTS {
            if !given.contains_key(*key) {
                config.set(*key, *value);
            }
        }
        for (key, value) in FIXED {
            config.set(*key, *value);
        }
        let answers = Arc::new(Answers::default());
        let context = Context {
            connection: connection.clone(),
            answers: Arc::clone(&answers),
        };
        let producer = create(&config, context).context("a setting of the producer is refused")?;
        Ok(Self {
            producer,
            connection,
            answers,
        })
    }

    /// Whether there is such a topic: a broker that makes topics by itself would give it one
    /// partition.
    pub fn require_topic(&self, topic: &str, system: Option<&str>) -> Result<()> {
        let metadata = self.connection.metadata(self.producer.client(), || {})?;
        let found = metadata.topics().iter().find(|it| it.name() == topic);
        if found.is_some_and(|found| !found.partitions().is_empty()) {
            return Ok(());
        }
        let address = &self.connection.address;
        match system {
            Some(system) => bail!(
                "Kafka at {address} has no topic {topic}; make it first: ferrule topics apply \
                 connectors/topics/{system}.json --bootstrap-server {address}"
            ),
            None => bail!(
                "Kafka at {address} has no topic {topic}; make it first, with ferrule topics apply \
                 FILE or kafka-topics.sh --create"
            ),
        }
    }

    /// Sends a record; a full queue is waited for. Whether it was sent: not when it is to stop.
    pub fn send(&self, outgoing: &Outgoing, stop: &AtomicBool) -> Result<bool> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&outgoing.topic);
        record.key = outgoing.key.as_deref();
        record.payload = outgoing.value.as_deref();
        record.partition = outgoing.partition;
        record.timestamp = outgoing.timestamp;
        if !outgoing.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            let add = |headers: OwnedHeaders, (key, value): &(String, String)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            };
            record.headers = Some(outgoing.headers.iter().fold(headers, add));
        }
        loop {
            record = match self.producer.send(record) {
                Ok(()) => {
                    self.answers.sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(true);
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((error, _)) => {
                    let code = error.rdkafka_error_code();
                    let why = code.map_or_else(|| error.to_string(), |code| code.to_string());
                    return Err(anyhow!(
                        "a record for topic {} is not taken: {why}",
                        outgoing.topic
                    ));
                }
            };
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            std::thread::sleep(FULL);
        }
    }

    /// Waits until all that was sent is answered.
    pub fn flush(&self, stop: &AtomicBool, mut each: impl FnMut(&Counts)) -> Result<()> {
        let mut last_tries = 50;
        while self.producer.in_flight_count() > 0 {
            // An error is that the time is over.
            let _ = self.producer.flush(FLUSH);
            each(&self.counts());
            if stop.load(Ordering::Relaxed) {
                last_tries -= 1;
                if last_tries == 0 {
                    bail!(
                        "stopped while {} records were not acknowledged; {}",
                        self.producer.in_flight_count(),
                        self.failure()
                    );
                }
            }
        }
        Ok(())
    }

    /// How many were sent so far.
    pub fn sent(&self) -> u64 {
        self.answers.sent.load(Ordering::Relaxed)
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let answers = &self.answers;
        Counts {
            sent: answers.sent.load(Ordering::Relaxed),
            acknowledged: answers.acknowledged.load(Ordering::Relaxed),
            failed: answers.failed.load(Ordering::Relaxed),
        }
    }

    /// Why the first record failed.
    pub fn failure(&self) -> String {
        let why = self
            .answers
            .why
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let why = why.as_ref().map_or("no answer", |why| why);
        format!("Kafka at {}: {why}", self.connection.address)
    }
}
