//! From raw records to a batch for the sink: converted, transformed, and the errant ones reported.

use std::sync::Arc;

use connect_api::{
    DeadLetter, Error, ErrorKind, Offset, RawRecord, RecordBatch, Result, SinkRecord,
    TopicPartition,
};

use super::consume::RawBatch;
use super::write::TaskBatch;
use super::{SinkTaskParts, WorkerSinkTask};
use crate::errors::{Delivery, Errant, Reported, Stage};

/// What became of raw records.
pub(super) enum Made {
    /// A batch for the sink.
    Batch(TaskBatch),
    /// Nothing: the schema registry is away, and they are read again later.
    Nothing,
    /// Nothing: one of them may not be passed over. Those in front of it, and what the task is to
    /// fail with.
    Part(RawBatch, Error),
}

/// What is owed for the records of a batch that were passed over.
#[derive(Default)]
pub(super) struct Letters {
    pub(super) deliveries: Vec<Delivery>,
    kept: Vec<DeadLetter>,
}

impl Letters {
    pub(super) fn add(&mut self, reported: Reported) {
        self.deliveries.extend(reported.delivery);
        self.kept.extend(reported.letter);
    }

    /// Those for the sink, in the order of their offsets: the transforms come after all converters.
    pub(super) fn kept(&mut self) -> Vec<DeadLetter> {
        self.kept.sort_by_key(|letter| letter.record.offset);
        std::mem::take(&mut self.kept)
    }
}

impl WorkerSinkTask {
    /// A batch for the sink; what is owed for the records that it lacks comes with it.
    pub(super) fn convert_and_transform(&mut self, batch: RawBatch) -> Result<Made> {
        let topic_partition = Arc::clone(&batch.topic_partition);
        let mut letters = Letters::default();
        let mut records = Vec::with_capacity(batch.records.len());
        for (at, record) in batch.records.iter().enumerate() {
            match self.convert(&topic_partition, record, &mut letters) {
                Ok(converted) => records.extend(converted),
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    self.hold(&topic_partition, batch.first_offset, &error)?;
                    return Ok(Made::Nothing);
                }
                Err(error) => return Ok(Made::Part(batch.before(at), error)),
            }
        }
        let SinkTaskParts {
            chain,
            errors,
            metrics,
            ..
        } = &mut self.parts;
        let mut stopped = None;
        let mut failed = |class: &str, offset: Offset, error| {
            let Ok(at) = batch.records.binary_search_by_key(&offset, |r| r.offset) else {
                return Err(error);
            };
            let stage = Stage::Transformation;
            let errant = Errant {
                topic_partition: &topic_partition,
                raw: &batch.records[at],
                stage,
                class,
                error: &error,
            };
            let reported = errors.report_or_fail(&errant);
            letters.add(reported.inspect_err(|_| stopped = Some(at))?);
            Ok(())
        };
        let records = match (chain.apply(&topic_partition, records, &mut failed), stopped) {
            (Ok(records), _) => records,
            (Err(error), Some(at)) => return Ok(Made::Part(batch.before(at), error)),
            (Err(error), None) => return Err(error),
        };
        metrics.sent.increment(records.len() as u64);
        let state = chain.state_changes(&topic_partition);
        Ok(Made::Batch(TaskBatch {
            batch: RecordBatch {
                state,
                topic_partition,
                records,
                first_offset: batch.first_offset,
                next_offset: batch.next_offset,
                last_timestamp: batch.last_timestamp(),
                dead_letters: letters.kept(),
            },
            raw: batch.records,
            letters: letters.deliveries,
            bytes: batch.bytes,
        }))
    }

    /// Converts a record; none when it was reported.
    fn convert(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        raw: &RawRecord,
        letters: &mut Letters,
    ) -> Result<Option<SinkRecord>> {
        let failed = match self.parts.converters.convert(topic_partition, raw) {
            Ok(record) => return Ok(Some(record)),
            Err(failed) => failed,
        };
        if failed.error.kind() != ErrorKind::Data {
            return Err(failed.error);
        }
        let (stage, class) = (failed.stage, failed.class);
        let errant = Errant {
            topic_partition,
            raw,
            stage,
            class,
            error: &failed.error,
        };
        letters.add(self.parts.errors.report_or_fail(&errant)?);
        Ok(None)
    }
}
