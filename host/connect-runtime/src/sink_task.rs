//! A sink task: one turn of its loop is commit, consume, convert, transform, write.
//!
//! The modules are the stages, in this order. The loop has a thread of its own, and the sink
//! another. What is between them is bounded by bytes (Invariant 8): the transaction that is being
//! written, and the one that is being made.

pub mod commit;
pub mod consume;
pub mod convert;
pub mod transform;
pub mod write;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use connect_api::{Error, MemoryLimit, Result, TopicPartition};

pub use consume::KafkaConsumer;
pub use convert::Converters;
pub use transform::{ChainStep, StepKind, TransformationChain};
pub use write::{Writer, WriterParts};

pub use crate::sink_task_loop::batch::PollLimits;
pub use crate::sink_task_loop::state::SinkTaskParts;

use crate::errors::StoppedAt;
use crate::sink_task_loop::batch::{RawBatch, TaskBatch};
use crate::sink_task_loop::state::{AfterHold, SinkTaskState};
use crate::sink_task_loop::timing::Timing;
use consume::Fetching;
use convert::{ConvertedBatch, Room};
use transform::Transformed;
use write::Request;

/// Records that are converted and transformed at a time.
const CHUNK: usize = 1000;

/// The loop of one sink task.
pub struct WorkerSinkTask {
    state: SinkTaskState,
}

impl WorkerSinkTask {
    /// A task that has not begun.
    pub fn new(parts: SinkTaskParts) -> Self {
        Self::with_timing(parts, Timing::default())
    }

    fn with_timing(parts: SinkTaskParts, timing: Timing) -> Self {
        let state = SinkTaskState::new(parts, timing);
        Self { state }
    }

    /// Runs until it is told to stop. What is in hand then becomes durable, or is left to the next
    /// owner of its partitions.
    ///
    /// # Errors
    /// What the task fails with.
    pub fn run(mut self) -> Result<()> {
        let outcome = self
            .turns()
            .and_then(|()| self.drain())
            .and_then(|()| self.flush());
        self.commit_final_offsets();
        let SinkTaskParts {
            consumer, writer, ..
        } = self.state.parts;
        writer.abandon();
        writer.stop();
        drop(consumer);
        outcome
    }

    fn turns(&mut self) -> Result<()> {
        while !self.state.parts.control.stopping() {
            self.turn()?;
        }
        Ok(())
    }

    /// One turn: what became durable is committed, new records are consumed, converted and
    /// transformed, and what is ready is written.
    fn turn(&mut self) -> Result<()> {
        self.commit()?;
        self.rebalance()?;
        let batches = self.consume()?;
        if !self.state.unopened.is_empty() {
            // Another change of the assignment comes first.
            return Ok(());
        }
        self.state.begin_attempts(&batches);
        for batch in batches {
            let converted = self.convert(batch);
            let transformed = self.transform(converted)?;
            self.collect(transformed)?;
        }
        self.state.tick_quiet_partitions()?;
        self.state.pass_markers();
        self.state.verify_target()?;
        self.state.end_survived_attempts();
        self.write()
    }

    fn commit(&mut self) -> Result<()> {
        self.state.take_responses(Duration::ZERO)?;
        let SinkTaskState { commits, parts, .. } = &mut self.state;
        commits.flush_due(&*parts.consumer, &parts.metrics);
        Ok(())
    }

    fn rebalance(&mut self) -> Result<()> {
        let state = &mut self.state;
        if state.take_finished_hold() == Some(AfterHold::Reopen) {
            state.restart_partitions();
        }
        while let Some(change) = state.parts.consumer.next_rebalance() {
            state.rebalance(change)?;
        }
        state.open_unopened()?;
        state.parts.consumer.speed_up_rejoin();
        state.tell_what_kafka_lacks();
        state.pause_or_resume()
    }

    fn consume(&mut self) -> Result<Vec<RawBatch>> {
        let Timing {
            idle_wait,
            busy_wait,
            ..
        } = self.state.timing;
        let state = &mut self.state;
        let wait = |is_idle: bool| if is_idle { idle_wait } else { busy_wait };
        if state.fetching == Fetching::Paused {
            state.take_responses(idle_wait)?;
            let wait = wait(state.parts.writer.is_idle());
            state.parts.consumer.poll_paused(wait)?;
            return Ok(Vec::new());
        }
        if state.is_full() {
            state.take_responses(idle_wait)?;
            return Ok(Vec::new());
        }
        let wait = wait(state.pending.is_empty() && state.parts.writer.is_idle());
        let limits = PollLimits {
            records: CHUNK.min(state.parts.limits.records),
            ..state.parts.limits
        };
        let batches = state.parts.consumer.poll(limits, wait)?;
        let records: usize = batches.iter().map(|b| b.records.len()).sum();
        if records > 0 {
            state.parts.metrics.read.increment(records as u64);
        }
        for batch in &batches {
            state.quiet.interrupt(&batch.topic_partition);
            if !batch.records.is_empty() {
                let topic = &batch.topic_partition.topic;
                state.parts.reports.active(topic, &mut state.told_topics);
            }
        }
        Ok(batches)
    }

    fn convert(&mut self, batch: RawBatch) -> ConvertedBatch {
        let room = Room {
            limit: MemoryLimit::of_record(),
            taken: self.state.pending_memory(),
        };
        let SinkTaskState {
            parts,
            record_errors,
            ..
        } = &mut self.state;
        parts.converters.convert_batch(batch, room, record_errors)
    }

    fn transform(&mut self, batch: ConvertedBatch) -> Result<Transformed> {
        let SinkTaskState {
            parts,
            record_errors,
            ..
        } = &mut self.state;
        parts.chain.transform_batch(batch, record_errors)
    }

    /// Takes what is ready for the sink. A batch that was cut is read again from there, or fails
    /// the task once what is in front is durable.
    fn collect(&mut self, transformed: Transformed) -> Result<()> {
        match transformed {
            Transformed::Whole(batch) => self.append(batch),
            Transformed::Cut(front, cut) => {
                if let Some(front) = front {
                    self.append(front);
                }
                let partition = &cut.topic_partition;
                let Some(StoppedAt { error, retry_in }) = cut.stopped else {
                    return self.state.read_again(partition, cut.resume_at);
                };
                match retry_in {
                    Some(delay) => {
                        self.state
                            .retry_record(partition, cut.resume_at, &error, delay)?;
                    }
                    None => {
                        self.drain()?;
                        return Err(error);
                    }
                }
            }
            Transformed::Stopped(front, stopped) => match stopped.retry_in {
                Some(delay) => self.state.retry_from_durable(&stopped.error, delay),
                None => return self.fail_behind(front, stopped.error),
            },
        }
        Ok(())
    }

    fn append(&mut self, batch: TaskBatch) {
        let records = batch.batch.records.len();
        self.state.parts.metrics.sent.increment(records as u64);
        self.state.append(batch);
    }

    /// Makes what is in front of a record that may not be passed over durable, and fails with that
    /// record. The transforms have seen the record and those behind it: they forget what they made
    /// of them, and see what is in front again.
    fn fail_behind(&mut self, mut front: RawBatch, mut error: Error) -> Result<()> {
        self.drain()?;
        while !front.records.is_empty() {
            let topic_partition = TopicPartition::clone(&front.topic_partition);
            self.state.parts.chain.reset(&topic_partition);
            // The sink says where the partition stands; it may be another's by now.
            let starts = self.state.open(std::slice::from_ref(&topic_partition))?;
            if starts != Some(vec![(topic_partition, front.first_offset)]) {
                break;
            }
            let converted = self.convert(front);
            match self.transform(converted)? {
                Transformed::Whole(batch) => {
                    self.append(batch);
                    self.drain()?;
                    break;
                }
                // A transform failed on an earlier record this time.
                Transformed::Stopped(earlier, stopped) if stopped.retry_in.is_none() => {
                    (front, error) = (earlier, stopped.error);
                }
                // A service went away meanwhile: what is in front is read again by the next task.
                Transformed::Cut(..) | Transformed::Stopped(..) => break,
            }
        }
        Err(error)
    }

    /// Hands over what is ready. While the sink writes, the next transaction grows up to its limits
    /// and no further one is begun (Invariant 8); a lone record does not wait.
    fn write(&mut self) -> Result<()> {
        let state = &mut self.state;
        if state.pending.is_empty() {
            return Ok(());
        }
        if !state.parts.writer.is_idle() {
            if state.is_full() {
                state.full_since.get_or_insert_with(Instant::now);
            }
            return Ok(());
        }
        let batches = std::mem::take(&mut state.pending);
        state.lacks_room = false;
        let writing = batches.iter().map(|b| b.raw.len()).sum();
        let generation = state.parts.writer.generation();
        // Taken before the partitions of these batches can be given up: the group's coordinator
        // refuses it once they have another owner (Invariant 5).
        let membership = if state.parts.writer.commits_offsets() {
            state.parts.consumer.group_membership()
        } else {
            None
        };
        let request = Request::Put(generation, batches, membership);
        state.parts.writer.send(request)?;
        state.show_active(writing);
        state.full_since = None;
        Ok(())
    }

    /// What transforms hold back is emitted and becomes durable, where they are told to do so.
    fn flush(&mut self) -> Result<()> {
        if self.state.parts.control.abandoned() {
            return Ok(());
        }
        self.state.flush_transforms()?;
        self.drain()
    }

    /// Writes what is in hand, for as long as the herder lets it.
    fn drain(&mut self) -> Result<()> {
        self.state.parts.writer.stop_verifying();
        while !self.state.parts.control.abandoned() {
            self.state.take_responses(Duration::ZERO)?;
            if self.state.pending.is_empty() && self.state.parts.writer.has_no_batch() {
                break;
            }
            self.write()?;
            self.state.take_responses(self.state.timing.idle_wait)?;
        }
        Ok(())
    }

    /// Tells the group how far the task has come. Between two of its generations the group does not
    /// take offsets, so that this is tried for a while.
    fn commit_final_offsets(&mut self) {
        self.state.end_all_attempts();
        let SinkTaskState {
            parts,
            commits,
            timing,
            ..
        } = &mut self.state;
        let until = Instant::now() + timing.final_commit_timeout;
        while !commits.flush(&*parts.consumer, &parts.metrics) {
            if Instant::now() > until || parts.control.abandoned() {
                break;
            }
            parts.consumer.poll_leaving(timing.idle_wait);
        }
    }
}
