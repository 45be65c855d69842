//! A producer whose answers are futures. Its thread sleeps long: rdkafka's own `FutureProducer`
//! asks ten times a second, and spins through the last millisecond of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect_api::{Error, Result};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use tokio::sync::oneshot;

use crate::login::{KafkaClient, create};
use crate::meter::ClientMeter;
use crate::quiet::ClientErrors;

/// How long the thread sleeps when there is nothing to answer, and outlives its producer.
const TURN: Duration = Duration::from_secs(1);
/// How long a full queue is left to the client's own threads.
const FULL: Duration = Duration::from_millis(10);

/// Where a record was written: its partition and its offset.
type Written = KafkaResult<(i32, i64)>;

/// An answer that is yet to come; an error of the channel means that the producer has gone.
pub type Receipt = oneshot::Receiver<Written>;

struct Receipts {
    errors: ClientErrors,
    meter: Arc<ClientMeter>,
}

impl ClientContext for Receipts {
    fn stats(&self, statistics: Statistics) {
        self.meter.take(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.errors.log_line(level, facility, line);
    }
}

impl ProducerContext for Receipts {
    type DeliveryOpaque = Box<oneshot::Sender<Written>>;

    fn delivery(&self, answer: &DeliveryResult<'_>, receipt: Self::DeliveryOpaque) {
        let written = match answer {
            Ok(message) => {
                self.errors.answered();
                Ok((message.partition(), message.offset()))
            }
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody may wait for it any more.
        let _ = receipt.send(written);
    }
}

/// A producer.
#[derive(Clone)]
pub struct Producer(Arc<Thread>);

struct Thread {
    client: Arc<KafkaClient<BaseProducer<Receipts>>>,
    stop: Arc<AtomicBool>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Producer {
    /// A producer of the given settings.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a setting is refused.
    pub fn new(config: &ClientConfig) -> Result<Self> {
        let receipts = Receipts {
            errors: ClientErrors::new("a producer"),
            meter: Arc::default(),
        };
        let client: KafkaClient<BaseProducer<Receipts>> =
            create(config, receipts).map_err(|e| Error::config(format!("producer: {e}")))?;
        let client = Arc::new(client);
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped) = (Arc::clone(&client), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("producer".into())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    polled.poll(TURN);
                }
            })
            .map_err(|e| Error::retriable("cannot start a thread").with_source(e))?;
        Ok(Self(Arc::new(Thread { client, stop })))
    }

    /// What the client has done, if its settings have `statistics.interval.ms`.
    pub fn meter(&self) -> &Arc<ClientMeter> {
        &self.0.client.client().context().meter
    }

    /// Sends a record: it is on its way, whether or not somebody waits for the answer. A full queue
    /// is waited for.
    ///
    /// # Errors
    /// Why the client does not take the record.
    pub fn send<K, P>(&self, record: BaseRecord<'_, K, P>) -> KafkaResult<Receipt>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let (sender, receipt) = oneshot::channel();
        let mut record = BaseRecord {
            topic: record.topic,
            partition: record.partition,
            payload: record.payload,
            key: record.key,
            timestamp: record.timestamp,
            headers: record.headers,
            delivery_opaque: Box::new(sender),
        };
        loop {
            record = match self.0.client.send(record) {
                Ok(()) => return Ok(receipt),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => back,
                Err((error, _)) => return Err(error),
            };
            std::thread::sleep(FULL);
        }
    }

    /// The offsets behind the last records of a topic's partitions.
    ///
    /// # Errors
    /// When Kafka does not answer in time.
    pub fn end_offsets(&self, topic: &str, timeout: Duration) -> KafkaResult<Vec<(i32, i64)>> {
        let client = self.0.client.client();
        let metadata = client.fetch_metadata(Some(topic), timeout)?;
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(rdkafka::metadata::MetadataTopic::partitions);
        let end = |partition: i32| {
            let (_, end) = client.fetch_watermarks(topic, partition, timeout)?;
            Ok((partition, end))
        };
        partitions.map(|partition| end(partition.id())).collect()
    }

    /// Takes over the `transactional.id` of the settings: what others with it have left open is
    /// taken back.
    ///
    /// # Errors
    /// When Kafka does not answer in time, or refuses.
    pub fn init_transactions(&self, timeout: Duration) -> KafkaResult<()> {
        self.0.client.init_transactions(timeout)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the client cannot.
    pub fn begin_transaction(&self) -> KafkaResult<()> {
        self.0.client.begin_transaction()
    }

    /// Commits the transaction; may be repeated after a retriable error.
    ///
    /// # Errors
    /// When Kafka does not answer in time, or refuses.
    pub fn commit_transaction(&self, timeout: Duration) -> KafkaResult<()> {
        self.0.client.commit_transaction(timeout)
    }

    /// Takes the transaction back.
    ///
    /// # Errors
    /// When Kafka does not answer in time, or refuses.
    pub fn abort_transaction(&self, timeout: Duration) -> KafkaResult<()> {
        self.0.client.abort_transaction(timeout)
    }
}
