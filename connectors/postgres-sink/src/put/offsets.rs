//! The stored offset of each partition: a transaction first compares and sets it, so that rows and
//! offsets move together, and a task that lost a partition writes nothing.
//!
//! The row of a partition in `ferrule.offsets` counts its owners (`epoch`). The transaction of a
//! former owner fails at that row before it has written anything, and a new owner waits for a
//! transaction that is still open (Invariants 1, 2 and 5). How a task becomes the owner is in
//! `offsets/ownership.rs`.

mod alter;
mod clusters;
mod look;
mod ownership;
mod verify;

use std::collections::BTreeMap;

use connect_api::{Error, Offset, OffsetScope, Result, Timestamp, TopicPartition};

use crate::reader::Reader;
use crate::session::Session;

pub(crate) use alter::alter;
pub(crate) use clusters::{admit_others, has_clusters};
pub(crate) use look::stored;

const ADVANCE: &str = r#"UPDATE ferrule.offsets o
    SET next_offset = p.next, version = o.version + 1, updated_at = now(),
        last_offset = CASE WHEN p.last IS NULL THEN o.last_offset ELSE p.next - 1 END,
        last_timestamp = coalesce(p.last, o.last_timestamp)
    FROM unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        AS p(topic, "partition", epoch, expected, next, last)
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
        AND o.topic = p.topic AND o."partition" = p."partition"
        AND o.epoch = p.epoch AND o.next_offset = p.expected"#;

/// What this task knows of a partition's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    epoch: i64,
    /// How many transactions have changed the row.
    pub version: i64,
    /// `None`: no offset was ever stored.
    pub next_offset: Option<Offset>,
    /// The timestamp of the record in front of `next_offset`, if it is known.
    pub last_timestamp: Option<Timestamp>,
}

/// A partition's step from one offset to another.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub topic_partition: &'a TopicPartition,
    pub from: Offset,
    pub to: Offset,
    /// The timestamp of the record in front of `to`, if it is known.
    pub last_timestamp: Option<Timestamp>,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// The stored offsets are set, as part of the transaction.
    Advanced,
    /// A partition has another owner, or its stored offset is not what this task knew.
    Fenced,
}

/// The partitions of a task and their positions.
#[derive(Debug)]
pub(crate) struct Offsets {
    reader: Reader,
    positions: BTreeMap<TopicPartition, Position>,
    /// Partitions of which the database has less than was durable, and what it has; until they are
    /// opened again.
    lost: BTreeMap<TopicPartition, String>,
}

impl Offsets {
    pub fn new(connector: &str) -> Self {
        Self {
            reader: Reader::new(connector),
            positions: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    /// Tells whose offsets those of the partitions are.
    pub fn set_scope(&mut self, scope: &OffsetScope) {
        self.reader.scope = scope.clone();
    }

    pub fn position(&self, topic_partition: &TopicPartition) -> Option<Position> {
        self.positions.get(topic_partition).copied()
    }

    /// Whether no partition is open.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.lost.is_empty()
    }

    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            self.positions.remove(topic_partition);
            self.lost.remove(topic_partition);
        }
    }

    /// Why a partition has no position: the database has lost its offset, or another task took it
    /// over.
    pub fn not_open(&self, topic_partition: &TopicPartition) -> Error {
        match self.lost.get(topic_partition) {
            Some(what) => Error::offsets_lost(what.clone()),
            None => Error::fenced(format!(
                "{topic_partition} is not open: another task took it over"
            )),
        }
    }

    /// # Errors
    /// [`connect_api::ErrorKind::OffsetsLost`] when the database has less of a partition than was
    /// durable.
    pub fn check_lost(&self) -> Result<()> {
        let mut lost = self.lost.values();
        let Some(first) = lost.next() else {
            return Ok(());
        };
        Err(Error::offsets_lost(match lost.len() {
            0 => first.clone(),
            others => format!("{first}, and so of {others} other partitions"),
        }))
    }

    /// Compares and sets the stored offsets: the first statement of the transaction that writes
    /// the rows.
    ///
    /// # Errors
    /// Whatever the server or the connection says.
    pub async fn advance(
        &self,
        session: &mut Session,
        steps: &[Step<'_>],
    ) -> sqlx::Result<Advance> {
        let (mut topics, mut numbers, mut epochs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut to, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            let Some(position) = self.position(step.topic_partition) else {
                return Ok(Advance::Fenced);
            };
            topics.push(step.topic_partition.topic.to_string());
            numbers.push(step.topic_partition.partition);
            epochs.push(position.epoch);
            from.push(step.from.0);
            to.push(step.to.0);
            last.push(step.last_timestamp.map(|at| at.0));
        }
        let advanced = self.reader.query(ADVANCE);
        let advanced = advanced
            .persistent(!session.is_pooled)
            .bind(topics)
            .bind(numbers)
            .bind(epochs)
            .bind(from)
            .bind(to)
            .bind(last)
            .execute(&mut session.connection)
            .await?;
        Ok(match advanced.rows_affected() == steps.len() as u64 {
            true => Advance::Advanced,
            false => Advance::Fenced,
        })
    }

    /// Remembers the steps of a transaction that is durable.
    pub fn remember_steps(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            if let Some(position) = self.positions.get_mut(step.topic_partition) {
                position.next_offset = Some(step.to);
                position.last_timestamp = step.last_timestamp;
                position.version += 1;
            }
        }
    }
}
