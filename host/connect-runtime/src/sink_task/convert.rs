//! Stage 3: bytes to data.

use std::sync::Arc;

use connect_api::{
    Converter, Error, ErrorKind, Header, HeaderConverter, Measured, MemoryLimit, Offset, Origin,
    RawHeader, RawRecord, Record, SinkRecord, TopicPartition, memory, panics,
};

use crate::errors::{DeadLetterRows, FailedRecord, RecordErrors, Reported, Stage, StoppedAt};
use crate::sink_task_loop::batch::RawBatch;

/// The converters of a task.
pub struct Converters {
    /// For keys.
    pub key: Box<dyn Converter>,
    /// For values.
    pub value: Box<dyn Converter>,
    /// For headers.
    pub header: Box<dyn HeaderConverter>,
}

/// A conversion that failed.
pub struct ConversionError {
    /// Which converter.
    pub stage: Stage,
    /// The converter's class.
    pub class: &'static str,
    /// What it failed with.
    pub error: Error,
}

/// A batch of which each record was converted or reported, up to its end or to a record that the
/// task cannot get past.
pub struct ConvertedBatch {
    /// The records as Kafka has them, without those from where it stopped.
    pub raw: RawBatch,
    /// The records as data.
    pub records: Vec<SinkRecord>,
    /// Dead letters of those that were reported.
    pub dead_letters: DeadLetterRows,
    /// Where it stopped; none when the batch is whole.
    pub cut: Option<Cut>,
    /// Bytes of memory that the data takes beside the records' own.
    pub memory: usize,
}

/// Where a batch was cut, in front of a record that could not be converted, or not yet.
pub struct Cut {
    /// The partition.
    pub topic_partition: Arc<TopicPartition>,
    /// The offset to read from again.
    pub resume_at: Offset,
    /// Why; none: there was no memory left for the record beside those in front of it.
    pub stopped: Option<StoppedAt>,
}

impl Converters {
    /// Converts one record.
    pub fn convert(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        raw: &RawRecord,
    ) -> Result<SinkRecord, ConversionError> {
        let Self { key, value, header } = self;
        let part = |stage, converter: &mut Box<dyn Converter>, bytes: Option<&bytes::Bytes>| {
            let topic = &topic_partition.topic;
            let converted = panics::caught(|| converter.to_connect_data(topic, bytes));
            converted.map_err(|error| ConversionError {
                stage,
                class: converter.class_name(),
                error,
            })
        };
        let key = part(Stage::KeyConverter, key, raw.key.as_ref())?;
        let value = part(Stage::ValueConverter, value, raw.value.as_ref())?;
        let headers = raw.headers.iter().map(|raw| {
            let RawHeader { name, value } = raw;
            let topic = &topic_partition.topic;
            let converted = panics::caught(|| {
                memory::charge(size_of::<Header>())?;
                header.to_connect_header(topic, name, value.as_ref())
            });
            let value = converted.map_err(|error| ConversionError {
                stage: Stage::HeaderConverter,
                class: header.class_name(),
                error: error.context(format!("header {name}")),
            })?;
            let name = name.clone();
            Ok(Header { name, value })
        });
        let headers = headers.collect::<Result<_, ConversionError>>()?;
        Ok(SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(topic_partition.partition),
                key,
                value,
                headers,
                timestamp: raw.timestamp,
            },
            origin: Origin::new(topic_partition, raw.offset),
            timestamp_type: raw.timestamp_type,
        })
    }

    /// Why a record is errant whose bytes were not kept.
    fn left_out(&self, bytes: usize) -> ConversionError {
        ConversionError {
            stage: Stage::ValueConverter,
            class: self.value.class_name(),
            error: Error::data(format!(
                "the record has {bytes} bytes unpacked, more than {} allows; they are not read, and \
                 its dead letter has none of them",
                MemoryLimit::OPTION
            )),
        }
    }

    /// Converts a batch. Records that cannot be converted are reported; at one that cannot be
    /// reported either the batch ends. It also ends at a record whose data does not fit into the
    /// room, in bytes of memory, unless nothing else takes of it (Invariant 8).
    pub fn convert_batch(
        &mut self,
        raw: RawBatch,
        room: Room,
        errors: &mut RecordErrors,
    ) -> ConvertedBatch {
        let mut records = Vec::with_capacity(raw.records.len());
        let mut dead_letters = DeadLetterRows::default();
        let mut stopped = None;
        let mut memory = 0;
        let limit = MemoryLimit::of_record();
        for (at, record) in raw.records.iter().enumerate() {
            let Measured { made, bytes } = limit.measure(|| match raw.left_out(record.offset) {
                None => self.convert(&raw.topic_partition, record),
                Some(bytes) => Err(self.left_out(bytes)),
            });
            let failed = match made {
                Ok(converted) => {
                    if !room.has(memory, bytes) {
                        stopped = Some((at, None));
                        break;
                    }
                    memory += bytes;
                    records.push(converted);
                    continue;
                }
                Err(failed) => failed,
            };
            match report(&raw.topic_partition, record, failed, errors) {
                Ok(reported) => dead_letters.add(reported),
                Err(why) => {
                    stopped = Some((at, Some(why)));
                    break;
                }
            }
        }
        let (raw, cut) = match stopped {
            None => (raw, None),
            Some((at, stopped)) => {
                let topic_partition = Arc::clone(&raw.topic_partition);
                let first_offset = raw.first_offset;
                let front = raw.before(at);
                let resume_at = if at == 0 {
                    first_offset
                } else {
                    front.next_offset
                };
                let cut = Cut {
                    topic_partition,
                    resume_at,
                    stopped,
                };
                (front, Some(cut))
            }
        };
        ConvertedBatch {
            raw,
            records,
            dead_letters,
            cut,
            memory,
        }
    }
}

/// How much memory the data of a batch may take.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that all batches may take together which wait for the sink.
    pub limit: MemoryLimit,
    /// Bytes that those before it take.
    pub taken: usize,
}

impl Room {
    /// Whether a record of so many bytes fits behind those of the batch. One that is alone always
    /// does: its own limit is no greater.
    fn has(self, batch: usize, record: usize) -> bool {
        let before = self.taken.saturating_add(batch);
        before == 0 || before.saturating_add(record) <= self.limit.0
    }
}

fn report(
    topic_partition: &Arc<TopicPartition>,
    raw: &RawRecord,
    failed: ConversionError,
    errors: &mut RecordErrors,
) -> Result<Reported, StoppedAt> {
    let ConversionError {
        stage,
        class,
        error,
    } = failed;
    // Any other kind is not the record's own: wrong credentials for the registry, say.
    if !matches!(error.kind(), ErrorKind::Data | ErrorKind::Retriable) {
        let retry_in = None;
        return Err(StoppedAt { error, retry_in });
    }
    errors.report(FailedRecord {
        topic_partition,
        raw,
        stage,
        class,
        error,
    })
}
