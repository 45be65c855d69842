//! The mark of an offset that Ferrule has committed to a consumer group.
//!
//! Anyone can commit an offset for a group that has no members. The mark stands in the metadata of
//! the offset, where no other program looks, and tells the worker's own commits from those of
//! Kafka Connect, of `kafka-consumer-groups --reset-offsets`, or of a person.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::TopicPartitionList;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;

use connect_api::{Offset, TopicPartition};

const NAME: &str = "ferrule";
/// What is written. What a later version writes is read as far as it is known.
const VERSION: u32 = 1;
/// What is longer is not read as a mark; a broker keeps 4096 bytes (`offset.metadata.max.bytes`).
const MAX_BYTES: usize = 1024;

/// A mark: `ferrule/1 name=value …`. Fields that this version does not know are kept.
///
/// ```
/// use connect_kafka::CommitMark;
///
/// let mark = CommitMark::read("ferrule/1 start=7 target=74/5").unwrap();
/// assert_eq!(mark.get("target"), Some("74/5"));
/// assert_eq!(mark.with("start", 8).to_string(), "ferrule/1 start=8 target=74/5");
/// assert_eq!(CommitMark::read("someone else's note"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitMark {
    fields: BTreeMap<String, String>,
}

impl CommitMark {
    /// The database, or other target, whose own offset the commit follows.
    pub const TARGET: &str = "target";
    /// The offset from which on the connector has written the partition to that target.
    pub const START: &str = "start";
    /// How far the history of the target had come before that: timeline and position.
    pub const SINCE: &str = "since";
    /// How many tasks have begun a batch from this offset, and have not ended in order since.
    pub const ATTEMPTS: &str = "attempts";

    const OWN: [&str; 4] = [Self::TARGET, Self::START, Self::SINCE, Self::ATTEMPTS];

    /// The mark that an offset's metadata holds. None: someone else has committed the offset.
    #[must_use]
    pub fn read(metadata: &str) -> Option<Self> {
        if metadata.len() > MAX_BYTES {
            return None;
        }
        let mut words = metadata.split_ascii_whitespace();
        let (name, version) = words.next()?.split_once('/')?;
        if name != NAME || version.parse::<u32>().is_err() {
            return None;
        }
        let fields = words.filter_map(|word| word.split_once('='));
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self {
            fields: fields.collect(),
        })
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// The mark with a field set. A value ends at its first space.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl fmt::Display) -> Self {
        let value = value.to_string();
        let value = value.split_ascii_whitespace().next().unwrap_or_default();
        self.fields.insert(field.to_owned(), value.to_owned());
        self
    }
}

impl CommitMark {
    /// The mark without these fields.
    #[must_use]
    pub fn without(mut self, fields: &[&str]) -> Self {
        self.fields
            .retain(|name, _| !fields.contains(&name.as_str()));
        self
    }
}

impl fmt::Display for CommitMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}/{VERSION}")?;
        let length = |(name, value): (&String, &String)| name.len() + value.len() + 2;
        let is_own = |name: &str| Self::OWN.contains(&name);
        let own = self.fields.iter().filter(|(name, _)| is_own(name));
        let mut left = MAX_BYTES - NAME.len() - 12;
        // What another version has written must not take the place of what this one goes by.
        let mut foreign = left.saturating_sub(own.map(length).sum());
        for field in &self.fields {
            let room = if is_own(field.0) {
                &mut left
            } else {
                &mut foreign
            };
            match room.checked_sub(length(field)) {
                Some(less) => *room = less,
                None => continue,
            }
            write!(f, " {}={}", field.0, field.1)?;
        }
        Ok(())
    }
}

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The offset.
    pub offset: Offset,
    /// The mark; none: someone else has committed it.
    pub mark: Option<CommitMark>,
}

impl GroupOffset {
    /// What the answer to a request for committed offsets says of a partition; none: it has no
    /// offset.
    #[must_use]
    pub fn of(element: &TopicPartitionListElem<'_>) -> Option<Self> {
        let rdkafka::Offset::Offset(offset) = element.offset() else {
            return None;
        };
        // The library panics where the metadata, which anyone may write, is not UTF-8.
        let metadata = catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned()));
        Some(Self {
            offset: Offset(offset),
            mark: metadata
                .ok()
                .and_then(|metadata| CommitMark::read(&metadata)),
        })
    }
}

/// Adds an offset to commit, with its mark.
///
/// # Errors
/// When the offset is negative.
pub fn add_marked(
    list: &mut TopicPartitionList,
    topic_partition: &TopicPartition,
    offset: Offset,
    mark: &CommitMark,
) -> KafkaResult<()> {
    let TopicPartition { topic, partition } = topic_partition;
    let mut element = list.add_partition(topic, *partition);
    element.set_offset(rdkafka::Offset::Offset(offset.0))?;
    element.set_metadata(mark.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mark_is_read_as_one() {
        for other in [
            "",
            "ferrule",
            "ferrule/x a=b",
            "ferrule2/1 a=b",
            "NONE",
            "committed by ferrule/1",
            "/1 a=b",
        ] {
            assert_eq!(CommitMark::read(other), None, "{other}");
        }
        assert_eq!(
            CommitMark::read(&format!("ferrule/1 a={}", "x".repeat(2000))),
            None
        );
        assert_eq!(CommitMark::read("ferrule/1"), Some(CommitMark::default()));
    }

    #[test]
    fn a_mark_of_a_later_version_is_one_and_its_fields_are_kept() {
        let mark = CommitMark::read("ferrule/2 start=4 deaths=3 flag target=7/1").unwrap();
        assert_eq!(mark.get(CommitMark::START), Some("4"));
        assert_eq!(mark.to_string(), "ferrule/1 deaths=3 start=4 target=7/1");
    }

    #[test]
    fn what_another_version_has_written_takes_no_place_of_ours() {
        for foreign in ["a", "zz"] {
            let text = format!("ferrule/2 {foreign}={} target=7/1", "x".repeat(950));
            let mark = CommitMark::read(&text).unwrap();
            let mark = mark.with(CommitMark::START, u64::MAX);
            let mark = mark.with(CommitMark::SINCE, "1:0/16B3748");
            let mark = mark.with(CommitMark::ATTEMPTS, 3);
            let text = mark.to_string();
            assert!(text.len() <= MAX_BYTES, "{}", text.len());
            let read = CommitMark::read(&text).unwrap();
            for field in CommitMark::OWN {
                assert_eq!(read.get(field), mark.get(field), "{text}");
            }
        }
    }

    #[test]
    fn a_mark_stays_short_and_a_value_has_no_space() {
        let mut mark = CommitMark::default().with(CommitMark::TARGET, "a b=c");
        assert_eq!(mark.to_string(), "ferrule/1 target=a");
        for n in 0..200 {
            mark = mark.with(&format!("field{n}"), "value");
        }
        let text = mark.to_string();
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert!(CommitMark::read(&text).is_some());
    }
}
