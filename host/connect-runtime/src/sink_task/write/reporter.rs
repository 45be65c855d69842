//! The reports of one put. They are remembered for as long as it is repeated, so that a sink need
//! not know which records it has reported.

use std::collections::BTreeMap;

use async_trait::async_trait;
use connect_api::{
    DeadLetter, ErrantRecordReporter, Error, RawRecord, RecordBatch, Result, SinkRecord,
};

use crate::errors::{Errant, ErrorReporter, Stage, delivered};

/// Takes the reports of one call of `put`.
pub(super) struct PutReporter<'a> {
    errors: &'a ErrorReporter,
    /// The sink's.
    class: &'a str,
    batches: &'a [RecordBatch],
    /// The records of each batch as Kafka has them, by offset.
    raws: &'a [Vec<RawRecord>],
    reported: ReportedRecords,
}

/// What a put has reported: for each batch the positions of the records, with the dead letters that
/// the sink keeps.
#[derive(Default)]
pub(super) struct ReportedRecords(BTreeMap<usize, BTreeMap<usize, Option<DeadLetter>>>);

impl ReportedRecords {
    /// Takes the records out of the batches, which are to be put again.
    pub(super) fn take_out_of(self, batches: &mut [RecordBatch]) {
        for (batch, reported) in self.0 {
            batches[batch].take_out_reported(reported);
        }
    }
}

impl<'a> PutReporter<'a> {
    /// A reporter for one call of `put` with the batches.
    pub(super) fn new(
        errors: &'a ErrorReporter,
        class: &'a str,
        batches: &'a [RecordBatch],
        raws: &'a [Vec<RawRecord>],
    ) -> Self {
        Self {
            errors,
            class,
            batches,
            raws,
            reported: ReportedRecords::default(),
        }
    }

    /// What the call has reported.
    pub(super) fn into_reported(self) -> ReportedRecords {
        self.reported
    }

    /// The batch and the position of a record, and the record as Kafka has it.
    fn find(&self, record: &SinkRecord) -> Option<(usize, usize, &'a RawRecord)> {
        let mut batches = self.batches.iter().zip(self.raws).enumerate();
        batches.find_map(|(batch, (given, raws))| {
            let position = given.position_of(record)?;
            let raw = raws.binary_search_by_key(&record.origin.offset, |raw| raw.offset);
            Some((batch, position, &raws[raw.ok()?]))
        })
    }
}

#[async_trait]
impl ErrantRecordReporter for PutReporter<'_> {
    async fn report(&mut self, record: &SinkRecord, error: Error) -> Result<Option<DeadLetter>> {
        let Some((batch, position, raw)) = self.find(record) else {
            return Err(Error::fatal(format!(
                "{} reports a record that it was not given: {}",
                self.class, record.origin
            )));
        };
        let reported = self.reported.0.entry(batch).or_default();
        if let Some(dead_letter) = reported.get(&position) {
            return Ok(dead_letter.clone());
        }
        let errant = Errant {
            topic_partition: &record.origin.topic_partition,
            raw,
            stage: Stage::TaskPut,
            class: self.class,
            error: &error,
        };
        match self.errors.report(&errant) {
            Ok(report) => {
                delivered(report.delivery.into_iter().collect()).await?;
                reported.insert(position, report.letter.clone());
                Ok(report.letter)
            }
            Err(intolerable) => {
                delivered(intolerable.delivery.into_iter().collect()).await?;
                Err(intolerable.error)
            }
        }
    }
}
