//! A sink that keeps its rows and offsets in memory, and compares offsets as Postgres's does.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{
    ErrantRecordReporter, Error, LostOffsets, Offset, OpenedPartition, RecordBatch, Result,
    SinkOffsets, SinkTask, TopicPartition,
};

use super::Shared;

/// What the sink writes to.
#[derive(Default)]
pub(super) struct Target {
    /// The values of each partition's records, in the order in which they were written.
    pub(super) rows: BTreeMap<TopicPartition, Vec<String>>,
    /// Where each partition is to go on.
    pub(super) stored: BTreeMap<TopicPartition, Offset>,
    /// Keys of the transforms' state, of which each put must be one more.
    pub(super) state_changes: Vec<usize>,
    /// Puts wait while it is closed.
    pub(super) gate_is_closed: bool,
    /// So many of the next puts are refused: another task has the partitions.
    pub(super) fence_puts: usize,
    /// The name of the target, if it keeps offsets for good.
    pub(super) name: Option<&'static str>,
    /// The offsets are these from now on: a backup was restored. The next comparison says so.
    pub(super) restored: Option<BTreeMap<TopicPartition, Offset>>,
    pub(super) lost_offsets: LostOffsets,
    /// Partitions are not opened while this is so: the target is away.
    pub(super) opens_hang: bool,
    /// A comparison waits while this is so: the target is away.
    pub(super) verify_hangs: bool,
    /// How often offsets were compared.
    pub(super) comparisons: usize,
    /// Partitions that were opened, call by call.
    pub(super) opened: Vec<Vec<TopicPartition>>,
    /// A put has come and waits, or has gone on.
    pub(super) puts: usize,
}

impl Target {
    fn write(&mut self, batches: &[RecordBatch]) -> Result<()> {
        if self.fence_puts > 0 {
            self.fence_puts -= 1;
            return Err(Error::fenced("another task has the partitions"));
        }
        let fits = |batch: &RecordBatch| {
            self.stored.get(&*batch.topic_partition) == Some(&batch.first_offset)
        };
        if !batches.iter().all(fits) {
            return Err(Error::fenced("the stored offset is another"));
        }
        for batch in batches {
            let partition = TopicPartition::clone(&batch.topic_partition);
            let rows = self.rows.entry(partition.clone()).or_default();
            let values = batch.records.iter().map(|r| r.record.value.value.as_str());
            rows.extend(values.map(|value| value.unwrap().to_owned()));
            let changes = batch.state.iter().map(|d| d.changes.entries.len());
            self.state_changes.extend(changes);
            self.stored.insert(partition, batch.next_offset);
        }
        Ok(())
    }
}

/// The task of the sink.
pub(super) struct ScriptedSink(pub(super) Shared<Target>, Option<&'static str>);

impl ScriptedSink {
    pub(super) fn new(target: Shared<Target>) -> Self {
        Self(target, None)
    }
}

#[async_trait]
impl SinkOffsets for ScriptedSink {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>> {
        while self.0.lock().unwrap().opens_hang {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut target = self.0.lock().unwrap();
        target.opened.push(partitions.to_vec());
        self.1 = target.name;
        let opened = |partition: &TopicPartition| OpenedPartition {
            topic_partition: partition.clone(),
            next_offset: target.stored.get(partition).copied(),
            last_timestamp: None,
        };
        Ok(partitions.iter().map(opened).collect())
    }

    async fn forget(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut target = self.0.lock().unwrap();
        target.stored.retain(|known, _| !partitions.contains(known));
        Ok(())
    }

    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        self.0.lock().unwrap().stored.extend(starts.iter().cloned());
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) {}

    async fn verify(&mut self) -> Result<()> {
        self.0.lock().unwrap().comparisons += 1;
        while self.0.lock().unwrap().verify_hangs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut target = self.0.lock().unwrap();
        let Some(restored) = target.restored.take() else {
            return Ok(());
        };
        target.stored = restored;
        Err(Error::offsets_lost("the target has less"))
    }

    fn target(&self) -> Option<&str> {
        self.1
    }

    fn lost_offsets(&self) -> LostOffsets {
        self.0.lock().unwrap().lost_offsets
    }
}

#[async_trait]
impl SinkTask for ScriptedSink {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        _: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        self.0.lock().unwrap().puts += 1;
        while self.0.lock().unwrap().gate_is_closed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.0.lock().unwrap().write(batches)
    }

    fn offsets(&mut self) -> Option<&mut dyn SinkOffsets> {
        Some(self)
    }
}
