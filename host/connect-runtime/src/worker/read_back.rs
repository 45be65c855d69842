//! Reads what is in a topic, before a source is polled for the first time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use connect_api::{
    EachRecord, Error, Offset as RecordOffset, Result, Timestamp, TopicReader, WrittenHeaders,
};
use connect_kafka::{KafkaClient, create};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use tracing::info;

/// How long Kafka may take for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one wait for records may last.
const POLL: Duration = Duration::from_millis(200);
/// How long nothing may come while the ends are not reached.
const SILENCE: Duration = Duration::from_secs(30);

/// Reads topics with a consumer that belongs to no group.
pub struct KafkaTopicReader(ClientConfig);

impl KafkaTopicReader {
    /// A reader with the settings of the connector's consumer.
    pub fn new(mut client: ClientConfig) -> Self {
        client
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            // Where records were deleted meanwhile, from the first that is there.
            .set("auto.offset.reset", "earliest");
        Self(client)
    }

    fn partitions(starts: &TopicPartitionList) -> BTreeSet<i32> {
        let elements = starts.elements();
        elements
            .iter()
            .map(TopicPartitionListElem::partition)
            .collect()
    }

    /// Where each partition has its first record that is not older.
    fn starts(
        consumer: &BaseConsumer,
        topic: &str,
        since: Timestamp,
    ) -> Result<TopicPartitionList> {
        let failed = |error| away(topic, error);
        let metadata = consumer
            .fetch_metadata(Some(topic), REQUEST_TIMEOUT)
            .map_err(failed)?;
        let mut times = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
            let time = Offset::Offset(since.0.max(0));
            times
                .add_partition_offset(topic, partition.id(), time)
                .map_err(failed)?;
        }
        if times.count() == 0 {
            return Ok(times);
        }
        consumer
            .offsets_for_times(times, REQUEST_TIMEOUT)
            .map_err(failed)
    }
}

fn away(topic: &str, error: KafkaError) -> Error {
    Error::retriable(format!("cannot read back topic {topic}")).with_source(error)
}

/// Gives the headers that are asked for, if the record has one of them.
fn give(message: &BorrowedMessage<'_>, headers: &[&str], each: EachRecord<'_>) {
    let mut values = vec![None; headers.len()];
    for found in message.headers().iter().flat_map(|headers| headers.iter()) {
        for (value, _) in values
            .iter_mut()
            .zip(headers)
            .filter(|(_, name)| **name == found.key)
        {
            *value = found.value.or(*value);
        }
    }
    if values.iter().any(Option::is_some) {
        each(WrittenHeaders {
            values: &values,
            partition: message.partition(),
            offset: RecordOffset(message.offset()),
            timestamp: message.timestamp().to_millis().map(Timestamp),
        });
    }
}

#[async_trait]
impl TopicReader for KafkaTopicReader {
    /// It blocks: a task has a thread for itself.
    async fn headers_since(
        &self,
        topic: &str,
        headers: &[&str],
        since: Timestamp,
        each: EachRecord<'_>,
    ) -> Result<()> {
        let consumer: KafkaClient<BaseConsumer> = create(&self.0, DefaultConsumerContext)
            .map_err(|error| Error::config(format!("consumer: {error}")))?;
        let starts = Self::starts(&consumer, topic, since)?;
        let mut reading: BTreeSet<i32> = Self::partitions(&starts);
        if reading.is_empty() {
            return Ok(());
        }
        consumer
            .assign(&starts)
            .map_err(|error| away(topic, error))?;
        let (mut records, mut heard) = (0_u64, Instant::now());
        while !reading.is_empty() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    records += 1;
                    give(&message, headers, each);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    reading.remove(&partition);
                }
                // It tries again by itself.
                Some(Err(KafkaError::MessageConsumption(
                    Code::BrokerTransportFailure | Code::AllBrokersDown,
                ))) => {}
                Some(Err(error)) => return Err(away(topic, error)),
                None => {}
            }
            if heard.elapsed() > SILENCE {
                return Err(Error::retriable(format!(
                    "cannot read back topic {topic}: Kafka does not answer"
                )));
            }
        }
        info!(topic, records, "read back");
        Ok(())
    }
}
