//! A task as the worker runs it: takes partitions over, and repeats puts.

use anyhow::Result;
use connect_api::{ErrorKind, Offset, OpenedPartition, RecordBatch, SinkTask, Tolerance};

use crate::{Reports, partition};

/// How often a put is repeated before the battery gives up.
const MOST_REPETITIONS: usize = 50;

/// A sink's task, with what the worker remembers for it.
pub struct TestWorker {
    task: Box<dyn SinkTask>,
    /// What the task has reported.
    pub reports: Reports,
}

impl TestWorker {
    /// Begins a task, by `errors.tolerance=all`.
    #[must_use]
    pub fn new(task: Box<dyn SinkTask>) -> Self {
        Self::with_tolerance(task, Tolerance::All)
    }

    /// Begins a task.
    #[must_use]
    pub fn with_tolerance(task: Box<dyn SinkTask>, tolerance: Tolerance) -> Self {
        let reports = Reports::new(tolerance, task.dead_letters());
        Self { task, reports }
    }

    /// Whether the sink keeps offsets, and so is held to exactly once.
    pub fn keeps_offsets(&mut self) -> bool {
        self.task.offsets().is_some()
    }

    /// Takes partitions over. Those that the sink has no offset for begin at offset 0. Where they
    /// go on.
    ///
    /// # Errors
    /// What the sink says.
    pub async fn open(&mut self, numbers: &[i32]) -> Result<Vec<Offset>> {
        let partitions: Vec<_> = numbers.iter().map(|number| partition(*number)).collect();
        let Some(offsets) = self.task.offsets() else {
            return Ok(vec![Offset(0); numbers.len()]);
        };
        let opened = offsets.open(&partitions).await?;
        let answered: Vec<_> = opened.iter().map(|o| o.topic_partition.clone()).collect();
        anyhow::ensure!(
            answered == partitions,
            "opened {partitions:?}: {answered:?}"
        );
        let unknown = |o: &&OpenedPartition| o.next_offset.is_none();
        let unknown = opened.iter().filter(unknown);
        let starts: Vec<_> = unknown
            .map(|o| (o.topic_partition.clone(), Offset(0)))
            .collect();
        if !starts.is_empty() {
            offsets.start_at(&starts).await?;
        }
        let starts = opened.iter().map(|o| o.next_offset.unwrap_or_default());
        Ok(starts.collect())
    }

    /// Puts batches: again while the error is one that passes, and without the records that were
    /// reported meanwhile.
    ///
    /// # Errors
    /// What the sink says, or when it does not end.
    pub async fn put(&mut self, batches: &[RecordBatch]) -> connect_api::Result<()> {
        let mut batches = batches.to_vec();
        for _ in 0..MOST_REPETITIONS {
            match self.task.put(&batches, &mut self.reports).await {
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    self.reports.take_out_of(&mut batches);
                }
                answer => {
                    self.reports.take_out_of(&mut []);
                    return answer;
                }
            }
        }
        Err(connect_api::Error::fatal(format!(
            "the put does not succeed in {MOST_REPETITIONS} repetitions"
        )))
    }

    /// Stops the task.
    pub async fn stop(mut self) {
        self.task.stop().await;
    }
}
