//! The topic of the audit log.

use std::time::Duration;

use connect_api::{Error, Result};
use connect_kafka::{Producer, SettingsOf, TopicSpec, client_config};
use rdkafka::producer::BaseRecord;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::error;

use super::kafka::producer;
use crate::config::WorkerConfig;

/// How long Kafka may take to create the topic.
const CREATE_LIMIT: Duration = Duration::from_secs(30);

/// Creates the topic when it is absent, and writes what the channel gives into it until the channel
/// is closed.
///
/// # Errors
/// When the topic cannot be created, or the producer cannot be made.
pub async fn write_audit(
    config: &WorkerConfig,
    topic: &str,
    mut lines: mpsc::Receiver<Value>,
    tasks: &mut JoinSet<()>,
) -> Result<()> {
    let admin = client_config(&config.client_properties("admin."))?;
    let spec = TopicSpec {
        name: topic,
        purpose: "audit topic",
        partitions: 1,
        replication: config.config_topic().replication_factor,
        replication_option: "config.storage.replication.factor",
        settings: vec![("cleanup.policy", "delete")],
    };
    spec.create_by(&admin, SettingsOf::Worker, CREATE_LIMIT)
        .await?;
    let producer = producer(config)?;
    let topic = topic.to_owned();
    tasks.spawn(async move {
        while let Some(line) = lines.recv().await {
            if let Err(error) = write(&producer, &topic, &line).await {
                let error = error.chain();
                error!(topic, error, "a line of the audit log was not written");
            }
        }
    });
    Ok(())
}

async fn write(producer: &Producer, topic: &str, line: &Value) -> Result<()> {
    let payload = line.to_string();
    let key = line["principal"].as_str().unwrap_or_default();
    let record = BaseRecord::<str, str>::to(topic).key(key).payload(&payload);
    let failed = || Error::retriable("could not write");
    let sent = producer.send(record);
    let receipt = sent.map_err(|cause| failed().with_source(cause))?;
    let written = receipt.await.map_err(|_| failed())?;
    written.map_err(|cause| failed().with_source(cause))?;
    Ok(())
}
