//! Puts events into topics: at once, or at a rate.

use std::time::{Duration, Instant};

use anyhow::Result;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{Event, Format, registered};
use crate::stand::Stand;

/// A topic, and the events in it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How its values are encoded.
    pub format: Format,
    /// Its events lie evenly over so many partitions.
    pub partitions: i32,
    /// How many events it has.
    pub rows: u64,
    /// Bytes more in each event.
    pub heavier: usize,
}

impl Topic {
    /// A topic of its own for `rows` usual events.
    pub fn new(format: Format, partitions: i32, rows: u64) -> Self {
        Self {
            name: harness::names::unique("bench"),
            format,
            partitions,
            rows,
            heavier: 0,
        }
    }

    /// Creates the topic and fills it.
    pub async fn fill(&self, stand: &Stand) -> Result<()> {
        let schema = self.create(stand).await?;
        let producer = producer(stand, "20")?;
        let topic = self.clone();
        let work = move || -> Result<()> {
            let mut value = Vec::new();
            for number in 0..topic.rows {
                let mut event = Event::new(number);
                if topic.heavier > 0 {
                    event = event.heavier(topic.heavier);
                }
                event.encode(topic.format, schema, &mut value);
                topic.send(&producer, number, &event.track, &value)?;
            }
            producer.flush(Duration::from_secs(120))?;
            Ok(())
        };
        tokio::task::spawn_blocking(work).await?
    }

    /// Creates the topic empty; the answer is the id of its schema in the registry, if any.
    pub async fn create(&self, stand: &Stand) -> Result<u32> {
        stand
            .kafka
            .create_topic(&self.name, self.partitions)
            .await?;
        let Some(request) = registered::request(self.format) else {
            return Ok(0);
        };
        let subject = format!("{}-value", self.name);
        stand.registry.register_request(&subject, &request).await
    }

    /// Produces all events at so many a second, and tells when each was handed to the client.
    pub async fn stream(&self, stand: &Stand, schema: u32, rate: u64) -> Result<Vec<Instant>> {
        let producer = producer(stand, "0")?;
        let topic = self.clone();
        let work = move || -> Result<Vec<Instant>> {
            let mut sent = Vec::with_capacity(topic.rows as usize);
            let mut value = Vec::new();
            let begin = Instant::now();
            for number in 0..topic.rows {
                let due = begin + Duration::from_secs_f64(number as f64 / rate as f64);
                // The clock is read often enough without it at high rates.
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let event = Event::new(number).numbered(number);
                event.encode(topic.format, schema, &mut value);
                sent.push(Instant::now());
                topic.send(&producer, number, &event.track, &value)?;
            }
            producer.flush(Duration::from_secs(30))?;
            Ok(sent)
        };
        tokio::task::spawn_blocking(work).await?
    }

    fn send(&self, producer: &BaseProducer, number: u64, key: &str, value: &[u8]) -> Result<()> {
        let partition = (number % self.partitions as u64) as i32;
        let mut record = BaseRecord::to(&self.name)
            .partition(partition)
            .key(key)
            .payload(value);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    producer.poll(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        producer.poll(Duration::ZERO);
        Ok(())
    }
}

fn producer(stand: &Stand, linger_ms: &str) -> Result<BaseProducer> {
    let mut config = stand.kafka.client();
    config
        .set("compression.type", "snappy")
        .set("linger.ms", linger_ms)
        .set("queue.buffering.max.messages", "200000")
        .set("acks", "1");
    Ok(config.create()?)
}
