//! Where partitions stand: whether they are read to their ends, and what holds no data.

use std::sync::Arc;
use std::time::Instant;

use connect_api::{Offset, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;

use super::kafka::{KafkaConsumer, Owned};
use super::{Passed, Wanted};
use crate::sink_task_loop::batch::RawBatch;

impl KafkaConsumer {
    /// The client names the number of a partition that was read to its end, and no topic. Where
    /// topics share a number, its statistics say so a little later. Kafka itself is not asked: its
    /// answer would wait behind a fetch that waits for records.
    pub(super) fn is_at_end(&self, own: &Owned) -> bool {
        let TopicPartition { topic, partition } = &*own.topic_partition;
        let numbers = self.owned.iter().map(|o| o.topic_partition.partition);
        if numbers.filter(|number| number == partition).count() == 1 {
            return own.ended;
        }
        let ended = self.inner.client().context().ended_at(topic, *partition);
        ended.is_some_and(|at| at > own.since)
    }

    /// Goes on to where the client has come without a record.
    pub(super) fn go_past_markers(&mut self, wanted: Wanted<'_>) -> Vec<Passed> {
        // No request: the client says how far it has come in what was polled.
        let Ok(client) = self.inner.position() else {
            return Vec::new();
        };
        let mut passed = Vec::new();
        for own in &mut self.owned {
            let Some(to) = position_of(&client, &own.topic_partition) else {
                continue;
            };
            // A record that is read again is not seen yet, or the client tells of before a seek.
            let known = own.before.is_none() && own.stale != Some(to);
            if known && to > own.position && wanted(&own.topic_partition) {
                passed.push(Passed {
                    topic_partition: Arc::clone(&own.topic_partition),
                    from: own.position,
                    to,
                });
                own.position = to;
            }
        }
        passed
    }
}

/// The client's position in a partition, once it has read there.
pub(super) fn position_of(
    client: &TopicPartitionList,
    partition: &TopicPartition,
) -> Option<Offset> {
    let found = client.find_partition(&partition.topic, partition.partition)?;
    match found.offset() {
        rdkafka::Offset::Offset(offset) => Some(Offset(offset)),
        _ => None,
    }
}

/// Notes where the partitions have come to, and which numbers of them are at the end of a log.
pub(super) fn note(owned: &mut [Owned], batches: &[RawBatch], ended: &[i32]) {
    for batch in batches {
        if let Some(owned) = owned
            .iter_mut()
            .find(|o| Arc::ptr_eq(&o.topic_partition, &batch.topic_partition))
        {
            owned.position = batch.next_offset;
            owned.ended &= batch.records.is_empty();
            // What it has given tells of where it stands.
            if !batch.records.is_empty() {
                owned.stale = None;
                owned.since = Instant::now();
            }
        }
    }
    for owned in owned
        .iter_mut()
        .filter(|o| ended.contains(&o.topic_partition.partition))
    {
        owned.ended = true;
    }
}
