//! Where partitions are read from, and whether their logs are still the ones that were read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Error, Offset, OpenedPartition, Result, Timestamp, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};

use super::record::timestamp;
use super::{ANSWER, Consumer, KnownRecord, Owned, Reset};

impl Consumer {
    /// Where to start partitions that the sink has no offset for: at what the group has committed
    /// (so that a connector moved here from Kafka Connect goes on where it was), else by
    /// `auto.offset.reset`.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer.
    pub fn starts(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, Offset)>> {
        let committed = self
            .committed(partitions.iter(), ANSWER)
            .map_err(no_answer)?;
        let start = |partition: &TopicPartition| {
            if let Some(offset) = committed.get(partition) {
                return Ok((partition.clone(), *offset));
            }
            let (low, high) = self.watermarks(partition)?;
            match self.reset {
                Reset::Earliest => Ok((partition.clone(), low)),
                Reset::Latest => Ok((partition.clone(), high)),
                Reset::None => Err(Error::fatal(format!(
                    "no offset is known for {partition}, and auto.offset.reset is none"
                ))),
            }
        };
        partitions.iter().map(start).collect()
    }

    /// The offsets that the group has of these partitions.
    ///
    /// # Errors
    /// When Kafka does not answer in time.
    pub fn committed<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        wait: Duration,
    ) -> std::result::Result<HashMap<TopicPartition, Offset>, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition(&partition.topic, partition.partition);
        }
        let found = self.inner.committed_offsets(asked, wait)?;
        let found = found.elements();
        let known = found.iter().filter_map(|p| match p.offset() {
            rdkafka::Offset::Offset(at) => {
                let partition = TopicPartition::new(p.topic(), p.partition());
                Some((partition, Offset(at)))
            }
            _ => None,
        });
        Ok(known.collect())
    }

    /// Checks that the log still has what the sink goes on from. The partitions whose record in
    /// front of that is there and known, with where to go on and its timestamp.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when it has not: going on would lose records in silence.
    pub fn check_stored(
        &self,
        opened: &[OpenedPartition],
    ) -> Result<Vec<(TopicPartition, KnownRecord)>> {
        let mut known = Vec::new();
        for OpenedPartition {
            topic_partition,
            next_offset,
            last_timestamp,
            ..
        } in opened
        {
            let Some(stored) = *next_offset else { continue };
            let (low, high) = self.watermarks(topic_partition)?;
            if (low..=high).contains(&stored) {
                let timestamp = last_timestamp.filter(|_| low < stored);
                known.extend(timestamp.map(|timestamp| {
                    let record = KnownRecord {
                        next_offset: stored,
                        timestamp,
                    };
                    (topic_partition.clone(), record)
                }));
                continue;
            }
            let why = if stored < low {
                "retention has passed it, and the records between are gone"
            } else {
                "the topic was deleted and created anew, or its end was lost"
            };
            return Err(Error::fatal(format!(
                "the stored offset {stored} of {topic_partition} is outside its log ({low} to {high}): \
                 {why}; stop the connector and set or reset its offsets"
            )));
        }
        Ok(known)
    }

    /// When the partitions are next read from there, they are read from one record in front of it,
    /// which must have this timestamp: else it is another topic's of the same name.
    pub fn expect(&mut self, known: Vec<(TopicPartition, KnownRecord)>) {
        self.expected.extend(known);
    }

    /// What the record in front of each of the starts has to be, where that is known.
    pub(super) fn expecting(
        &mut self,
        starts: &[(TopicPartition, Offset)],
    ) -> Vec<Option<Timestamp>> {
        let Self {
            expected, owned, ..
        } = self;
        let before = starts.iter().map(|(partition, position)| {
            let unseen = owned
                .iter()
                .find(|o| *o.topic_partition == *partition && o.position == *position);
            let unseen = unseen.and_then(|own| own.before);
            let known = expected.remove(partition);
            let known = known.filter(|known| known.next_offset == *position);
            known.map(|known| known.timestamp).or(unseen)
        });
        before.collect()
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<(Offset, Offset)> {
        let TopicPartition { topic, partition } = partition;
        self.inner
            .fetch_watermarks(topic, *partition, ANSWER)
            .map(|(low, high)| (Offset(low), Offset(high)))
            .map_err(no_answer)
    }
}

fn no_answer(error: KafkaError) -> Error {
    Error::retriable(format!("Kafka does not answer: {error}"))
}

/// Checks a record that is in front of what is to be handed out, if it is known.
pub(super) fn verify(
    owned: &mut [Owned],
    topic_partition: &Arc<TopicPartition>,
    message: &BorrowedMessage<'_>,
) -> Result<()> {
    let mut owned = owned.iter_mut();
    let own = owned.find(|o| Arc::ptr_eq(&o.topic_partition, topic_partition));
    let Some(own) = own.filter(|own| Offset(message.offset()).next() == own.position) else {
        return Ok(());
    };
    match own.before.take() {
        Some(known) if timestamp(message).0 != Some(known) => Err(Error::fatal(format!(
            "the record at offset {} of {topic_partition} is not the one that was read there: the topic was \
             deleted and created anew, or its end was lost; stop the connector and set or reset \
             its offsets",
            message.offset()
        ))),
        _ => Ok(()),
    }
}
