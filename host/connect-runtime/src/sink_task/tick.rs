//! Ticks of partitions that are quiet: transforms that ask for it go on by wall time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connect_api::{
    Offset, RawRecord, RecordBatch, Result, Tick, Timestamp, TimestampType, TopicPartition,
};

use super::WorkerSinkTask;
use super::make::Letters;
use super::write::TaskBatch;
use crate::errors::{Errant, Stage};

/// How long partitions have been quiet.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    /// Since the last record, or the last tick.
    since: HashMap<Arc<TopicPartition>, Instant>,
}

impl Quiet {
    /// A record has come.
    pub fn disturbed(&mut self, topic_partition: &Arc<TopicPartition>) {
        self.since
            .insert(Arc::clone(topic_partition), Instant::now());
    }

    /// Nothing was read: what has come meanwhile is still to be seen.
    pub fn paused(&mut self) {
        self.since.clear();
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

impl WorkerSinkTask {
    /// Ticks the transforms for partitions that are quiet. Only where nothing waits to be read, so
    /// that a backlog goes by record time, and only while the sink is idle, so that what a tick
    /// makes goes by itself: it moves no offset.
    pub(super) fn tick_quiet(&mut self) -> Result<()> {
        let Some(interval) = self.parts.chain.tick_interval() else {
            return Ok(());
        };
        if self.paused || self.held.is_some() {
            self.quiet.paused();
            return Ok(());
        }
        if !self.parts.writer.is_idle() {
            return Ok(());
        }
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall = wall.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        let wall = Timestamp(wall);
        for (topic_partition, position) in self.parts.consumer.caught_up() {
            let waits = self
                .pending
                .iter()
                .any(|p| p.batch.topic_partition == topic_partition);
            if !waits && self.quiet.is_due(&topic_partition, interval) {
                self.tick(topic_partition, position, wall)?;
            }
        }
        Ok(())
    }

    fn tick(
        &mut self,
        topic_partition: Arc<TopicPartition>,
        position: Offset,
        wall: Timestamp,
    ) -> Result<()> {
        // What a tick makes has no record in Kafka: a dead letter of it has the place alone.
        let place = RawRecord {
            offset: position.previous(),
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: Some(wall),
            timestamp_type: TimestampType::None,
        };
        let mut letters = Letters::default();
        let errors = Arc::clone(&self.parts.errors);
        let mut failed = |class: &str, _: Offset, error| {
            let errant = Errant {
                topic_partition: &topic_partition,
                raw: &place,
                stage: Stage::Transformation,
                class,
                error: &error,
            };
            letters.add(errors.report_or_fail(&errant)?);
            Ok(())
        };
        let tick = Tick {
            next_offset: position,
            wall: Some(wall),
        };
        let records = self.parts.chain.tick(&topic_partition, tick, &mut failed)?;
        let state = self.parts.chain.state_changes(&topic_partition);
        let dead_letters = letters.kept();
        if records.is_empty() && state.is_empty() && dead_letters.is_empty() {
            return Ok(());
        }
        self.parts.metrics.sent.increment(records.len() as u64);
        let batch = RecordBatch {
            topic_partition,
            records,
            first_offset: position,
            next_offset: position,
            last_timestamp: None,
            dead_letters,
            state,
        };
        self.append(TaskBatch {
            batch,
            raw: vec![place],
            letters: letters.deliveries,
            bytes: 0,
        });
        Ok(())
    }
}
