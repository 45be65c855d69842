//! Records of the changelog, for the fuzz targets.

use std::sync::Arc;

use connect_api::{StateEntry, Timestamp, TopicPartition};

use super::{States, Stored, key_of};

/// A record: its key, its value, and its header `expires`.
#[derive(Clone, Copy, Debug)]
pub struct ChangelogRecord<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// None: a tombstone.
    pub value: Option<&'a [u8]>,
    /// The value of the header, where there is one.
    pub expires: Option<&'a [u8]>,
}

/// What a record leaves of a state that was empty.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangelogState {
    /// The plugin's keys, and what is kept of them.
    pub entries: Vec<(Vec<u8>, StateEntry)>,
    /// The partition's clock.
    pub clock: Option<Timestamp>,
}

/// Reads a record; none when it is malformed.
pub fn read(record: ChangelogRecord<'_>) -> Option<ChangelogState> {
    let ChangelogRecord {
        key,
        value,
        expires,
    } = record;
    let stored = Stored {
        key,
        value,
        expires: expires.map(Some),
    };
    let mut states = States::new();
    let wanted = |transform: &str, topic: &str, partition| {
        Some((TopicPartition::new(topic, partition), Arc::from(transform)))
    };
    stored.take(&wanted, &mut states)?;
    let (clock, entries) = states.into_values().next()?;
    let entries = entries.into_iter();
    Some(ChangelogState {
        entries: entries.map(|(key, entry)| (key.to_vec(), entry)).collect(),
        clock,
    })
}

/// The key of an entry, or of a clock.
pub fn key(partition: &TopicPartition, transform: &str, key: Option<&[u8]>) -> Option<Vec<u8>> {
    key_of(partition, transform, key).ok()
}
