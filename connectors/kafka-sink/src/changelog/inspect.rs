//! The state as it is shown.

use std::sync::Arc;

use connect_api::{Result, StateQuery, StateRow, TopicPartition};

use super::{Changelog, Reading};

impl Changelog {
    /// Entries in the order of transform, topic, partition and key, of what is committed; none
    /// where the topic is not there.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka does not answer, or the topic is longer
    /// than can be read in a few seconds.
    pub(crate) fn inspect(&self, query: &StateQuery) -> Result<Vec<StateRow>> {
        if !self.find()? {
            return Ok(Vec::new());
        }
        let homes = match (&query.topic, query.partition) {
            (Some(topic), Some(partition)) => {
                let home = self.home(&TopicPartition::new(&**topic, partition))?;
                [home].into()
            }
            _ => (0..self.partitions.get().copied().unwrap_or(0)).collect(),
        };
        let asked = |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|it| it == is);
        let wanted = |transform: &str, topic: &str, partition: i32| {
            let wanted = asked(&query.transform, transform)
                && asked(&query.topic, topic)
                && query.partition.is_none_or(|it| it == partition);
            wanted.then(|| (TopicPartition::new(topic, partition), Arc::from(transform)))
        };
        let states = self.states(homes, &wanted, Reading::Looks)?;
        let mut rows = Vec::new();
        for ((topic_partition, transform), (clock, entries)) in states {
            for (key, entry) in entries {
                if key.starts_with(&query.prefix) {
                    rows.push(StateRow {
                        transform: transform.to_string(),
                        topic: topic_partition.topic.to_string(),
                        partition: topic_partition.partition,
                        clock,
                        key: key.to_vec(),
                        value: entry.value.to_vec(),
                        expires: entry.expires,
                    });
                }
            }
        }
        // They stand by partition and transform.
        rows.sort_by(|a, b| a.transform.cmp(&b.transform));
        rows.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
        Ok(rows)
    }
}
