//! The reporter of errant records that the battery gives to a sink.

use std::sync::Arc;

use async_trait::async_trait;
use connect_api::{
    DeadLetter, DeadLetterStorage, ErrantRecordReporter, Error, RawRecord, RecordBatch, Result,
    SinkRecord, Tolerance,
};

/// Remembers what was reported.
#[derive(Debug)]
pub struct Reports {
    /// The offsets of the records, in the order of the reports, each as often as it was reported.
    pub offsets: Vec<i64>,
    tolerance: Tolerance,
    storage: DeadLetterStorage,
    /// The reports since the last repetition.
    attempt: Vec<(SinkRecord, Option<DeadLetter>)>,
}

impl Reports {
    /// A reporter for a sink that keeps dead letters itself or does not.
    #[must_use]
    pub fn new(tolerance: Tolerance, storage: DeadLetterStorage) -> Self {
        Self {
            offsets: Vec::new(),
            tolerance,
            storage,
            attempt: Vec::new(),
        }
    }

    /// Takes what was reported out of batches that are to be put again.
    pub(crate) fn take_out_of(&mut self, batches: &mut [RecordBatch]) {
        for (record, dead_letter) in self.attempt.drain(..) {
            for batch in &mut *batches {
                if let Some(position) = batch.position_of(&record) {
                    batch.take_out_reported([(position, dead_letter.clone())].into());
                }
            }
        }
    }
}

#[async_trait]
impl ErrantRecordReporter for Reports {
    async fn report(&mut self, record: &SinkRecord, error: Error) -> Result<Option<DeadLetter>> {
        self.offsets.push(record.origin.offset.0);
        if self.tolerance == Tolerance::None {
            return Err(Error::fatal("Tolerance exceeded in error handler").with_source(error));
        }
        let dead_letter = match self.storage {
            DeadLetterStorage::Worker => None,
            DeadLetterStorage::Sink => Some(dead_letter(record, &error)),
        };
        self.attempt.push((record.clone(), dead_letter.clone()));
        Ok(dead_letter)
    }
}

fn dead_letter(record: &SinkRecord, error: &Error) -> DeadLetter {
    DeadLetter {
        topic_partition: Arc::clone(&record.origin.topic_partition),
        record: RawRecord {
            offset: record.origin.offset,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: None,
            timestamp_type: record.timestamp_type,
        },
        stage: "TASK_PUT",
        class: "SinkUnderTest".into(),
        exception: error.class_name(),
        error: error.chain(),
    }
}
