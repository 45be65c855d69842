//! What a client's errors say in the log: an outage is told once, and once more when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

use crate::cause::{SettingsOf, explain};
use crate::login::{KafkaClient, create};

/// How often Kafka is asked whether it is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(100);
/// For so long no broker can be reached before a status tells of it: the library is often back
/// within the moment.
const TROUBLE_AFTER: Duration = Duration::from_secs(1);
/// One broker of several may come and go: it is told of this often at most.
const BROKER_INTERVAL: Duration = Duration::from_secs(60);

/// The errors that a client reports of itself. The library repeats those of its connections for as
/// long as a broker is away, for each broker and each try.
#[derive(Debug)]
pub struct ClientErrors {
    client: &'static str,
    settings: SettingsOf,
    /// Whether errors are only kept, for whoever asks for their cause and tells it.
    is_silent: bool,
    /// Whether there is anything to tell or to ask: no broker answers, or one refuses the client.
    is_away: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    away_since: Option<Instant>,
    /// Since when a broker has refused the client: its login, or the way that it speaks.
    refused_since: Option<Instant>,
    probed: Option<Instant>,
    broker_told: Option<Instant>,
    /// What was wrong last, in plain words.
    cause: Option<String>,
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

/// Whether an error says that a broker does not let the client in. The library tries again, and the
/// answer stays the same until somebody changes a setting.
fn is_refusal_code(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::BadMessage
    )
}

/// What an error is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The first of an outage.
    Away,
    /// One broker, for the first time in a while.
    Broker,
    /// A broker does not let the client in, for the first time in a while.
    Refused,
    /// What was told already.
    Again,
    /// Anything else.
    Error,
}

impl ClientErrors {
    /// Those of a client with the worker's settings; the name is for the log.
    #[must_use]
    pub fn new(client: &'static str) -> Self {
        Self::with_settings(client, SettingsOf::Worker)
    }

    /// Those of a client whose settings stand there.
    #[must_use]
    pub fn with_settings(client: &'static str, settings: SettingsOf) -> Self {
        Self {
            client,
            settings,
            is_silent: false,
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
        let cause = code.filter(|code| is_outage_code(*code) || is_refusal_code(*code));
        let cause =
            cause.filter(|code| *code != RDKafkaErrorCode::AllBrokersDown && !reason.is_empty());
        if let Some(code) = cause {
            let cause = explain(code, reason, self.settings);
            self.state().cause = Some(cause);
        }
        let told = self.note(code, Instant::now());
        if self.is_silent {
            return;
        }
        let cause = self.state().cause.clone();
        let cause = cause.unwrap_or_else(|| reason.to_owned());
        match told {
            Told::Away => warn!(
                client,
                cause, "no broker of Kafka can be reached; the client connects again by itself"
            ),
            Told::Broker => warn!(client, cause, "a broker of Kafka cannot be reached"),
            Told::Refused => warn!(
                client,
                cause, "a broker of Kafka does not let the client in"
            ),
            Told::Again => debug!(%error, reason, client, "Kafka is still away"),
            Told::Error => warn!(%error, reason, client, "the Kafka client reports an error"),
        }
    }

    /// Logs a line of the library. Of a connection that fails it may be all that tells why: where a
    /// broker closes it, the library reports no error.
    pub fn log_line(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if facility == "FAIL" {
            let line = line.strip_prefix("[thrd:").unwrap_or(line);
            let reason = line.split_once("]: ").map_or(line, |(_, reason)| reason);
            let code = RDKafkaErrorCode::BrokerTransportFailure;
            self.state().cause = Some(explain(code, reason, self.settings));
        }
        log_line(level, facility, line);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps the client from Kafka, in plain words: no broker could be reached for a second,
    /// or one does not let the client in. None: nothing is known to. Cheap where there is nothing.
    pub fn trouble(&self) -> Option<String> {
        if !self.is_away.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state();
        let lasts = |since: Instant| since.elapsed() >= TROUBLE_AFTER;
        if state.refused_since.is_none() && !state.away_since.is_some_and(lasts) {
            return None;
        }
        let cause = state.cause.as_deref();
        Some(
            cause
                .unwrap_or("no broker of Kafka can be reached; check bootstrap.servers")
                .to_owned(),
        )
    }

    /// What was wrong last, also with one broker of several.
    pub fn cause(&self) -> Option<String> {
        self.state().cause.clone()
    }

    fn note(&self, code: Option<RDKafkaErrorCode>, now: Instant) -> Told {
        let mut state = self.state();
        match code {
            Some(code) if is_refusal_code(code) => {
                self.is_away.store(true, Ordering::Release);
                let lately = state
                    .refused_since
                    .is_some_and(|told| now - told < BROKER_INTERVAL);
                if !lately {
                    state.refused_since = Some(now);
                }
                match lately {
                    true => Told::Again,
                    false => Told::Refused,
                }
            }
            // The brokers are there: it is told why they cannot be used.
            Some(RDKafkaErrorCode::AllBrokersDown) if state.refused_since.is_some() => Told::Again,
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
        let mut state = self.state();
        self.is_away.store(false, Ordering::Release);
        state.cause = None;
        let refused = state.refused_since.take();
        if let Some(since) = state.away_since.take().or(refused) {
            let away = since.elapsed();
            info!(client = self.client, ?away, "Kafka can be reached again");
        }
    }

    /// During an outage, asks now and then whether it is over, for a consumer that may have nothing
    /// to read. Without a topic it asks for all of them.
    pub fn probe<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>, topic: Option<&str>) {
        if !self.is_away.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        {
            let mut state = self.state();
            if state
                .probed
                .is_some_and(|probed| now - probed < PROBE_INTERVAL)
            {
                return;
            }
            state.probed = Some(now);
        }
        if consumer.fetch_metadata(topic, PROBE_TIMEOUT).is_ok() {
            self.answered();
        }
    }
}

/// Logs a line of the library. Those of each connection that fails are for `debug`: what matters of
/// them is told by [`ClientErrors`], once.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, line: &str) {
    if facility == "FAIL" || is_of_a_former_generation(facility, line) {
        debug!(target: "librdkafka", "{facility} {line}");
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => error!(target: "librdkafka", "{facility} {line}"),
        RDKafkaLogLevel::Warning => warn!(target: "librdkafka", "{facility} {line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            debug!(target: "librdkafka", "{facility} {line}");
        }
    }
}

/// Whether a group has refused offsets because its members have changed meanwhile, as whenever the
/// tasks of a connector start one after the other. Whoever commits finds out, and commits or reads
/// them again; of a transaction that fails for it, its task tells.
fn is_of_a_former_generation(facility: &str, line: &str) -> bool {
    // The library's texts of ILLEGAL_GENERATION and REBALANCE_IN_PROGRESS.
    let refusals = [
        "Specified group generation id is not valid",
        "Group rebalance in progress",
    ];
    matches!(facility, "COMMITFAIL" | "TXNERR") && refusals.iter().any(|text| line.contains(text))
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

    /// Those of a consumer that asks Kafka something, for one who tells what keeps it from an
    /// answer: nothing is logged.
    #[must_use]
    pub fn asking(settings: SettingsOf) -> Self {
        let mut errors = ClientErrors::with_settings("a client that asks", settings);
        errors.is_silent = true;
        Self { errors }
    }
}

impl ClientContext for IgnorePartitionEof {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.errors.log_line(level, facility, line);
    }
}

impl ConsumerContext for IgnorePartitionEof {}

/// Why Kafka cannot be reached with these settings, in plain words; none: it can, or nothing is
/// known. For clients that tell a failure alone, as those that make topics do. Blocks for `limit`,
/// or until the cause is known.
pub fn unreachable_because(
    config: &ClientConfig,
    settings: SettingsOf,
    limit: Duration,
) -> Option<String> {
    let mut config = config.clone();
    // The library asks for a group even where none is joined.
    config
        .set("group.id", "ferrule-probe")
        .set("enable.auto.commit", "false")
        .remove("group.instance.id");
    let context = IgnorePartitionEof::asking(settings);
    let consumer: KafkaClient<BaseConsumer<IgnorePartitionEof>> = create(&config, context).ok()?;
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if consumer.client().fetch_cluster_id(PROBE_TIMEOUT).is_some() {
            return None;
        }
        if let Some(cause) = told_by(&consumer) {
            return Some(cause);
        }
    }
    None
}

/// What a consumer that reads nothing yet has to tell of its connections.
pub fn told_by(consumer: &BaseConsumer<IgnorePartitionEof>) -> Option<String> {
    // Its errors wait for a poll.
    while consumer.poll(Duration::from_millis(1)).is_some() {}
    consumer.context().errors.cause()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_code(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::Global(code)
    }

    #[test]
    fn a_refused_login_is_told_at_once_and_until_kafka_answers() {
        let errors = ClientErrors::new("a test");
        assert_eq!(errors.trouble(), None);
        let reason = "sasl_plaintext://kafka:9094/bootstrap: SASL authentication error: no \
                      (after 3ms in state AUTH_REQ)";
        errors.log(&of_code(RDKafkaErrorCode::Authentication), reason);
        let all_down = "1/1 brokers are down";
        errors.log(&of_code(RDKafkaErrorCode::AllBrokersDown), all_down);
        let trouble = errors.trouble().unwrap_or_default();
        assert!(
            trouble.contains("kafka:9094 refuses the login"),
            "{trouble}"
        );
        assert!(trouble.contains("sasl.jaas.config"), "{trouble}");
        errors.answered();
        assert_eq!((errors.trouble(), errors.cause()), (None, None));
    }

    #[test]
    fn an_outage_has_the_cause_that_a_broker_told() {
        let errors = ClientErrors::new("a test");
        let reason = "kafka:9092/bootstrap: Connect to ipv4#1.2.3.4:9092 failed: Connection \
                      refused (after 0ms in state CONNECT)";
        errors.log(&of_code(RDKafkaErrorCode::BrokerTransportFailure), reason);
        // One broker of several may be away.
        assert_eq!(errors.trouble(), None);
        errors.log(
            &of_code(RDKafkaErrorCode::AllBrokersDown),
            "3/3 brokers are down",
        );
        assert_eq!(errors.trouble(), None, "it is not away for a second");
        errors.state().away_since = Instant::now().checked_sub(TROUBLE_AFTER);
        let trouble = errors.trouble().unwrap_or_default();
        assert!(
            trouble.starts_with("nothing listens at kafka:9092"),
            "{trouble}"
        );
    }

    #[test]
    fn offsets_of_a_former_generation_are_no_news() {
        let refused = "[thrd:main]: Offset commit (manual) failed for 1/1 partition(s) in \
                       join-state wait-metadata: Broker: Specified group generation id is not \
                       valid: t[3]@4680";
        assert!(is_of_a_former_generation("COMMITFAIL", refused));
        let moving = refused.replace(
            "Specified group generation id is not valid",
            "Group rebalance in progress",
        );
        assert!(is_of_a_former_generation("COMMITFAIL", &moving));
        assert!(!is_of_a_former_generation("FATAL", refused));
        let too_large = "Offset commit (manual) failed for 1/1 partition(s): Broker: Offset \
                         metadata too large";
        assert!(!is_of_a_former_generation("COMMITFAIL", too_large));
    }

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
