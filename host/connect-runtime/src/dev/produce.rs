//! The records of the demo: makes the topics, registers the schema and produces them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use connect_api::Properties;
use connect_converters::{RegistryClient, SchemaFormat, SchemaText};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::produce::generate::{
    ANOMALIES_PARTITIONS, ANOMALIES_TOPIC, SYSTEMS, Sample, Split, System, TELESCOPE_SUBJECT,
    activity_events, iot_measurements, raw_telemetry, telescope_data, telescope_schema,
    user_activity,
};

const TIMEOUT: Duration = Duration::from_secs(60);

/// What was produced, all of it acknowledged by the broker.
#[derive(Clone, Debug)]
pub struct Produced {
    /// What must become of the records of each system.
    pub systems: Vec<(System, Split)>,
    /// From the first record to the last acknowledgement.
    pub elapsed: Duration,
}

/// Produces the first `n` records of each of the five systems; topics that are missing are
/// made, and the Avro schema is registered. Returns when the broker has acknowledged all.
pub async fn produce(bootstrap: &str, registry_url: &str, n: usize) -> Result<Produced> {
    create_topics(bootstrap).await?;
    let schema_id = register(registry_url).await?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("client.id", "ferrule-demo")
        .set("compression.type", "snappy")
        .set("linger.ms", "20")
        .set("partitioner", "murmur2_random");
    let sending = tokio::task::spawn_blocking(move || send(&config, n, schema_id));
    let produced = sending.await;
    produced.context("the producer's thread panicked")?
}

async fn create_topics(bootstrap: &str) -> Result<()> {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let input = SYSTEMS
        .iter()
        .map(|system| (system.topic, system.partitions));
    let topics = input.chain([(ANOMALIES_TOPIC, ANOMALIES_PARTITIONS)]);
    let new = |(topic, partitions)| NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let topics: Vec<_> = topics.map(new).collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    for made in admin.create_topics(&topics, &options).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("topic {topic}: {code}"),
        }
    }
    Ok(())
}

async fn register(registry_url: &str) -> Result<i32> {
    let options = Properties::from([("schema.registry.url".to_owned(), registry_url.to_owned())]);
    let text = telescope_schema()?;
    let schema = SchemaText {
        format: SchemaFormat::Avro,
        text: &text,
    };
    let id = RegistryClient::new(&options)?
        .register(TELESCOPE_SUBJECT, schema)
        .await?;
    i32::try_from(id).context("the registry's id of the schema is too large")
}

fn send(config: &ClientConfig, n: usize, schema_id: i32) -> Result<Produced> {
    let producer: BaseProducer<Acknowledged> =
        config.create_with_context(Acknowledged::default())?;
    let started = Instant::now();
    let samples = activity_events(n)
        .chain(telescope_data(n, schema_id))
        .chain(iot_measurements(n))
        .chain(raw_telemetry(n))
        .chain(user_activity(n));
    let mut systems: Vec<_> = SYSTEMS.map(|it| (it, Split::default())).into();
    let mut sent = 0;
    for sample in samples {
        enqueue(&producer, &sample, started + TIMEOUT)?;
        sent += 1;
        let system = systems.iter_mut().find(|(it, _)| it.topic == sample.topic);
        if let Some((_, split)) = system {
            split.add(sample.expect);
        }
    }
    producer.flush(TIMEOUT)?;
    let acknowledged = producer.context().0.load(Ordering::Relaxed);
    if acknowledged < sent {
        bail!("{acknowledged} of {sent} records were acknowledged");
    }
    Ok(Produced {
        systems,
        elapsed: started.elapsed(),
    })
}

fn enqueue(producer: &BaseProducer<Acknowledged>, sample: &Sample, until: Instant) -> Result<()> {
    let mut record = BaseRecord::to(sample.topic)
        .key(sample.key.as_bytes())
        .payload(&sample.value[..]);
    record.timestamp = sample.timestamp;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                if Instant::now() < until =>
            {
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Counts what the broker acknowledged.
#[derive(Default)]
struct Acknowledged(AtomicUsize);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded::{Kafka, Registry};

    use super::super::topics::committed_records;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sample_records_are_produced_whole() {
        let kafka = Kafka::start(([127, 0, 0, 1], 0).into()).unwrap();
        let registry = Registry::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let n = 2_000;
        let (bootstrap, url) = (kafka.bootstrap(), registry.url());
        let produced = produce(&bootstrap, &url, n).await.unwrap();
        // Again: what is there is used, and more records follow.
        produce(&bootstrap, &url, n).await.unwrap();
        for (system, split) in produced.systems {
            assert_eq!(split.records(), n);
            let bootstrap = bootstrap.clone();
            let read = move || committed_records(&bootstrap, system.topic, system.partitions);
            let records = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
            assert_eq!(records, 2 * n, "{}", system.topic);
        }
        registry.stop().await;
        kafka.stop().await;
    }
}
