//! How a command finds Kafka: by the options of Kafka's own tools, and the client settings that
//! a connector may have.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use connect_api::{Properties, mask};
use connect_kafka::{client_config, log_line};
use connect_runtime::config::parse_properties;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{DeliveryResult, ProducerContext};

const BOOTSTRAP: &str = "bootstrap.servers";
const USUAL: &str = "localhost:9092";

/// How long Kafka may take for its first answer, and how long one try of it is.
const ANSWER: Duration = Duration::from_secs(15);
const TRY: Duration = Duration::from_secs(1);
/// How long an address that refuses or has no name is tried: a broker may just be starting.
const REFUSED: Duration = Duration::from_secs(3);

/// Where Kafka is.
#[derive(Args, Clone, Debug)]
pub struct KafkaArgs {
    /// Where Kafka is; several with commas between. Without it: bootstrap.servers of
    /// --command-config, or localhost:9092.
    #[arg(long, value_name = "HOST:PORT", env = "KAFKA_BOOTSTRAP_SERVERS")]
    bootstrap_server: Option<String>,
    /// A properties file of client settings, as for Kafka's own tools: security.protocol,
    /// sasl.jaas.config, ssl.truststore.location and so on.
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,
}

impl KafkaArgs {
    /// The settings of a client, each one of the list that connectors may set, too.
    pub fn settings(&self) -> Result<Properties> {
        let mut properties = Properties::new();
        if let Some(file) = &self.command_config {
            let name = || format!("--command-config {}", file.display());
            let text = std::fs::read_to_string(file).with_context(name)?;
            properties = parse_properties(&text).with_context(name)?;
        }
        if let Some(address) = &self.bootstrap_server {
            properties.insert(BOOTSTRAP.into(), address.clone());
        }
        properties
            .entry(BOOTSTRAP.into())
            .or_insert_with(|| USUAL.into());
        Ok(properties)
    }

    /// A client's settings as librdkafka has them, and what tells its errors.
    pub fn connect(&self, more: &Properties) -> Result<(ClientConfig, Connection)> {
        let mut settings = self.settings()?;
        settings.extend(more.clone());
        let address = settings.get(BOOTSTRAP).cloned().unwrap_or_default();
        let config = client_config(&settings).map_err(|error| {
            let whence = match &self.command_config {
                Some(file) => format!("a client setting, see {}", file.display()),
                None => "a client setting".into(),
            };
            anyhow!("{whence}: {}", mask(error.chain()))
        })?;
        let connection = Connection {
            address,
            last: Arc::default(),
        };
        Ok((config, connection))
    }
}

/// What a client says of its connections, so that an error can tell the cause.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `bootstrap.servers`.
    pub address: String,
    last: Arc<Mutex<Option<Complaint>>>,
}

#[derive(Clone, Debug)]
struct Complaint {
    code: Option<RDKafkaErrorCode>,
    reason: String,
}

impl Connection {
    /// Asks for the metadata of all topics; no topic comes into being by it. `poll` lets the client
    /// tell its errors, where nothing else does.
    pub fn metadata<C: ClientContext>(
        &self,
        client: &Client<C>,
        poll: impl Fn(),
    ) -> Result<Metadata> {
        let started = Instant::now();
        loop {
            let error = match client.fetch_metadata(None, TRY) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            poll();
            let limit = if self.is_refused() { REFUSED } else { ANSWER };
            if started.elapsed() >= limit {
                return Err(self.explain(&error));
            }
            // Some errors come at once.
            std::thread::sleep(TRY.saturating_sub(TRY / 2));
        }
    }

    /// An error of a request, with what the connection has said last.
    pub fn explain(&self, error: &KafkaError) -> anyhow::Error {
        let address = &self.address;
        let last = self.last();
        let told = last.as_ref().map(|it| it.reason.clone());
        let why = told.unwrap_or_else(|| match error.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => error.to_string(),
        });
        let why = mask(why);
        match last.and_then(|it| it.code) {
            Some(RDKafkaErrorCode::Authentication) => anyhow!(
                "Kafka at {address} refuses the login: {why}; see security.protocol and sasl.* of \
                 --command-config"
            ),
            Some(RDKafkaErrorCode::SSL) => anyhow!(
                "no TLS with Kafka at {address}: {why}; see security.protocol and ssl.* of \
                 --command-config"
            ),
            _ => anyhow!(
                "Kafka at {address} does not answer: {why}; is it running? Another address is \
                 given by --bootstrap-server"
            ),
        }
    }

    fn last(&self) -> Option<Complaint> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// Whether to wait is of little use.
    fn is_refused(&self) -> bool {
        self.last().is_some_and(|complaint| {
            let of_address = ["refused", "resolve"];
            let reason = complaint.reason.to_ascii_lowercase();
            let login = [RDKafkaErrorCode::Authentication, RDKafkaErrorCode::SSL];
            complaint.code.is_some_and(|code| login.contains(&code))
                || of_address.iter().any(|word| reason.contains(word))
        })
    }
}

impl ClientContext for Connection {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // It only sums up what was said before.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Complaint {
            code,
            reason: cause(reason).to_owned(),
        });
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }
}

impl ProducerContext for Connection {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What the client library says, without its counts and its own name of the broker:
/// `host:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms …)`.
fn cause(reason: &str) -> &str {
    let reason = reason
        .split_once(" (after ")
        .map_or(reason, |(cause, _)| cause);
    match reason.split_once(": ") {
        Some((broker, cause)) if broker.contains('/') && !broker.contains(' ') => cause,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_without_counts() {
        for (reason, expected) in [
            (
                "localhost:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused \
                 (after 0ms in state CONNECT)",
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
            (
                "nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not \
                 known (after 3ms in state CONNECT)",
                "Failed to resolve 'nowhere:9092': Name or service not known",
            ),
            ("anything else", "anything else"),
        ] {
            assert_eq!(cause(reason), expected);
        }
    }

    #[test]
    fn the_address_is_the_options_then_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("client.properties");
        std::fs::write(&file, "bootstrap.servers=other:1\nclient.id=me\n").unwrap();
        let args = |address: Option<&str>, file: Option<&PathBuf>| KafkaArgs {
            bootstrap_server: address.map(str::to_owned),
            command_config: file.cloned(),
        };
        let of = |args: KafkaArgs| args.settings().unwrap()[BOOTSTRAP].clone();
        assert_eq!(of(args(None, None)), "localhost:9092");
        assert_eq!(of(args(None, Some(&file))), "other:1");
        assert_eq!(of(args(Some("this:2"), Some(&file))), "this:2");
        std::fs::write(&file, "plugin.library.paths=/tmp/x.so\n").unwrap();
        let refused = args(None, Some(&file)).connect(&Properties::new());
        let told = refused.map(drop).unwrap_err().to_string();
        assert!(told.contains("plugin.library.paths"), "{told}");
    }
}
