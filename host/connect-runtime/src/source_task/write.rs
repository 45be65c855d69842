//! Stage 4: records become bytes and go to Kafka.

mod convert;
mod produce;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Error, ErrorKind, Result};
use connect_kafka::output_topic_refusal;

pub use convert::ProducerRecord;
pub use produce::{KafkaRecordProducer, Receipt, RecordProducer, SendError, TopicCreation, Topics};

use super::commit::{Answer, Ends, InFlight, Sent};
use super::transform::Transformed;
use super::{Session, SourceDelivery, TransactionBoundary, WaitsFor};
use crate::errors::{SourceErrant, Stage};
use convert::{Unconverted, convert};

/// The class that errors of the producer name, as Kafka Connect has it.
const PRODUCER_CLASS: &str = "org.apache.kafka.clients.producer.KafkaProducer";

/// A step's result for one record, or why the record was passed over.
type PassedOver<T> = std::result::Result<T, Error>;

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
            mut failure,
        } in batch
        {
            let in_flight = |sent, ends| InFlight {
                sent,
                source_partition: Arc::clone(&source_partition),
                source_offset: source_offset.clone(),
                ends,
            };
            for record in records {
                let from = in_flight(None, None);
                let sent = match self.convert(&record, &from)? {
                    Ok(record) => self.send(record, &from)?,
                    Err(error) => Err(error),
                };
                match sent {
                    Ok(sent) => {
                        self.transaction_records += 1;
                        self.commits.push(in_flight(Some(sent), None));
                    }
                    Err(error) => {
                        failure.get_or_insert_with(|| Box::new(error));
                    }
                }
                self.wait_for_room()?;
                if self.worker.parts.control.abandoned() {
                    return Ok(());
                }
            }
            self.commits.push(in_flight(None, Some(Ends { failure })));
        }
        if self.worker.parts.delivery == SourceDelivery::ExactlyOnce(TransactionBoundary::Poll) {
            return self.commit_transaction();
        }
        Ok(())
    }

    /// The bytes of a record, or why it was passed over. A registry that is away is waited for, as
    /// `errors.retry.timeout` says.
    fn convert(
        &mut self,
        record: &connect_api::Record,
        from: &InFlight,
    ) -> Result<PassedOver<ProducerRecord>> {
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
                    return Ok(Ok(converted));
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
                return Ok(Err(error));
            }
            if self.worker.parts.control.stopping() {
                // Its offset is not stored: it is read again.
                return Err(error);
            }
            failures += 1;
            self.worker.wait_after(&error, policy.delay(failures));
        }
    }

    /// Hands a record over, or says why it was passed over.
    fn send(&mut self, record: ProducerRecord, from: &InFlight) -> Result<PassedOver<Sent>> {
        let parts = &mut self.worker.parts;
        if let Some(why) = output_topic_refusal(&record.topic, &parts.internal_topics) {
            let error = Error::data(why);
            self.refused(from, &error)?;
            return Ok(Err(error));
        }
        let parts = &mut self.worker.parts;
        if parts.topics.is_new(&record.topic) {
            parts.runtime.block_on(parts.topics.create(&record.topic))?;
        }
        match self.producer.send(&record) {
            Ok(receipt) => Ok(Ok(Sent {
                record,
                answer: Answer::Awaited(receipt),
            })),
            Err(SendError::Record(error)) => {
                self.refused(from, &error)?;
                Ok(Err(error))
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
