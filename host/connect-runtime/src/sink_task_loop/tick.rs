//! Ticks of partitions that are quiet: transforms that ask for it go on by wall time. And the last
//! tick of a task that ends in order, for transforms that are to emit what waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connect_api::{
    Offset, RawRecord, RecordBatch, Result, Tick, TickReason, Timestamp, TimestampType,
    TopicPartition,
};

use super::batch::TaskBatch;
use super::state::{AfterHold, Hold, SinkTaskState};
use crate::errors::{DeadLetterRows, Errant, Stage};
use crate::sink_task::consume::{Fetching, Passed};

/// How long partitions have been quiet.
#[derive(Debug, Default)]
pub struct QuietPartitions {
    /// Since the last record, or the last tick.
    since: HashMap<Arc<TopicPartition>, Instant>,
}

impl QuietPartitions {
    /// The partition is not quiet: it has brought records.
    pub fn interrupt(&mut self, topic_partition: &Arc<TopicPartition>) {
        self.since
            .insert(Arc::clone(topic_partition), Instant::now());
    }

    /// No partition is known to be quiet: none was read, and records may have come meanwhile.
    pub fn interrupt_all(&mut self) {
        self.since.clear();
    }

    /// Whether the partition has been quiet for so long.
    fn is_quiet_for(&mut self, topic_partition: &Arc<TopicPartition>, time: Duration) -> bool {
        let since = self.since.entry(Arc::clone(topic_partition));
        since.or_insert_with(Instant::now).elapsed() >= time
    }

    /// Whether the partition has been quiet for so long; it then begins anew.
    fn is_due(&mut self, topic_partition: &Arc<TopicPartition>, interval: Duration) -> bool {
        let since = self.since.entry(Arc::clone(topic_partition));
        let since = since.or_insert_with(Instant::now);
        let due = since.elapsed() >= interval;
        if due {
            *since = Instant::now();
        }
        due
    }
}

impl SinkTaskState {
    /// Ticks the transforms for partitions that are quiet. Only where nothing waits to be read, so
    /// that a backlog goes by record time, and only while the sink is idle, so that what a tick
    /// makes is a batch of its own: it moves no offset.
    ///
    /// # Errors
    /// What a transform failed with, or a record of its that may not be passed over.
    pub fn tick_quiet_partitions(&mut self) -> Result<()> {
        let Some(interval) = self.parts.chain.tick_interval() else {
            return Ok(());
        };
        if self.fetching == Fetching::Paused || self.hold.is_some() {
            self.quiet.interrupt_all();
            return Ok(());
        }
        if !self.parts.writer.is_idle() {
            return Ok(());
        }
        let Self {
            quiet,
            pending,
            parts,
            ..
        } = self;
        // Only those whose time it is: of some of them Kafka is asked where their logs end.
        let due = parts.consumer.caught_up(&mut |topic_partition| {
            let mut pending = pending.iter();
            let waits = pending.any(|p| p.batch.topic_partition == *topic_partition);
            !waits && quiet.is_due(topic_partition, interval)
        });
        let reason = TickReason::Quiet(wall_clock());
        for (topic_partition, position) in due {
            self.tick(topic_partition, position, reason)?;
        }
        Ok(())
    }

    /// Has the transforms emit what waits in them, now that the task ends in order and all that was
    /// read is durable. What they emit is written together with the state that it leaves; when that
    /// fails, or the partition is another's by now, the next owner has the state as it was.
    ///
    /// # Errors
    /// As for `tick_quiet_partitions`.
    pub fn flush_transforms(&mut self) -> Result<()> {
        // A batch on which a transform failed has left a state that is ahead of the rows.
        let is_ahead = matches!(
            self.hold,
            Some(Hold {
                then: AfterHold::Reopen,
                ..
            })
        );
        let is_idle = self.pending.is_empty() && self.parts.writer.is_idle();
        if !self.parts.chain.flushes_on_stop() || !is_idle || is_ahead {
            return Ok(());
        }
        let reason = TickReason::Flush(wall_clock());
        for (topic_partition, position) in self.parts.consumer.positions() {
            self.tick(topic_partition, position, reason)?;
        }
        Ok(())
    }

    /// Moves the offsets of quiet partitions past what holds no data: the marks that end Kafka's
    /// transactions. It goes the way of any batch, so that nothing moves before what is in front of
    /// it is durable (Invariant 1). Without it a topic that is written by transactions would show a
    /// lag for ever.
    pub fn pass_markers(&mut self) {
        if self.fetching == Fetching::Paused || self.hold.is_some() {
            return;
        }
        if !self.pending.is_empty() || !self.parts.writer.is_idle() {
            return;
        }
        let Self { quiet, parts, .. } = self;
        let time = self.timing.marker_wait;
        let passed = parts
            .consumer
            .pass_markers(&mut |partition| quiet.is_quiet_for(partition, time));
        for Passed {
            topic_partition,
            from,
            to,
        } in passed
        {
            let batch = RecordBatch {
                topic_partition,
                records: Vec::new(),
                first_offset: from,
                next_offset: to,
                last_timestamp: None,
                dead_letters: Vec::new(),
                state: Vec::new(),
            };
            self.append(TaskBatch {
                batch,
                raw: Vec::new(),
                deliveries: Vec::new(),
                bytes: 0,
                memory: 0,
            });
        }
    }

    fn tick(
        &mut self,
        topic_partition: Arc<TopicPartition>,
        position: Offset,
        reason: TickReason,
    ) -> Result<()> {
        // What a tick makes has no record in Kafka: a dead letter of it has the place alone.
        let place = RawRecord {
            offset: position.previous(),
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: reason.wall(),
            timestamp_type: TimestampType::None,
        };
        let mut dead_letters = DeadLetterRows::default();
        let errors = Arc::clone(&self.parts.errors);
        let mut failed = |class: &str, _: Offset, error| {
            let errant = Errant {
                topic_partition: &topic_partition,
                raw: &place,
                stage: Stage::Transformation,
                class,
                error: &error,
            };
            dead_letters.add(errors.report_or_fail(&errant)?);
            Ok(())
        };
        let tick = Tick {
            next_offset: position,
            reason,
        };
        let records = self.parts.chain.tick(&topic_partition, tick, &mut failed)?;
        let state = self.parts.chain.state_changes(&topic_partition);
        let rows = dead_letters.take_rows();
        if records.is_empty() && state.is_empty() && rows.is_empty() {
            return Ok(());
        }
        self.parts.metrics.sent.increment(records.len() as u64);
        let batch = RecordBatch {
            topic_partition,
            records,
            first_offset: position,
            next_offset: position,
            last_timestamp: None,
            dead_letters: rows,
            state,
        };
        self.append(TaskBatch {
            batch,
            raw: vec![place],
            deliveries: dead_letters.deliveries,
            bytes: 0,
            memory: 0,
        });
        Ok(())
    }
}

fn wall_clock() -> Timestamp {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall = wall.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    Timestamp(wall)
}
