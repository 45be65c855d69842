//! Where partitions are read from, and whether their logs are still the ones that were read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    Choice, Error, Offset, OffsetScope, OpenedPartition, Result, Timestamp, TopicPartition,
};
use connect_kafka::{GroupOffset, cluster_id};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};

use super::kafka::{KAFKA_REQUEST_TIMEOUT, KafkaConsumer, Owned};
use crate::kafka::timestamp;

/// `auto.offset.reset`: where to start partitions of which neither the sink nor the group knows an
/// offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetReset {
    Earliest,
    Latest,
    /// The task fails.
    None,
}

impl Choice for OffsetReset {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("earliest", Self::Earliest),
        ("latest", Self::Latest),
        ("none", Self::None),
    ];
    /// librdkafka's words.
    const ALIASES: &'static [(&'static str, Self)] = &[
        ("smallest", Self::Earliest),
        ("beginning", Self::Earliest),
        ("largest", Self::Latest),
        ("end", Self::Latest),
        ("error", Self::None),
    ];
}

impl OffsetReset {
    pub(super) const KEY: &'static str = "auto.offset.reset";

    /// The value of the consumer's setting; Kafka Connect's default is `earliest`.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for any other word.
    pub(super) fn new(setting: Option<&str>) -> Result<Self> {
        let word = setting.unwrap_or("earliest");
        Self::of_word(word).ok_or_else(|| {
            let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            Error::config(format!(
                "consumer: {} is {word}, and must be one of {}",
                Self::KEY,
                words.join(", ")
            ))
        })
    }
}

/// The record in front of the offset to go on from, as the sink remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownRecord {
    /// The offset behind it.
    pub(super) next_offset: Offset,
    /// Its timestamp.
    pub(super) timestamp: Timestamp,
}

impl KafkaConsumer {
    /// Asks Kafka for the id of the cluster once.
    pub(super) fn find_scope(&mut self) -> Result<OffsetScope> {
        if self.scope.cluster.is_empty() {
            self.scope.cluster = cluster_id(&self.inner, KAFKA_REQUEST_TIMEOUT)?;
        }
        Ok(self.scope.clone())
    }

    /// Where partitions start by a rule.
    pub(super) fn by_reset(
        &self,
        partitions: &[TopicPartition],
        reset: OffsetReset,
    ) -> Result<Vec<(TopicPartition, Offset)>> {
        let start = |partition: &TopicPartition| {
            let (low, high) = self.watermarks(partition)?;
            match reset {
                OffsetReset::Earliest => Ok((partition.clone(), low)),
                OffsetReset::Latest => Ok((partition.clone(), high)),
                OffsetReset::None => Err(Error::fatal(format!(
                    "no offset is known for {partition}, and auto.offset.reset is none"
                ))),
            }
        };
        partitions.iter().map(start).collect()
    }

    pub(super) fn group_offsets(
        &self,
        partitions: &[&TopicPartition],
        timeout: Duration,
    ) -> Result<HashMap<TopicPartition, GroupOffset>> {
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition(&partition.topic, partition.partition);
        }
        let found = self
            .inner
            .committed_offsets(asked, timeout)
            .map_err(no_answer)?;
        let found = found.elements();
        let known = found.iter().filter_map(|element| {
            let partition = TopicPartition::new(element.topic(), element.partition());
            Some((partition, GroupOffset::of(element)?))
        });
        Ok(known.collect())
    }

    /// Checks that the logs still have the offsets that the sink goes on from. Gives the records in
    /// front of them that are still there and whose timestamps the sink knows.
    pub(super) fn check_stored(
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
    /// which must have this timestamp: else the topic is another one of the same name.
    pub(super) fn verify_timestamps_at(&mut self, known: Vec<(TopicPartition, KnownRecord)>) {
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
            .fetch_watermarks(topic, *partition, KAFKA_REQUEST_TIMEOUT)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_of_auto_offset_reset_are_refused() {
        let reset = |word| OffsetReset::new(word).map_err(|error| error.to_string());
        assert_eq!(reset(None), Ok(OffsetReset::Earliest));
        assert_eq!(reset(Some("none")), Ok(OffsetReset::None));
        assert_eq!(reset(Some("largest")), Ok(OffsetReset::Latest));
        let refused = "consumer: auto.offset.reset is by_duration:PT1H, and must be one of earliest, \
                       latest, none";
        assert_eq!(reset(Some("by_duration:PT1H")), Err(refused.to_owned()));
    }
}
