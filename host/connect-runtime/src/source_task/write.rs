//! Stage 4: records become bytes and go to Kafka.

mod convert;
mod produce;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, ErrorKind, Result};
use connect_kafka::output_topic_refusal;

pub use convert::ProducerRecord;
pub use produce::{KafkaRecordProducer, Receipt, RecordProducer, SendError, TopicCreation, Topics};

use super::commit::{Answer, InFlight, Sent};
use super::transform::Transformed;
use super::{Session, SourceDelivery, TransactionBoundary, WaitsFor};
use crate::errors::{SourceErrant, Stage};
use convert::{Unconverted, convert};

/// The class that errors of the producer name, as Kafka Connect has it.
const PRODUCER_CLASS: &str = "org.apache.kafka.clients.producer.KafkaProducer";

impl Session<'_> {
    /// Hands the records to the producer. With transactions of one poll each, they are in Kafka
    /// when this returns.
    pub(super) fn write(&mut self, batch: Vec<Transformed>) -> Result<()> {
        if self.exactly_once() && self.transaction.is_none() {
            self.producer.begin()?;
            self.transaction = Some(Instant::now());
        }
        for Transformed {
            records,
            source_partition,
            source_offset,
        } in batch
        {
            let in_flight = |sent, is_last| InFlight {
                sent,
                source_partition: Arc::clone(&source_partition),
                source_offset: source_offset.clone(),
                is_last,
            };
            for record in records {
                let Some(record) = self.convert(&record, &in_flight(None, false))? else {
                    continue;
                };
                let sent = self.send(record, &in_flight(None, false))?;
                self.transaction_records += usize::from(sent.is_some());
                self.commits.push(in_flight(sent, false));
                self.wait_for_room()?;
                if self.worker.parts.control.abandoned() {
                    return Ok(());
                }
            }
            self.commits.push(in_flight(None, true));
        }
        if self.worker.parts.delivery == SourceDelivery::ExactlyOnce(TransactionBoundary::Poll) {
            return self.commit_transaction();
        }
        Ok(())
    }

    /// The bytes of a record; none when it was passed over. A registry that is away is waited for,
    /// as `errors.retry.timeout` says.
    fn convert(
        &mut self,
        record: &connect_api::Record,
        from: &InFlight,
    ) -> Result<Option<ProducerRecord>> {
        let policy = self.worker.parts.errors.retry_policy();
        let (begin, mut failures) = (Instant::now(), 0);
        loop {
            let Unconverted {
                stage,
                class,
                error,
            } = match convert(&mut self.worker.parts.converters, record) {
                Ok(converted) => {
                    self.worker.going_on(WaitsFor::Other);
                    return Ok(Some(converted));
                }
                Err(failed) => failed,
            };
            let is_over = policy
                .timeout
                .is_some_and(|timeout| begin.elapsed() >= timeout);
            if error.kind() != ErrorKind::Retriable || is_over {
                self.worker.parts.errors.report(&SourceErrant {
                    source_partition: &from.source_partition,
                    source_offset: &from.source_offset,
                    stage,
                    class,
                    error: &error,
                })?;
                return Ok(None);
            }
            if self.worker.parts.control.stopping() {
                // Its offset is not stored: it is read again.
                return Err(error);
            }
            failures += 1;
            self.worker.wait_after(&error, policy.delay(failures));
        }
    }

    /// None when the record was passed over.
    fn send(&mut self, record: ProducerRecord, from: &InFlight) -> Result<Option<Sent>> {
        let parts = &mut self.worker.parts;
        if let Some(why) = output_topic_refusal(&record.topic, &parts.internal_topics) {
            self.refused(from, &Error::data(why))?;
            return Ok(None);
        }
        let parts = &mut self.worker.parts;
        if parts.topics.is_new(&record.topic) {
            parts.runtime.block_on(parts.topics.create(&record.topic))?;
        }
        match self.producer.send(&record) {
            Ok(receipt) => Ok(Some(Sent {
                record,
                answer: Answer::Awaited(receipt),
            })),
            Err(SendError::Record(error)) => {
                self.refused(from, &error)?;
                Ok(None)
            }
            Err(SendError::Producer(error)) => Err(error),
        }
    }

    /// Reports a record that the producer or Kafka does not take.
    pub(super) fn refused(&self, from: &InFlight, error: &Error) -> Result<()> {
        self.worker.parts.errors.report(&SourceErrant {
            source_partition: &from.source_partition,
            source_offset: &from.source_offset,
            stage: Stage::KafkaProduce,
            class: PRODUCER_CLASS,
            error,
        })
    }

    /// Waits until what waits for Kafka is within its limit (Invariant 8).
    fn wait_for_room(&mut self) -> Result<()> {
        while !self.has_room() && !self.worker.parts.control.abandoned() {
            self.acknowledge(Duration::ZERO)?;
        }
        Ok(())
    }
}
