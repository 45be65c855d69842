//! Records for whoever tries a transform: converted as a task converts them, and read from a topic
//! without a trace. No group is joined and nothing is committed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use connect_api::{Error, Properties, RawRecord, Result, SinkRecord, TopicPartition};
use connect_kafka::{IgnorePartitionEof, KafkaClient, SettingsOf, create, told_by};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Message, TopicPartitionList};
use tokio::runtime::Handle;

use crate::connector_config::ConverterConfigs;
use crate::kafka::{client_config, raw_record};
use crate::plugins::converters;
use crate::sink_task::Converters;

/// How long Kafka may take to answer.
const KAFKA_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

type TopicConsumer = KafkaClient<BaseConsumer<IgnorePartitionEof>>;

/// The converters of a connector.
pub struct SampleConverters(Converters);

impl SampleConverters {
    /// The converters that a config names by `key.converter`, `value.converter` and
    /// `header.converter`, with their options.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the key at fault.
    pub fn new(config: &Properties, runtime: &Handle) -> Result<Self> {
        let missing = |key: &str| match key {
            "header.converter" => Ok(("SimpleHeaderConverter", Properties::new())),
            _ => Err(Error::config(format!("{key} is missing"))),
        };
        let configs = ConverterConfigs::new(config, missing)?;
        converters(&configs, runtime).map(Self)
    }

    /// Converts one record.
    ///
    /// # Errors
    /// What the converter says, after its class.
    pub fn convert(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        raw: &RawRecord,
    ) -> Result<SinkRecord> {
        let converted = self.0.convert(topic_partition, raw);
        converted.map_err(|failed| {
            let class = failed.class.rsplit('.').next().unwrap_or(failed.class);
            failed.error.context(class)
        })
    }
}

/// Records of one partition.
pub type PartitionSample = (Arc<TopicPartition>, Vec<RawRecord>);

/// Reads records of a topic, by partition: the first `limit` of each, or the last.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when there is no such topic or a setting is refused;
/// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
pub fn read_topic(
    client: &Properties,
    topic: &str,
    limit: usize,
    newest: bool,
) -> Result<Vec<PartitionSample>> {
    let consumer = consumer(client)?;
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_REQUEST_TIMEOUT);
    let metadata = metadata.map_err(|error| {
        let why = told_by(&consumer).unwrap_or_else(|| error.to_string());
        Error::retriable(format!("Kafka does not answer: {why}"))
    })?;
    let partitions = metadata.topics().first().map(MetadataTopic::partitions);
    let partitions = partitions.filter(|partitions| !partitions.is_empty());
    let partitions =
        partitions.ok_or_else(|| Error::config(format!("there is no topic {topic}")))?;
    let mut samples = Vec::new();
    for partition in partitions {
        let topic_partition = Arc::new(TopicPartition::new(topic, partition.id()));
        let records = read_partition(&consumer, &topic_partition, limit, newest);
        samples.push((
            Arc::clone(&topic_partition),
            records.map_err(|e| e.context(&topic_partition))?,
        ));
    }
    Ok(samples)
}

fn consumer(client: &Properties) -> Result<TopicConsumer> {
    let mut config = client_config(client)?;
    // librdkafka asks for a group even where none is joined.
    config
        .set("group.id", "ferrule-plugin-test")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("allow.auto.create.topics", "false");
    create(&config, IgnorePartitionEof::asking(SettingsOf::Worker))
        .map_err(|e| Error::config("a setting of the consumer is refused").with_source(e))
}

fn read_partition(
    consumer: &TopicConsumer,
    topic_partition: &TopicPartition,
    limit: usize,
    newest: bool,
) -> Result<Vec<RawRecord>> {
    let failed = |e| Error::retriable("cannot be read").with_source(e);
    let (low, high) = consumer
        .fetch_watermarks(
            &topic_partition.topic,
            topic_partition.partition,
            KAFKA_REQUEST_TIMEOUT,
        )
        .map_err(failed)?;
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
    let start = if newest {
        low.max(high.saturating_sub(wanted))
    } else {
        low
    };
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(
            &topic_partition.topic,
            topic_partition.partition,
            rdkafka::Offset::Offset(start),
        )
        .map_err(failed)?;
    consumer.assign(&assignment).map_err(failed)?;
    let mut records = Vec::new();
    let mut last = Instant::now();
    let mut position = start;
    // Markers of transactions and compacted records leave gaps: silence ends it, too.
    while position < high && records.len() < limit && last.elapsed() < KAFKA_REQUEST_TIMEOUT {
        match consumer.poll(Duration::from_millis(100)) {
            None => position = reached(consumer, topic_partition).max(position),
            Some(Err(error)) => return Err(failed(error)),
            Some(Ok(message)) => {
                last = Instant::now();
                position = message.offset() + 1;
                if message.offset() < high {
                    records.push(raw_record(&message, Bytes::copy_from_slice));
                }
            }
        }
    }
    Ok(records)
}

/// Where the consumer stands, markers and gaps included.
fn reached(consumer: &TopicConsumer, topic_partition: &TopicPartition) -> i64 {
    let position = consumer.position().ok();
    let found = position.and_then(|list| {
        let partition = list.find_partition(&topic_partition.topic, topic_partition.partition)?;
        partition.offset().to_raw()
    });
    found.unwrap_or(-1)
}
