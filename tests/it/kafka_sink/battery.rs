//! The battery that every sink passes.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use connect_api::{
    ClientProperties, Connector as _, Datum, Properties, SinkTask, TaskContext, Value,
};
use connect_kafka::{TransactionalSinkConnector as _, TransactionalSinkTask, client_config};
use connect_sink_tests::{Landed, LandedRecord, SinkUnderTest, TOPIC};
use harness::kafka::TestKafka;
use harness::names;
use kafka_sink::KafkaSinkConnector;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::OnceCell;

/// Longer than the topic takes a record.
const TOO_LONG: usize = 5000;

static TOPIC_CREATED: OnceCell<()> = OnceCell::const_new();

struct KafkaToKafka {
    kafka: &'static TestKafka,
    /// The connector, and the topic that it writes to.
    name: String,
}

impl KafkaToKafka {
    fn context(&self) -> TaskContext {
        let client = |more: &[(&str, &str)]| -> Properties {
            let servers = ("bootstrap.servers".to_owned(), self.kafka.bootstrap());
            let more = more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            more.chain([servers]).collect()
        };
        TaskContext {
            connector: self.name.clone(),
            task: 0,
            clients: ClientProperties {
                producer: client(&[]),
                consumer: client(&[("group.id", &self.name)]),
                admin: client(&[]),
                internal_topics: Vec::new(),
            },
            ..TaskContext::default()
        }
    }
}

/// Does what the worker does before it gives the task records. The membership is that of no member,
/// which Kafka takes of a group that has none.
async fn join(task: &mut dyn TransactionalSinkTask, context: &TaskContext) -> Result<()> {
    let group = task.group_transaction().context("exactly once")?;
    group.end_open_transactions().await?;
    let consumer: BaseConsumer = client_config(&context.clients.consumer)?.create()?;
    let membership = consumer.group_metadata().context("no group")?;
    group.read_under(Arc::new(membership));
    Ok(())
}

#[async_trait(?Send)]
impl SinkUnderTest for KafkaToKafka {
    async fn new() -> Result<Self> {
        let (kafka, name) = (TestKafka::shared().await?, names::unique("battery"));
        // The topic of the records is only named: a transaction commits an offset of it.
        TOPIC_CREATED
            .get_or_try_init(|| kafka.create_topic(TOPIC, 2))
            .await?;
        let settings = [("max.message.bytes", "2000"), ("retention.ms", "-1")];
        kafka.create_topic_with(&name, 1, &settings).await?;
        Ok(Self { kafka, name })
    }

    async fn task(&mut self) -> Result<Box<dyn SinkTask>> {
        let connector = KafkaSinkConnector::new();
        let strings = "org.apache.kafka.connect.storage.StringConverter";
        let options = [
            ("topic.name.format", self.name.as_str()),
            ("output.value.converter", strings),
        ];
        let properties = options.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let config = connector.config_def().parse(&properties.into())?;
        let context = self.context();
        let mut task = connector.transactional_task(&config, &context)?;
        join(&mut *task, &context).await?;
        Ok(task)
    }

    fn value(&self, partition: i32, number: i64) -> Datum {
        Datum::schemaless(Value::from(format!("{partition} {number}").as_str()))
    }

    fn errant_value(&self) -> Option<Datum> {
        Some(Datum::schemaless(Value::from(
            "x".repeat(TOO_LONG).as_str(),
        )))
    }

    async fn landed(&mut self) -> Result<Landed> {
        let mut landed = Vec::new();
        for record in self.kafka.read(&self.name).await? {
            let text = record.text();
            let (partition, number) = text.split_once(' ').context("another value")?;
            landed.push(LandedRecord {
                partition: partition.parse()?,
                number: number.parse()?,
            });
        }
        Ok(Landed::Records(landed))
    }
}

connect_sink_tests::battery!(KafkaToKafka);
