//! What librdkafka, the worker's client, finds in the embedded broker.

mod admin;
mod groups;
mod records;
mod transactions;

use std::time::{Duration, Instant};

use embedded::{Error, Kafka};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const LIMIT: Duration = Duration::from_secs(20);

fn start() -> embedded::Result<Kafka> {
    Kafka::start(([127, 0, 0, 1], 0).into())
}

fn client(kafka: &Kafka, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap());
    settings.iter().for_each(|(key, value)| {
        config.set(*key, *value);
    });
    config
}

fn producer(kafka: &Kafka, settings: &[(&str, &str)]) -> Result<FutureProducer, KafkaError> {
    client(
        kafka,
        &[&[("message.timeout.ms", "20000")], settings].concat(),
    )
    .create()
}

fn admin(kafka: &Kafka) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    client(kafka, &[]).create()
}

async fn create_topic(kafka: &Kafka, name: &str, partitions: i32) -> TestResult {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact");
    let made = admin(kafka)?
        .create_topics([&topic], &AdminOptions::new())
        .await?;
    assert_eq!(made, [Ok(name.to_owned())]);
    Ok(())
}

async fn produce(producer: &FutureProducer, topic: &str, partition: i32, n: usize) -> TestResult {
    let sends: Vec<_> = (0..n)
        .map(|i| {
            let (key, value) = (format!("k{i}"), format!("v{i}"));
            let record = FutureRecord::to(topic)
                .partition(partition)
                .key(&key)
                .payload(&value);
            producer.send_result(record).map_err(|(error, _)| error)
        })
        .collect::<Result<_, _>>()?;
    for sent in sends {
        sent.await?.map_err(|(error, _)| error)?;
    }
    Ok(())
}

/// Reads `n` records, in the order they come.
fn read(
    consumer: &BaseConsumer,
    n: usize,
) -> Result<Vec<OwnedMessage>, Box<dyn std::error::Error>> {
    let mut seen = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while seen.len() < n {
        if Instant::now() > deadline {
            return Err(format!("{} of {n} records", seen.len()).into());
        }
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            seen.push(message?.detach());
        }
    }
    Ok(seen)
}

fn offsets(records: &[OwnedMessage]) -> Vec<i64> {
    records.iter().map(Message::offset).collect()
}

fn from_beginning(
    kafka: &Kafka,
    topic: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<BaseConsumer, KafkaError> {
    let consumer: BaseConsumer = client(
        kafka,
        &[
            &[("group.id", "reader"), ("enable.auto.commit", "false")],
            settings,
        ]
        .concat(),
    )
    .create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_broker_on_the_port_is_refused() -> TestResult {
    let kafka = start()?;
    let addr = kafka.bootstrap().parse()?;
    let second = Kafka::start(addr);
    assert!(matches!(second, Err(Error::Bind { .. })), "{second:?}");
    kafka.stop().await;
    Kafka::start(addr)?.stop().await;
    Ok(())
}
