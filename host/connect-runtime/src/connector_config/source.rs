//! The options that sources have beside those of all connectors: the creation of topics (KIP-158)
//! and exactly-once support (KIP-618).

use std::time::Duration;

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType as T, Error, ExactlyOnceSupport, Importance,
    Properties, Result, SourceConnector, Validator, Width,
};

use super::Values;
use crate::config::{ExactlyOnceWorker, WorkerConfig, with_prefix};
use crate::source_task::{SourceDelivery, TransactionBoundary};

const TOPICS: &str = "Topic Creation";
const EXACTLY_ONCE: &str = "Exactly Once Support";

const TOPIC_GROUPS: &str = "topic.creation.groups";
const DEFAULT_GROUP: &str = "topic.creation.default.";
const REPLICATION_FACTOR: &str = "topic.creation.default.replication.factor";
const PARTITIONS: &str = "topic.creation.default.partitions";
const SUPPORT: &str = "exactly.once.support";
const BOUNDARY: &str = "transaction.boundary";
const BOUNDARY_INTERVAL: &str = "transaction.boundary.interval.ms";
const OFFSETS_TOPIC: &str = "offsets.storage.topic";

/// `exactly.once.support`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SupportLevel {
    /// Exactly once where the connector and the worker can.
    Requested,
    /// A config is refused where they cannot.
    Required,
}

impl Choice for SupportLevel {
    const WORDS: &'static [(&'static str, Self)] =
        &[("requested", Self::Requested), ("required", Self::Required)];
}

/// `transaction.boundary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    /// The records of a poll are a transaction.
    Poll,
    /// A transaction is committed by time.
    Interval,
    /// The connector decides.
    Connector,
}

impl Choice for Boundary {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("poll", Self::Poll),
        ("interval", Self::Interval),
        ("connector", Self::Connector),
    ];
}

/// How a source creates topics, as its config says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// Partitions; -1: as the broker's default.
    pub partitions: i32,
    /// Replicas; -1: as the broker's default.
    pub replication_factor: i32,
    /// Settings of topics.
    pub settings: Properties,
}

/// The options of a source, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// How records and offsets are written.
    pub delivery: SourceDelivery,
    /// None: topics that are missing are left to the broker.
    pub topics: Option<TopicDefaults>,
}

pub(super) fn source_options() -> Vec<ConfigKey> {
    let topic =
        |key: ConfigKey, width, display: &'static str| key.group(TOPICS).display(width, display);
    let count = |name: &'static str, kind, what: &str| {
        let doc = format!(
            "{what} of topics that are created for the connector; -1: as the broker's default. \
             Without it, topics that are missing are left to the broker."
        );
        ConfigKey::nullable(name, kind, doc).validator(Validator::Check(positive_or_default))
    };
    let mut keys = vec![
        topic(
            ConfigKey::new(
                TOPIC_GROUPS,
                T::List,
                "",
                "Groups of configurations for topics created by source connectors. Only the group \
                 default is supported.",
            )
            .importance(Importance::Low),
            Width::Long,
            "Topic Creation Groups",
        ),
        topic(
            count(REPLICATION_FACTOR, T::Short, "Replicas"),
            Width::Long,
            "Replication Factor for Topics in default",
        ),
        topic(
            count(PARTITIONS, T::Int, "Partitions"),
            Width::Long,
            "Partition Count for Topics in default",
        ),
    ];
    keys.extend(exactly_once());
    keys
}

fn exactly_once() -> Vec<ConfigKey> {
    let exact = |key: ConfigKey, width, display: &'static str| {
        key.group(EXACTLY_ONCE).display(width, display)
    };
    vec![
        exact(
            ConfigKey::choice(
                SUPPORT,
                SupportLevel::Requested,
                "Whether the connector must deliver exactly once: with required, a config is \
                 refused where the worker or the connector does not support it.",
            )
            .order(2),
            Width::Short,
            "Exactly once support",
        ),
        exact(
            ConfigKey::choice(
                BOUNDARY,
                Boundary::Poll,
                "Where transactions end, with exactly-once support: poll, with each batch of the \
                 task, or interval, by time. No connector of this worker supports connector.",
            ),
            Width::Short,
            "Transaction Boundary",
        ),
        exact(
            ConfigKey::nullable(
                BOUNDARY_INTERVAL,
                T::Long,
                "Milliseconds between the ends of transactions, for transaction.boundary=interval. \
                 Default: the worker's offset.flush.interval.ms.",
            )
            .validator(Validator::AtLeast(1))
            .importance(Importance::Low),
            Width::Short,
            "Transaction boundary interval",
        ),
        ConfigKey::nullable(
            OFFSETS_TOPIC,
            T::String,
            "A topic for the offsets of this connector alone. It is not supported: offsets are kept \
             in the worker's offset.storage.topic.",
        )
        .importance(Importance::Low)
        .group("offsets.topic")
        .display(Width::Long, "Offsets topic"),
    ]
}

fn positive_or_default(text: &str) -> std::result::Result<(), String> {
    match text.parse() {
        Ok(-1 | 1..=i64::MAX) => Ok(()),
        _ => Err("Value must be -1 or at least 1".into()),
    }
}

impl SourceConfig {
    /// Of a config with what its config providers gave.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the option at fault.
    pub fn resolve(worker: &WorkerConfig, properties: &Properties) -> Result<Self> {
        let config = ConfigDef::new(source_options()).parse(properties)?;
        let flush = worker.offset_flush_interval();
        let interval = config.optional_integer(BOUNDARY_INTERVAL);
        let interval = interval.map_or(flush, |ms| Duration::from_millis(ms.unsigned_abs()));
        let delivery = match (worker.exactly_once_source(), config.choice(BOUNDARY)) {
            (ExactlyOnceWorker::Disabled | ExactlyOnceWorker::Preparing, _) => {
                SourceDelivery::AtLeastOnce(flush)
            }
            (ExactlyOnceWorker::Enabled, Boundary::Poll) => {
                SourceDelivery::ExactlyOnce(TransactionBoundary::Poll)
            }
            (ExactlyOnceWorker::Enabled, Boundary::Interval) => {
                SourceDelivery::ExactlyOnce(TransactionBoundary::Interval(interval))
            }
            (ExactlyOnceWorker::Enabled, Boundary::Connector) => {
                return Err(Error::config(format!(
                    "{BOUNDARY}: {NO_CONNECTOR_BOUNDARY}"
                )));
            }
        };
        let topics = topic_defaults(&config, properties).filter(|_| worker.creates_topics());
        Ok(Self { delivery, topics })
    }
}

fn topic_defaults(config: &Config, properties: &Properties) -> Option<TopicDefaults> {
    let count = |key| i32::try_from(config.optional_integer(key)?).ok();
    let mut settings = with_prefix(properties, DEFAULT_GROUP);
    settings.retain(|key, _| !matches!(key.as_str(), "partitions" | "replication.factor"));
    Some(TopicDefaults {
        partitions: count(PARTITIONS)?,
        replication_factor: count(REPLICATION_FACTOR)?,
        settings,
    })
}

/// Kafka Connect's text.
const NO_CONNECTOR_BOUNDARY: &str = "The connector does not support connector-defined transaction \
     boundaries. Please reconfigure it to use another transaction boundary definition.";

/// Adds what no single option can tell.
pub(super) fn check(
    worker: &WorkerConfig,
    source: &dyn SourceConnector,
    config: &Properties,
    values: &mut Values,
) {
    let options = ConfigDef::new(source_options()).parse_valid(config);
    if options.optional_choice(SUPPORT) == Some(SupportLevel::Required) {
        if worker.exactly_once_source() != ExactlyOnceWorker::Enabled {
            let why = "This worker does not have exactly-once source support enabled.";
            values.add(SUPPORT, why.into());
        }
        // A config that cannot be parsed has errors of its own.
        let own = source.config_def().parse(&source.normalise(config));
        if own.is_ok_and(|own| source.exactly_once_support(&own) != ExactlyOnceSupport::Supported) {
            let why = "The connector does not support exactly-once semantics with the provided \
                       configuration.";
            values.add(SUPPORT, why.into());
        }
    }
    if options.optional_choice(BOUNDARY) == Some(Boundary::Connector) {
        values.add(BOUNDARY, NO_CONNECTOR_BOUNDARY.into());
    }
    if options.optional_text(OFFSETS_TOPIC).is_some() {
        let why = "A topic for the offsets of one connector is not supported: they are kept in the \
                   worker's offset.storage.topic.";
        values.add(OFFSETS_TOPIC, why.into());
    }
    if options.list(TOPIC_GROUPS).iter().any(|g| g != "default") {
        let why = format!("Only the group default is supported: set {DEFAULT_GROUP}*.");
        values.add(TOPIC_GROUPS, why);
    }
    if config.keys().any(|key| key.starts_with(DEFAULT_GROUP)) {
        for key in [PARTITIONS, REPLICATION_FACTOR] {
            if !config.contains_key(key) {
                let why =
                    format!("Missing required configuration \"{key}\" which has no default value.");
                values.add(key, why);
            }
        }
    }
}
