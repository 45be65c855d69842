//! What the loop tells the group of the batches that it has in hand, so that a worker that dies of
//! one is known by the next: see `attempts.rs`.

use connect_api::{Offset, TopicPartition};
use tracing::{error, warn};

use super::attempts::{Held, MOST_ATTEMPTS, MarkedCommit, OpenedAt, Suspicion, Waits};
use super::batch::RawBatch;
use super::start::Known;
use super::state::SinkTaskState;
use crate::sink_task::write::Durable;

impl SinkTaskState {
    /// Notes partitions that were opened, and leaves those out of `starts` that are held.
    pub(super) fn open_attempts(
        &mut self,
        known: &[Known<'_>],
        starts: &mut Vec<(TopicPartition, Offset)>,
        durable: &Durable,
    ) {
        let attempts = &mut self.attempts;
        let held = match self.parts.control.retries_held() {
            true => Held::IsRetried,
            false => Held::Stays,
        };
        starts.retain(|(partition, start)| {
            let mut all = known.iter();
            let Some(known) = all.find(|known| known.opened.topic_partition == *partition) else {
                return true;
            };
            let opened = OpenedAt {
                start: *start,
                durable: durable.of(partition),
                group: known.group,
                mark: known.mark(*start),
                held,
            };
            !attempts.open(partition, opened)
        });
        self.parts.consumer.mark_commits(self.attempts.held_marks());
        self.tell_held();
    }

    /// What is in hand is told to the group before anything is done with it. A batch of which the
    /// worker has died before waits until Kafka has it.
    pub fn begin_attempts(&mut self, batches: &[RawBatch]) {
        let partitions = batches.iter().map(|batch| &*batch.topic_partition);
        let (commit, suspicion) = self.attempts.begin(partitions);
        if commit.marks.is_empty() {
            return;
        }
        self.parts.consumer.mark_commits(commit.marks);
        let committed = match suspicion {
            Suspicion::None => self.parts.consumer.commit_async(&commit.offsets),
            Suspicion::DiedBefore => self.parts.consumer.commit_sync(&commit.offsets),
        };
        if let Err(error) = committed {
            // A death over this batch is not counted then.
            warn!(error = %error.chain(), "cannot tell Kafka which batches are in hand");
        }
    }

    /// Batches have become durable.
    pub(super) fn end_durable_attempts(&mut self, durable: &Durable) {
        let marks = self.attempts.end_durable(durable);
        if !marks.is_empty() {
            self.parts.consumer.mark_commits(marks);
        }
    }

    /// What is in hand does not kill the worker when the task waits, or has lived for long.
    pub fn end_survived_attempts(&mut self) {
        if !self.may_commit_ended() {
            return;
        }
        let waits = match self.parts.reports.is_waiting() {
            true => Waits::Yes,
            false => Waits::No,
        };
        if let Some(commit) = self.attempts.end_survived(waits) {
            self.commit_ended(commit);
        }
    }

    /// The partitions are given up in order: the next attempt is the first, but where one is held.
    pub(super) fn end_attempts(&mut self, partitions: &[TopicPartition]) {
        if let Some(commit) = self.attempts.end(partitions) {
            self.commit_ended(commit);
        }
        self.count_held();
    }

    /// The task ends in order.
    pub fn end_all_attempts(&mut self) {
        if let Some(commit) = self.attempts.end_all() {
            self.commit_ended(commit);
        }
    }

    /// A sink whose transactions hold the group's offsets may be about to commit later ones, which
    /// a commit from here would take back.
    fn may_commit_ended(&self) -> bool {
        !self.parts.writer.commits_offsets() || self.parts.writer.is_idle()
    }

    fn commit_ended(&mut self, commit: MarkedCommit) {
        if !self.may_commit_ended() {
            return;
        }
        self.parts.consumer.mark_commits(commit.marks);
        if let Err(error) = self.parts.consumer.commit_async(&commit.offsets) {
            warn!(error = %error.chain(), "cannot tell Kafka that batches in hand did no harm");
        }
    }

    fn count_held(&self) {
        let held = self.attempts.held().count();
        self.parts.metrics.held_partitions.set(held as f64);
    }

    /// Tells in the log and in the task's status which partitions are held.
    fn tell_held(&self) {
        let held: Vec<_> = self
            .attempts
            .held()
            .map(|(partition, at)| format!("{partition} at offset {at}"))
            .collect();
        self.count_held();
        if held.is_empty() {
            return;
        }
        let what = format!(
            "held, because the worker died {MOST_ATTEMPTS} times in a row with records from there \
             in hand: {}. The other partitions go on. Restart the task to try again, or stop the \
             connector and set the offset behind the record that does harm",
            held.join(", ")
        );
        error!("{what}");
        self.parts.reports.note(what);
    }
}
