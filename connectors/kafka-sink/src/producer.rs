//! One producer, and what its errors mean for a transaction.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use connect_api::Error;
use connect_kafka::{ClientErrors, KafkaClient, create};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

/// How long Kafka may take for one step of a transaction.
const LIMIT: Duration = Duration::from_secs(10);
/// How long to wait before a step is tried again, or room in the client's queue is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// A record as it goes to Kafka.
pub(crate) struct Message<'a> {
    pub topic: Cow<'a, str>,
    /// None: by the key.
    pub partition: Option<i32>,
    pub key: Option<Cow<'a, [u8]>>,
    pub value: Option<Cow<'a, [u8]>>,
    pub headers: Option<OwnedHeaders>,
    pub timestamp: Option<i64>,
    /// Whether its bytes are made again as it is sent: all at once they would take too much memory.
    pub deferred: bool,
}

/// Makes a deferred message again; none when that fails.
pub(crate) type Again<'f, 'a> = &'f mut dyn FnMut(usize) -> Option<Message<'a>>;

impl Message<'_> {
    /// Bytes that were made for it, beside those of the record.
    pub(crate) fn owned_bytes(&self) -> usize {
        let owned = |part: &Option<Cow<'_, [u8]>>| match part {
            Some(Cow::Owned(bytes)) => bytes.len(),
            _ => 0,
        };
        owned(&self.key) + owned(&self.value)
    }

    /// Lets go of its bytes until it is sent.
    pub(crate) fn defer(&mut self) {
        (self.key, self.value, self.headers) = (None, None, None);
        self.deferred = true;
    }
}

/// Why messages were not written.
pub(crate) enum Failure {
    /// This message cannot be written. Nothing else was.
    Message(usize, Error),
    /// One or more of these messages, which went in one request, cannot be written. Nothing was.
    Suspects(HashSet<usize>),
    /// Nothing was written; it may be later.
    Later(Error),
    /// Kafka knows whether they were written, this producer does not: it has to go.
    Unknown(Error),
    /// Nothing was written, nor will it be.
    Never(Error),
}

impl Failure {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Message(_, error)
            | Self::Later(error)
            | Self::Unknown(error)
            | Self::Never(error) => error,
            Self::Suspects(_) => Error::data("Kafka refuses one of several records"),
        }
    }
}

/// Where the offsets of a transaction go.
pub(crate) struct Offsets<'a> {
    pub positions: &'a TopicPartitionList,
    pub membership: &'a ConsumerGroupMetadata,
}

/// The deliveries that failed: the index of the message, and why.
struct Deliveries {
    failed: Mutex<Vec<(usize, Code)>>,
    errors: ClientErrors,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.errors.log_line(level, facility, line);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, at: usize) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.push((at, code));
        } else {
            self.errors.answered();
        }
    }
}

pub(crate) struct Producer {
    inner: KafkaClient<BaseProducer<Deliveries>>,
}

impl Producer {
    /// A producer; a transactional one first ends what its predecessor has left open.
    pub(crate) fn start(config: &ClientConfig, transactional: bool) -> Result<Self, Error> {
        let deliveries = Deliveries {
            failed: Mutex::default(),
            errors: ClientErrors::new("the sink's producer"),
        };
        let inner: KafkaClient<BaseProducer<Deliveries>> =
            create(config, deliveries).map_err(|e| Error::config(format!("producer: {e}")))?;
        if transactional {
            repeat(|| inner.init_transactions(LIMIT)).map_err(|error| {
                Error::retriable(format!("cannot begin to write transactions: {error}"))
            })?;
        }
        Ok(Self { inner })
    }

    /// Writes the messages and the offsets that they came from, together or not at all.
    ///
    /// Each of the `suspects` goes in a request of its own, so that one that is refused is known.
    pub(crate) fn transaction(
        &self,
        messages: &[Message<'_>],
        suspects: &HashSet<usize>,
        offsets: Option<&Offsets<'_>>,
        again: Again<'_, '_>,
    ) -> Result<(), Failure> {
        self.forget_failures();
        let begun = self.inner.begin_transaction();
        begun.map_err(|error| self.give_up(error, messages))?;
        let sent = self.send(messages, suspects, again);
        let done = sent.and_then(|()| {
            if let Some(Offsets {
                positions,
                membership,
            }) = offsets
            {
                repeat(|| {
                    self.inner
                        .send_offsets_to_transaction(positions, membership, LIMIT)
                })?;
            }
            repeat(|| self.inner.commit_transaction(LIMIT))
        });
        done.map_err(|error| self.give_up(error, messages))
    }

    /// Writes the messages; some may be there although it fails.
    pub(crate) fn write(
        &self,
        messages: &[Message<'_>],
        suspects: &HashSet<usize>,
        again: Again<'_, '_>,
    ) -> Result<(), Failure> {
        self.forget_failures();
        let sent = self.send(messages, suspects, again);
        let sent = sent.and_then(|()| self.inner.flush(LIMIT));
        let refused = self.refused(messages);
        match sent {
            Err(error) => Err(Failure::Later(error_of(&error))),
            Ok(()) => refused,
        }
    }

    fn send(
        &self,
        messages: &[Message<'_>],
        suspects: &HashSet<usize>,
        again: Again<'_, '_>,
    ) -> Result<(), KafkaError> {
        for (at, message) in messages.iter().enumerate() {
            let made;
            let message = if message.deferred {
                made = again(at).ok_or(KafkaError::Canceled)?;
                &made
            } else {
                message
            };
            let alone = suspects.contains(&at);
            if alone {
                self.inner.flush(LIMIT)?;
            }
            let mut record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(&message.topic, at);
            record.partition = message.partition;
            record.key = message.key.as_deref();
            record.payload = message.value.as_deref();
            record.headers.clone_from(&message.headers);
            record.timestamp = message.timestamp;
            let mut queued = self.inner.send(record);
            while let Err((KafkaError::MessageProduction(Code::QueueFull), record)) = queued {
                self.inner.poll(PAUSE);
                queued = self.inner.send(record);
            }
            if let Err((error, _)) = queued {
                let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
                self.failures().push((at, code));
                return Err(error);
            }
            if alone {
                self.inner.flush(LIMIT)?;
                if !self.failures().is_empty() {
                    // The transaction cannot be committed any more: its commit says so.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Code)>> {
        let failed = &self.inner.context().failed;
        failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_failures(&self) {
        self.failures().clear();
    }

    /// Takes the transaction back, and says what its error means.
    fn give_up(&self, error: KafkaError, messages: &[Message<'_>]) -> Failure {
        if let Some(code) = fatal(&error) {
            let text = Error::fatal(format!("cannot write to Kafka: {error}")).transient();
            return match code {
                Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => {
                    Failure::Never(text.context("another task writes with this transactional.id"))
                }
                _ => Failure::Unknown(text),
            };
        }
        if timed_out(&error) {
            return Failure::Unknown(error_of(&error));
        }
        if let Err(aborting) = self.abort() {
            return Failure::Unknown(error_of(&aborting));
        }
        // What became of each message is told only to who asks.
        if let Err(unheard) = self.inner.flush(LIMIT) {
            return Failure::Unknown(error_of(&unheard));
        }
        if let Err(refused) = self.refused(messages) {
            return refused;
        }
        match error.rdkafka_error_code().or(transaction_code(&error)) {
            Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId) => {
                Failure::Unknown(error_of(&error))
            }
            _ => Failure::Later(error_of(&error)),
        }
    }

    /// Takes the transaction back. librdkafka waits until each purged message has been reported,
    /// and reports come by polling alone: a single long call would wait for itself.
    fn abort(&self) -> Result<(), KafkaError> {
        let until = Instant::now() + LIMIT;
        loop {
            self.inner.poll(Duration::ZERO);
            match self.inner.abort_transaction(PAUSE) {
                Err(error) if is_retriable(&error) && Instant::now() < until => {}
                answer => return answer,
            }
        }
    }

    /// What the failed deliveries say: of the messages, or of Kafka.
    fn refused(&self, messages: &[Message<'_>]) -> Result<(), Failure> {
        let failed = self.failures();
        let topic = |at: usize| messages.get(at).map_or("", |m| m.topic.as_ref());
        let of_message = |code: &Code| {
            matches!(
                code,
                Code::MessageSizeTooLarge
                    | Code::InvalidMessage
                    | Code::InvalidMessageSize
                    | Code::InvalidRecord
                    | Code::InvalidTimestamp
            )
        };
        let refused: Vec<_> = failed.iter().filter(|(_, code)| of_message(code)).collect();
        match refused[..] {
            [] => {}
            [&(at, code)] => {
                let text = format!("topic {} does not take the record: {code}", topic(at));
                return Err(Failure::Message(at, Error::data(text)));
            }
            // Kafka refuses a whole request for what one record of it is. What else has failed
            // came of it.
            _ => {
                let suspects = refused.iter().map(|(at, _)| *at);
                return Err(Failure::Suspects(suspects.collect()));
            }
        }
        for &(at, code) in failed.iter() {
            match code {
                Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::InvalidTopic
                | Code::TopicAuthorizationFailed => {
                    let refused = Error::config(format!(
                        "cannot write to topic {}: {code}; create it, or allow it",
                        topic(at)
                    ));
                    return Err(Failure::Never(refused.transient()));
                }
                // Taken back with the transaction.
                Code::PurgeQueue | Code::PurgeInflight => {}
                _ => {
                    let text = format!("topic {}: {code}", topic(at));
                    return Err(Failure::Later(Error::retriable(text)));
                }
            }
        }
        Ok(())
    }
}

/// Repeats a step for as long as Kafka says that it may succeed yet.
fn repeat(step: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let until = Instant::now() + LIMIT;
    loop {
        match step() {
            Err(error) if is_retriable(&error) && Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    let KafkaError::Transaction(cause) = error else {
        return false;
    };
    cause.is_retriable() && !cause.txn_requires_abort()
}

/// The step may have been done all the same.
fn timed_out(error: &KafkaError) -> bool {
    is_retriable(error) || matches!(error, KafkaError::Flush(_))
}

fn fatal(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::Transaction(cause) if cause.is_fatal() => Some(cause.code()),
        _ => None,
    }
}

fn transaction_code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::Transaction(cause) => Some(cause.code()),
        _ => None,
    }
}

fn error_of(error: &KafkaError) -> Error {
    Error::retriable(format!("cannot write to Kafka: {error}"))
}
