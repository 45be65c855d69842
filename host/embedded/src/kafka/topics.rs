//! The topics: their partitions' logs, their configs, and how much of them is kept.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::error_code::ErrorCode;
use super::log::Log;

/// A topic and one of its partitions.
pub(super) type TopicPartition = (String, i32);

/// What one partition keeps unless its topic's `retention.bytes` says less: the oldest batches
/// beyond it are dropped.
pub(super) const PARTITION_BYTES: usize = 256 << 20;

/// What all partitions together keep: beyond it, the oldest batches of the largest are dropped.
pub(super) const BROKER_BYTES: usize = 1 << 30;

/// The largest batch unless the topic's `max.message.bytes` says otherwise; Kafka's default.
const MESSAGE_BYTES: usize = 1_048_588;

/// The most partitions of a topic, and how many a new one has that nobody has counted.
const MAX_PARTITIONS: i32 = 1_000;
const DEFAULT_PARTITIONS: i32 = 1;

const MAX_NAME: usize = 249;

/// The configs of a topic with what holds here where the topic says nothing.
pub(super) const DEFAULTS: [(&str, &str); 8] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.type", "CreateTime"),
    ("min.insync.replicas", "1"),
    ("retention.bytes", "268435456"),
    ("retention.ms", "-1"),
    ("unclean.leader.election.enable", "false"),
];

/// Kafka's other configs of a topic, which are taken, told again and without effect.
const WITHOUT_EFFECT: [&str; 19] = [
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "max.compaction.lag.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "preallocate",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "message.timestamp.difference.max.ms",
];

/// A topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub partitions: Vec<Log>,
    /// What the topic itself says; [`DEFAULTS`] has the rest.
    pub configs: BTreeMap<String, String>,
}

impl Topic {
    fn size(&self, config: &str, default: usize) -> usize {
        let own = self.configs.get(config);
        own.and_then(|text| text.parse().ok()).unwrap_or(default)
    }
}

/// What a topic is to be.
#[derive(Debug)]
pub(super) struct NewTopic {
    pub name: String,
    /// −1 is the default.
    pub partitions: i32,
    /// −1 is the default.
    pub replication_factor: i16,
    pub configs: Vec<(String, Option<String>)>,
}

/// All topics by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_name: BTreeMap<String, Topic>,
    bytes: usize,
}

impl Topics {
    pub(super) fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Topic)> {
        self.by_name.iter()
    }

    /// Makes a topic.
    pub(super) fn create(&mut self, new: NewTopic) -> Result<(), ErrorCode> {
        self.check(&new)?;
        let mut topic = Topic::default();
        for (key, value) in new.configs {
            alter(&mut topic.configs, &key, value)?;
        }
        let partitions = match new.partitions {
            -1 => DEFAULT_PARTITIONS,
            partitions => partitions,
        };
        topic
            .partitions
            .resize_with(partitions as usize, Log::default);
        self.by_name.insert(new.name, topic);
        Ok(())
    }

    /// Whether a topic can be made; nothing is changed.
    pub(super) fn check(&self, new: &NewTopic) -> Result<(), ErrorCode> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name = &new.name;
        let reserved = matches!(name.as_str(), "" | "." | "..");
        if reserved || name.len() > MAX_NAME || !name.chars().all(legal) {
            return Err(ErrorCode::InvalidTopic);
        }
        if self.by_name.contains_key(name) {
            return Err(ErrorCode::TopicAlreadyExists);
        }
        if new.partitions != -1 && !(1..=MAX_PARTITIONS).contains(&new.partitions) {
            return Err(ErrorCode::InvalidPartitions);
        }
        if !matches!(new.replication_factor, -1 | 1) {
            return Err(ErrorCode::InvalidReplicationFactor);
        }
        let mut configs = BTreeMap::new();
        for (key, value) in &new.configs {
            alter(&mut configs, key, value.clone())?;
        }
        Ok(())
    }

    /// Deletes a topic with its records.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), ErrorCode> {
        let topic = self.by_name.remove(name);
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.bytes -= topic.partitions.iter().map(Log::bytes).sum::<usize>();
        Ok(())
    }

    /// Adds partitions, so that there are `count`.
    pub(super) fn grow(&mut self, name: &str, count: i32) -> Result<(), ErrorCode> {
        self.check_growth(name, count)?;
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.partitions.resize_with(count as usize, Log::default);
        }
        Ok(())
    }

    /// Whether partitions can be added; nothing is changed.
    pub(super) fn check_growth(&self, name: &str, count: i32) -> Result<(), ErrorCode> {
        let topic = self.by_name.get(name);
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let wanted = usize::try_from(count).unwrap_or(0);
        if wanted <= topic.partitions.len() || count > MAX_PARTITIONS {
            return Err(ErrorCode::InvalidPartitions);
        }
        Ok(())
    }

    /// The configs that a topic itself has, to be altered by [`alter`].
    pub(super) fn configs_mut(
        &mut self,
        name: &str,
    ) -> Result<&mut BTreeMap<String, String>, ErrorCode> {
        let topic = self.by_name.get_mut(name);
        let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        Ok(&mut topic.configs)
    }

    /// A partition's log.
    pub(super) fn log(&self, topic: &str, partition: i32) -> Result<&Log, ErrorCode> {
        let index = usize::try_from(partition).ok();
        let topic = self.by_name.get(topic);
        let log = topic.zip(index).and_then(|(it, at)| it.partitions.get(at));
        log.ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    /// Changes a partition's log, and drops what is then too much.
    pub(super) fn change<T>(
        &mut self,
        topic: &str,
        partition: i32,
        change: impl FnOnce(&mut Log) -> Result<T, ErrorCode>,
    ) -> Result<T, ErrorCode> {
        let unknown = ErrorCode::UnknownTopicOrPartition;
        let topic = self.by_name.get_mut(topic).ok_or(unknown)?;
        let keep = topic
            .size("retention.bytes", PARTITION_BYTES)
            .min(PARTITION_BYTES);
        let index = usize::try_from(partition).map_err(|_| unknown)?;
        let log = topic.partitions.get_mut(index).ok_or(unknown)?;
        let before = log.bytes();
        let changed = change(log);
        log.keep(keep);
        self.bytes = self.bytes - before + log.bytes();
        self.keep(BROKER_BYTES);
        changed
    }

    /// Appends what a producer sent.
    pub(super) fn append(
        &mut self,
        topic: &str,
        partition: i32,
        batch: Batch,
    ) -> Result<i64, ErrorCode> {
        let limit = self
            .get(topic)
            .map(|it| it.size("max.message.bytes", MESSAGE_BYTES));
        if limit.is_some_and(|limit| batch.bytes().len() > limit) {
            return Err(ErrorCode::MessageTooLarge);
        }
        self.change(topic, partition, |log| log.append(batch))
    }

    /// Drops the oldest of the largest logs until all take no more than `bytes`.
    fn keep(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let logs = self.by_name.values_mut().flat_map(|it| &mut it.partitions);
            let Some(largest) = logs.max_by_key(|log: &&mut Log| log.bytes()) else {
                return;
            };
            let before = largest.bytes();
            largest.keep(before.saturating_sub(self.bytes - bytes));
            self.bytes -= before - largest.bytes();
        }
    }
}

/// Sets a topic's config, or takes it back to the default.
pub(super) fn alter(
    configs: &mut BTreeMap<String, String>,
    key: &str,
    value: Option<String>,
) -> Result<(), ErrorCode> {
    let known = DEFAULTS.iter().any(|(name, _)| *name == key) || WITHOUT_EFFECT.contains(&key);
    let is_number = |text: &str| text.parse::<i64>().is_ok_and(|number| number >= -1);
    let is_valid = |text: &str| match key {
        // The broker does not set times, and cannot rewrite a compressed batch.
        "message.timestamp.type" => text == "CreateTime",
        key if key.ends_with(".bytes") || key.ends_with(".ms") => is_number(text),
        _ => true,
    };
    if !known || !value.as_deref().is_none_or(is_valid) {
        return Err(ErrorCode::InvalidConfig);
    }
    match value {
        Some(value) => configs.insert(key.to_owned(), value),
        None => configs.remove(key),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::batch::sent::sent;
    use super::*;

    fn new(name: &str, partitions: i32) -> NewTopic {
        NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
            configs: vec![("cleanup.policy".to_owned(), Some("compact".to_owned()))],
        }
    }

    fn batch() -> Batch {
        Batch::parse(sent(3, None)).expect("a batch")
    }

    #[test]
    fn topics_that_cannot_be_are_refused() {
        let mut topics = Topics::default();
        assert_eq!(topics.create(new("good.name_1-x", 3)), Ok(()));
        let refused = [
            (new("good.name_1-x", 3), ErrorCode::TopicAlreadyExists),
            (new("", 1), ErrorCode::InvalidTopic),
            (new("..", 1), ErrorCode::InvalidTopic),
            (new("a b", 1), ErrorCode::InvalidTopic),
            (new(&"x".repeat(250), 1), ErrorCode::InvalidTopic),
            (new("none", 0), ErrorCode::InvalidPartitions),
            (new("many", 1_001), ErrorCode::InvalidPartitions),
        ];
        for (topic, code) in refused {
            let name = topic.name.clone();
            assert_eq!(topics.create(topic), Err(code), "{name}");
        }
        let mut copied = new("copied", 1);
        copied.replication_factor = 3;
        assert_eq!(
            topics.create(copied),
            Err(ErrorCode::InvalidReplicationFactor)
        );
        for (key, value) in [
            ("no.such.config", "1"),
            ("retention.bytes", "many"),
            ("message.timestamp.type", "LogAppendTime"),
        ] {
            let mut odd = new("odd", 1);
            odd.configs = vec![(key.to_owned(), Some(value.to_owned()))];
            assert_eq!(topics.create(odd), Err(ErrorCode::InvalidConfig), "{key}");
        }
        assert_eq!(topics.iter().count(), 1);
    }

    #[test]
    fn partitions_are_added_and_never_taken() {
        let mut topics = Topics::default();
        topics.create(new("t", 2)).expect("made");
        assert_eq!(topics.grow("t", 2), Err(ErrorCode::InvalidPartitions));
        assert_eq!(topics.grow("t", 3), Ok(()));
        assert!(topics.log("t", 2).is_ok() && topics.log("t", 3).is_err());
        assert_eq!(topics.grow("u", 3), Err(ErrorCode::UnknownTopicOrPartition));
    }

    #[test]
    fn a_topic_keeps_no_more_than_it_says() {
        let mut topics = Topics::default();
        let one = batch().bytes().len();
        let mut small = new("small", 1);
        let bytes = Some((2 * one).to_string());
        small.configs.push(("retention.bytes".to_owned(), bytes));
        topics.create(small).expect("made");
        for _ in 0..4 {
            topics.append("small", 0, batch()).expect("appended");
        }
        let log = topics.log("small", 0).expect("a log");
        assert_eq!((log.start(), log.end(), topics.bytes), (6, 12, 2 * one));
        topics.delete("small").expect("deleted");
        assert_eq!(topics.bytes, 0);
    }

    #[test]
    fn the_largest_log_makes_room_for_the_others() {
        let mut topics = Topics::default();
        topics.create(new("t", 2)).expect("made");
        for partition in [0, 0, 0, 0, 1] {
            topics.append("t", partition, batch()).expect("appended");
        }
        topics.keep(topics.bytes / 5 * 3);
        let starts = [0, 1].map(|it| topics.log("t", it).map(Log::start));
        assert_eq!(starts, [Ok(6), Ok(0)]);
    }

    #[test]
    fn a_batch_larger_than_the_topic_takes_is_refused() {
        let mut topics = Topics::default();
        let mut small = new("small", 1);
        small
            .configs
            .push(("max.message.bytes".to_owned(), Some("50".to_owned())));
        topics.create(small).expect("made");
        let refused = topics.append("small", 0, batch());
        assert_eq!(refused, Err(ErrorCode::MessageTooLarge));
        assert_eq!(
            topics.append("none", 0, batch()),
            Err(ErrorCode::UnknownTopicOrPartition)
        );
    }
}
