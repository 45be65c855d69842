//! The offsets that sources have stored: a compacted topic in Kafka Connect's format, which workers
//! of the JVM read and write too.
//!
//! A key is `["<connector>",{<source partition>}]`, a value the source offset, and a tombstone says
//! that the partition has none. The topic is created when a source first needs it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, Result, SourceOffset, SourceOffsetChange, SourcePartition};
use connect_kafka::Producer;
use rdkafka::producer::BaseRecord;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tracing::warn;

use super::StoredRecord;
use super::kafka::{consumer, ensure_topic, only_records, producer};
use super::log_reader::LogReader;
use crate::config::WorkerConfig;
use crate::source_task::ProducerRecord;

/// How long Kafka may take to give all of the topic.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The stored offsets of one connector.
#[async_trait]
pub trait SourceOffsetStore: Send + Sync {
    /// Makes sure that offsets can be stored.
    ///
    /// # Errors
    /// As for `read`, and [`connect_api::ErrorKind::Config`] when they would not be kept.
    async fn prepare(&self) -> Result<()>;

    /// All that is stored, committed transactions included and open ones not.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
    async fn read(&self) -> Result<Vec<(SourcePartition, SourceOffset)>>;

    /// Stores offsets; none removes a partition's.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer: any number of them may be
    /// stored then.
    async fn write(&self, changes: &[SourceOffsetChange]) -> Result<()>;

    /// The record that stores an offset, for a transaction.
    fn record(&self, partition: &SourcePartition, offset: Option<&SourceOffset>) -> ProducerRecord;
}

/// The topic of all connectors, `offset.storage.topic`.
pub struct SourceOffsets {
    config: Arc<WorkerConfig>,
    /// The partitions of the topic, once it is known to be there.
    partitions: OnceCell<Vec<i32>>,
    producer: OnceCell<Producer>,
}

impl std::fmt::Debug for SourceOffsets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SourceOffsets")
    }
}

impl SourceOffsets {
    /// The topic of this worker. Kafka is not asked yet.
    pub fn new(config: &Arc<WorkerConfig>) -> Self {
        Self {
            config: Arc::clone(config),
            partitions: OnceCell::new(),
            producer: OnceCell::new(),
        }
    }

    async fn partitions(&self) -> Result<&[i32]> {
        let look = async || ensure_topic(&self.config, &self.config.offset_topic(), None).await;
        Ok(self.partitions.get_or_try_init(look).await?)
    }
}

/// The offsets of one connector in Kafka.
#[derive(Clone, Debug)]
pub struct ConnectorOffsets {
    topic: Arc<SourceOffsets>,
    name: Arc<str>,
    connector: String,
}

impl ConnectorOffsets {
    /// Those of a connector.
    pub fn new(topic: &Arc<SourceOffsets>, connector: &str) -> Self {
        Self {
            name: topic.config.offset_topic().name.into(),
            topic: Arc::clone(topic),
            connector: connector.to_owned(),
        }
    }
}

#[async_trait]
impl SourceOffsetStore for ConnectorOffsets {
    async fn prepare(&self) -> Result<()> {
        self.topic.partitions().await.map(|_| ())
    }

    async fn read(&self) -> Result<Vec<(SourcePartition, SourceOffset)>> {
        let partitions = self.topic.partitions().await?.to_vec();
        let consumer = consumer(&self.topic.config)?;
        let mut reader = LogReader::start(consumer, &self.name, partitions)?;
        let late = || Error::retriable(format!("could not read topic {} to its end", self.name));
        let records = tokio::time::timeout(READ_TIMEOUT, reader.read_to_end()).await;
        let records = only_records(records.map_err(|_| late())??);
        Ok(offsets_of(&self.connector, records))
    }

    async fn write(&self, changes: &[SourceOffsetChange]) -> Result<()> {
        self.topic.partitions().await?;
        let new = async || producer(&self.topic.config);
        let producer = self.topic.producer.get_or_try_init(new).await?;
        let failed = || Error::retriable(format!("could not write to topic {}", self.name));
        let mut receipts = Vec::with_capacity(changes.len());
        for (partition, offset) in changes {
            let record = self.record(partition, offset.as_ref());
            let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            let sent = producer.send(message);
            receipts.push(sent.map_err(|cause| failed().with_source(cause))?);
        }
        for receipt in receipts {
            let written = receipt.await.map_err(|_| failed())?;
            written.map_err(|cause| failed().with_source(cause))?;
        }
        Ok(())
    }

    fn record(&self, partition: &SourcePartition, offset: Option<&SourceOffset>) -> ProducerRecord {
        ProducerRecord {
            topic: Arc::clone(&self.name),
            key: Some(key(&self.connector, partition).into_bytes()),
            value: offset.map(|offset| offset.to_string().into_bytes()),
            ..ProducerRecord::default()
        }
    }
}

pub(super) fn key(connector: &str, partition: &SourcePartition) -> String {
    json!([connector, partition.0]).to_string()
}

/// The offsets of a connector, of records in the order of their partitions' logs.
pub(crate) fn offsets_of(
    connector: &str,
    records: Vec<StoredRecord>,
) -> Vec<(SourcePartition, SourceOffset)> {
    let mut found: Vec<(SourcePartition, SourceOffset)> = Vec::new();
    for StoredRecord { key, value } in records {
        let Some((name, partition)) = parsed(&key) else {
            warn!("a key in the topic of source offsets is not understood; it is passed over");
            continue;
        };
        if name != connector {
            continue;
        }
        let partition = SourcePartition(partition);
        found.retain(|(known, _)| *known != partition);
        match value {
            Some(Value::Object(offset)) => found.push((partition, SourceOffset(offset))),
            None | Some(Value::Null) => {}
            Some(_) => warn!(
                connector,
                "a source offset is no JSON object; it is passed over"
            ),
        }
    }
    found
}

fn parsed(key: &str) -> Option<(String, Map<String, Value>)> {
    match serde_json::from_str(key).ok()? {
        (name, Value::Object(partition)) => Some((name, partition)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(key: &str, value: Value) -> StoredRecord {
        StoredRecord {
            key: key.into(),
            value: (!value.is_null()).then_some(value),
        }
    }

    #[test]
    fn the_key_is_kafka_connects() {
        let partition = SourcePartition::from([("filename", json!("/tmp/a \"b\""))]);
        let key = key("lines", &partition);
        assert_eq!(key, r#"["lines",{"filename":"/tmp/a \"b\""}]"#);
        assert_eq!(parsed(&key), Some(("lines".into(), partition.0)));
    }

    #[test]
    fn the_last_offset_of_a_partition_counts() {
        let records = vec![
            stored(r#"["a",{"f":"x","n":1}]"#, json!({"position": 1})),
            stored(r#"["b",{"f":"x","n":1}]"#, json!({"position": 2})),
            stored(r#"["a",{"f":"y"}]"#, json!({"position": 3})),
            stored("not JSON", json!({"position": 4})),
            // The same partition, its names in another order.
            stored(r#"["a",{"n":1,"f":"x"}]"#, json!({"position": 5})),
            stored(r#"["a",{"f":"y"}]"#, Value::Null),
        ];
        let partition = SourcePartition::from([("f", json!("x")), ("n", json!(1))]);
        let offset = SourceOffset::from([("position", json!(5))]);
        assert_eq!(offsets_of("a", records), [(partition, offset)]);
    }
}
