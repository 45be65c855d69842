//! Partitions that were in hand when the worker died.
//!
//! A record that kills the process, by what no limit knows of, would do so again after each start,
//! and take all connectors with it. So before a partition's first batch is converted, the offset
//! that it starts from is committed with a count of attempts in its mark. The count goes when a
//! batch of the partition is durable, when the task ends in order, and when the task shows that the
//! batch does not kill: it waits for something else, or has lived for a while. Whoever finds
//! [`MOST_ATTEMPTS`] at the offset that a partition starts from holds the partition and runs the
//! rest; so does whichever task or worker has it next. Only when a restart or another config is
//! asked for is it tried again: by the connector's tasks that open it within [`HELD_RETRY_TIME`],
//! whichever they are, because a restart moves partitions from one task to another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use connect_api::{Offset, TopicPartition};
use connect_kafka::{CommitMark, GroupOffset};

use crate::sink_task::write::Durable;

/// So many deaths in a row, with nothing of the partition durable between them, hold it.
pub const MOST_ATTEMPTS: u32 = 3;
/// A task that has lived for so long with a batch in hand does not die of it.
const SURVIVAL_TIME: Duration = Duration::from_secs(60);
/// How long after a restart was asked for held partitions are tried again: as long as the tasks of
/// a connector may take to end, begin and share their partitions.
pub const HELD_RETRY_TIME: Duration = Duration::from_secs(60);

/// What is known of a partition until a batch of it is durable.
struct Attempt {
    start: Offset,
    /// The start, as the target has it.
    durable: Durable,
    /// Attempts that ended in the worker's death.
    former: u32,
    /// What its offsets are marked with in ordinary times.
    mark: CommitMark,
    /// Since when a batch is in hand.
    begun: Option<Instant>,
}

impl Attempt {
    fn is_held(&self) -> bool {
        self.former >= MOST_ATTEMPTS
    }
}

/// Offsets to commit, and the marks to do it with from now on.
#[derive(Default)]
pub struct MarkedCommit {
    /// The offsets, which are durable.
    pub offsets: Durable,
    /// The marks.
    pub marks: Vec<(TopicPartition, CommitMark)>,
}

/// Where a partition was opened.
pub struct OpenedAt<'a> {
    /// Its records are read from here.
    pub start: Offset,
    /// The same, to be committed.
    pub durable: Durable,
    /// What the group has.
    pub group: Option<&'a GroupOffset>,
    /// What its offsets are marked with in ordinary times.
    pub mark: CommitMark,
    /// What is done with a partition that was held.
    pub held: Held,
}

/// What is done with a partition that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It stays so.
    Stays,
    /// It is tried again, as if for the first time.
    IsRetried,
}

/// The partitions of a task of which nothing has become durable since they were opened.
#[derive(Default)]
pub struct Attempts(BTreeMap<TopicPartition, Attempt>);

impl Attempts {
    /// A partition was opened. Whether it is held.
    pub fn open(&mut self, partition: &TopicPartition, opened: OpenedAt<'_>) -> bool {
        let OpenedAt {
            start,
            durable,
            group,
            mark,
            held,
        } = opened;
        // The same process has opened it before: it lives.
        if let Some(known) = self.0.get(partition).filter(|known| known.start == start) {
            return known.is_held();
        }
        let counted = group.filter(|group| group.offset == start);
        let counted = counted.and_then(|group| group.mark.as_ref()?.get(CommitMark::ATTEMPTS));
        let former = counted.and_then(|count| count.parse().ok()).unwrap_or(0);
        let is_retried = held == Held::IsRetried && former >= MOST_ATTEMPTS;
        let attempt = Attempt {
            start,
            durable,
            former: if is_retried { 0 } else { former },
            mark,
            begun: None,
        };
        let is_held = attempt.is_held();
        self.0.insert(partition.clone(), attempt);
        is_held
    }

    /// Batches of these partitions are in hand: what is to be committed before anything is done
    /// with them, and whether the worker has died over one of them before.
    pub fn begin<'a>(
        &mut self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> (MarkedCommit, Suspicion) {
        let (mut commit, mut suspicion) = (MarkedCommit::default(), Suspicion::None);
        for partition in partitions {
            let Some(attempt) = self.0.get_mut(partition) else {
                continue;
            };
            if attempt.begun.is_some() {
                continue;
            }
            attempt.begun = Some(Instant::now());
            if attempt.former > 0 {
                suspicion = Suspicion::DiedBefore;
            }
            let mark = attempt.mark.clone();
            let mark = mark.with(CommitMark::ATTEMPTS, attempt.former + 1);
            commit.offsets.extend(attempt.durable.clone());
            commit.marks.push((partition.clone(), mark));
        }
        (commit, suspicion)
    }

    /// Batches have become durable: the marks that go back to what they are in ordinary times.
    pub fn end_durable(&mut self, durable: &Durable) -> Vec<(TopicPartition, CommitMark)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ended = durable.positions().filter_map(|(partition, at)| {
            let attempt = self.0.get(&**partition)?;
            // A tick moves no offset.
            if *at <= attempt.start {
                return None;
            }
            let attempt = self.0.remove(&**partition)?;
            Some((TopicPartition::clone(partition), attempt.mark))
        });
        ended.collect()
    }

    /// The task waits for something else than its batches, or has lived for long: what is in hand
    /// does not kill. The commit that says so; none when nothing is to be said.
    pub fn end_survived(&mut self, waits: Waits) -> Option<MarkedCommit> {
        let has_survived = |attempt: &Attempt| {
            let begun = attempt.begun?;
            (waits == Waits::Yes || begun.elapsed() > SURVIVAL_TIME).then_some(())
        };
        let survived: Vec<_> = self
            .0
            .iter()
            .filter(|(_, attempt)| has_survived(attempt).is_some())
            .map(|(partition, _)| partition.clone())
            .collect();
        self.end(&survived)
    }

    /// The partitions are given up in order. What is held stays so, by the mark that it has.
    pub fn end(&mut self, partitions: &[TopicPartition]) -> Option<MarkedCommit> {
        let mut commit = MarkedCommit::default();
        for partition in partitions {
            let Some(attempt) = self.0.remove(partition) else {
                continue;
            };
            if attempt.begun.is_some() {
                commit.offsets.extend(attempt.durable);
                commit.marks.push((partition.clone(), attempt.mark));
            }
        }
        (!commit.marks.is_empty()).then_some(commit)
    }

    /// All partitions are given up in order.
    pub fn end_all(&mut self) -> Option<MarkedCommit> {
        let all: Vec<_> = self.0.keys().cloned().collect();
        self.end(&all)
    }

    /// The partitions that are held, and where.
    pub fn held(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        let held = self.0.iter().filter(|(_, attempt)| attempt.is_held());
        held.map(|(partition, attempt)| (partition, attempt.start))
    }

    /// The marks of held partitions: a worker that dies of something else holds them again.
    pub fn held_marks(&self) -> Vec<(TopicPartition, CommitMark)> {
        let held = self.0.iter().filter(|(_, attempt)| attempt.is_held());
        held.map(|(partition, attempt)| {
            let mark = attempt.mark.clone();
            (
                partition.clone(),
                mark.with(CommitMark::ATTEMPTS, attempt.former),
            )
        })
        .collect()
    }
}

/// Whether the worker has died before with what is in hand now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Not that anybody knows.
    None,
    /// It has.
    DiedBefore,
}

/// Whether a task waits for its target or another service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It does.
    Yes,
    /// It works.
    No,
}
