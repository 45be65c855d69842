//! What a client's errors say in the log: an outage is told once, and once more when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

/// How often Kafka is asked whether it is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);
/// One broker of several may come and go: it is told of this often at most.
const BROKER_INTERVAL: Duration = Duration::from_secs(60);

/// The errors that a client reports of itself. The library repeats those of its connections for as
/// long as a broker is away, for each broker and each try.
#[derive(Debug)]
pub struct ClientErrors {
    client: &'static str,
    is_away: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    away_since: Option<Instant>,
    probed: Option<Instant>,
    broker_told: Option<Instant>,
}

/// Whether an error is that of a connection, which the library makes again by itself.
#[must_use]
pub fn is_outage(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(is_outage_code)
}

fn is_outage_code(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
    )
}

/// What an error is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The first of an outage.
    Away,
    /// One broker, for the first time in a while.
    Broker,
    /// What was told already.
    Again,
    /// Anything else.
    Error,
}

impl ClientErrors {
    /// Those of a client; the name is for the log.
    #[must_use]
    pub fn new(client: &'static str) -> Self {
        Self {
            client,
            is_away: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Logs an error. The end of a partition is none: with `enable.partition.eof=true` the library
    /// tells that as an error each time, although it is what such a consumer waits for.
    pub fn log(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        let client = self.client;
        match self.note(code, Instant::now()) {
            Told::Away => warn!(
                client,
                reason, "no broker of Kafka can be reached; the client connects again by itself"
            ),
            Told::Broker => warn!(%error, reason, client, "a broker of Kafka cannot be reached"),
            Told::Again => debug!(%error, reason, client, "Kafka is still away"),
            Told::Error => warn!(%error, reason, client, "the Kafka client reports an error"),
        }
    }

    fn note(&self, code: Option<RDKafkaErrorCode>, now: Instant) -> Told {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match code {
            Some(RDKafkaErrorCode::AllBrokersDown) if state.away_since.is_none() => {
                state.away_since = Some(now);
                self.is_away.store(true, Ordering::Release);
                Told::Away
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => Told::Again,
            Some(code) if is_outage_code(code) => {
                let told = state.broker_told;
                let lately = told.is_some_and(|told| now - told < BROKER_INTERVAL);
                if state.away_since.is_some() || lately {
                    return Told::Again;
                }
                state.broker_told = Some(now);
                Told::Broker
            }
            _ => Told::Error,
        }
    }

    /// Kafka has answered: an outage is over. Cheap where there was none.
    pub fn answered(&self) {
        if !self.is_away.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_away.store(false, Ordering::Release);
        if let Some(since) = state.away_since.take() {
            let away = since.elapsed();
            info!(client = self.client, ?away, "Kafka can be reached again");
        }
    }

    /// During an outage, asks now and then whether it is over, for a consumer that may have nothing
    /// to read.
    pub fn probe<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>, topic: &str) {
        if !self.is_away.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state
                .probed
                .is_some_and(|probed| now - probed < PROBE_INTERVAL)
            {
                return;
            }
            state.probed = Some(now);
        }
        if consumer.fetch_metadata(Some(topic), PROBE_TIMEOUT).is_ok() {
            self.answered();
        }
    }
}

/// Logs a line of the library. Those of each connection that fails are for `debug`: what matters of
/// them is told by [`ClientErrors`], once.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    if facility == "FAIL" {
        debug!(target: "librdkafka", "{facility} {line}");
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => error!(target: "librdkafka", "{facility} {line}"),
        RDKafkaLogLevel::Warning => warn!(target: "librdkafka", "{facility} {line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            info!(target: "librdkafka", "{facility} {line}");
        }
        RDKafkaLogLevel::Debug => debug!(target: "librdkafka", "{facility} {line}"),
    }
}

/// The callbacks of a consumer that reads partitions to their ends.
#[derive(Debug)]
pub struct IgnorePartitionEof {
    /// What the consumer reports.
    pub errors: ClientErrors,
}

impl IgnorePartitionEof {
    /// Those of a consumer; what it reads is for the log.
    #[must_use]
    pub fn new(reader: &'static str) -> Self {
        Self {
            errors: ClientErrors::new(reader),
        }
    }
}

impl ClientContext for IgnorePartitionEof {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }
}

impl ConsumerContext for IgnorePartitionEof {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_once_more_when_it_is_over() {
        use RDKafkaErrorCode as Code;
        let errors = ClientErrors::new("a test");
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let note = |code, seconds| errors.note(Some(code), at(seconds));
        assert_eq!(note(Code::BrokerTransportFailure, 0), Told::Broker);
        assert_eq!(note(Code::AllBrokersDown, 0), Told::Away);
        for seconds in 1..300 {
            assert_eq!(note(Code::AllBrokersDown, seconds), Told::Again);
            assert_eq!(note(Code::BrokerTransportFailure, seconds), Told::Again);
        }
        assert_eq!(note(Code::GroupAuthorizationFailed, 300), Told::Error);
        assert!(errors.is_away.load(Ordering::Acquire));
        errors.answered();
        assert!(!errors.is_away.load(Ordering::Acquire));
        assert_eq!(note(Code::AllBrokersDown, 301), Told::Away);
    }

    #[test]
    fn a_broker_of_several_that_is_away_is_told_of_now_and_then() {
        let errors = ClientErrors::new("a test");
        let start = Instant::now();
        let told = (0..180).filter(|seconds| {
            let now = start + Duration::from_secs(*seconds);
            let code = Some(RDKafkaErrorCode::BrokerTransportFailure);
            // The others answer meanwhile.
            errors.answered();
            errors.note(code, now) == Told::Broker
        });
        assert_eq!(told.count(), 3);
    }
}
