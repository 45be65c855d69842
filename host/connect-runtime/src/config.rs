//! The worker's configuration: as given, then resolved.

mod definition;
mod environment;
mod listeners;
mod override_policy;
mod properties;
mod rest;
mod topics;
mod unused;

use std::path::PathBuf;
use std::time::Duration;

use connect_api::{Config, Error, MemoryLimit, Properties, Result};
use connect_kafka::{TOKEN_ENDPOINT, client_config, has_no_effect};
use connect_wasm::{CompileLimits, WasmLimits};
use tracing::warn;

use crate::config_provider::ConfigProviders;
use crate::task_restart::RestartPolicy;

pub use definition::{ExactlyOnceWorker, config_def};
pub use environment::properties as environment_properties;
pub use listeners::{Listener, Scheme};
pub use override_policy::OverridePolicy;
pub use properties::parse as parse_properties;
pub use rest::{AdminListeners, AllowedHosts, RestConfig};
pub use unused::{UnknownOption, UnusedOptions};

/// What the settings of the worker's clients begin with.
const CLIENT_PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

/// A topic in which the worker keeps something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageTopic {
    /// Its name.
    pub name: String,
    /// Its partitions, when it is created.
    pub partitions: i32,
    /// Its replicas, when it is created.
    pub replication_factor: i32,
    /// The option that says how many.
    pub replication_option: String,
    /// The option that names it.
    pub option: String,
    /// Its other settings, when it is created.
    pub settings: Properties,
}

/// The worker's configuration, resolved.
#[derive(Debug)]
pub struct WorkerConfig {
    config: Config,
    properties: Properties,
    providers: ConfigProviders,
    rest: RestConfig,
    advertised: String,
    policy: OverridePolicy,
}

/// How a worker that is gone is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipSettings {
    /// How long it may give no sign of life.
    pub session_timeout: Duration,
    /// How often it gives one.
    pub heartbeat_interval: Duration,
}

impl WorkerConfig {
    /// Resolves the properties: config providers, defaults, addresses.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] with everything that is wrong.
    pub fn new(given: &Properties) -> Result<Self> {
        let providers = ConfigProviders::new(given)?;
        let properties = providers.resolve(given)?;
        let config = parsed(&properties)?;
        warn_of_unknown(&properties);
        let rest = RestConfig::new(&config, &properties)?;
        let advertised = listeners::advertised(&config, &rest.listeners)?;
        let policy = OverridePolicy::new(&config);
        let worker = Self {
            config,
            properties,
            providers,
            rest,
            advertised,
            policy,
        };
        worker.check_clients()?;
        worker.warn_of_missing_folders();
        Ok(worker)
    }

    /// The name of the group of workers.
    pub fn group_id(&self) -> &str {
        self.config.text("group.id")
    }

    /// Where and how the REST API is served.
    pub fn rest(&self) -> &RestConfig {
        &self.rest
    }

    /// What statuses call this worker: host:port.
    pub fn worker_id(&self) -> &str {
        &self.advertised
    }

    /// `plugin.path`.
    pub fn plugin_path(&self) -> Vec<PathBuf> {
        self.config
            .list("plugin.path")
            .iter()
            .map(PathBuf::from)
            .collect()
    }

    /// Where compiled plugins are kept.
    pub fn plugin_cache(&self) -> Option<PathBuf> {
        self.config
            .optional_text("ferrule.plugin.cache.path")
            .map(PathBuf::from)
    }

    /// How the workers of a group notice that one is gone.
    pub fn membership(&self) -> MembershipSettings {
        MembershipSettings {
            session_timeout: self.millis("session.timeout.ms"),
            heartbeat_interval: self.millis("heartbeat.interval.ms"),
        }
    }

    /// How often offsets are committed to Kafka, at least.
    pub fn offset_flush_interval(&self) -> Duration {
        self.millis("offset.flush.interval.ms")
    }

    /// Whether sources write transactions.
    pub fn exactly_once_source(&self) -> ExactlyOnceWorker {
        self.config.choice("exactly.once.source.support")
    }

    /// Whether topics are created where a source's config says how.
    pub fn creates_topics(&self) -> bool {
        self.config.flag("topic.creation.enable")
    }

    /// Whether the worker creates the topics in which it keeps what it knows (KIP-1209).
    pub fn creates_internal_topics(&self) -> bool {
        self.config
            .flag("internal.topics.automatic.creation.enable")
    }

    /// What all tasks together have to end.
    pub fn shutdown_timeout(&self) -> Duration {
        self.millis("task.shutdown.graceful.timeout.ms")
    }

    /// When failed tasks are started again, for connectors that do not say.
    pub fn task_restart(&self) -> RestartPolicy {
        RestartPolicy::of_worker(&self.config)
    }

    fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(self.config.integer(key).unsigned_abs())
    }

    /// Bytes of records that one task may hold.
    pub fn task_buffer_bytes(&self) -> usize {
        let bytes = self.config.integer("ferrule.task.buffer.bytes");
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// What the data of one record may take, of memory.
    pub fn record_memory(&self) -> MemoryLimit {
        let bytes = self.config.integer(MemoryLimit::OPTION);
        MemoryLimit(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The worker's converter and its options, for connectors that name none.
    pub fn converter(&self, key: &str) -> (&str, Properties) {
        (
            self.config.text(key),
            with_prefix(&self.properties, &format!("{key}.")),
        )
    }

    /// The config providers.
    pub fn providers(&self) -> &ConfigProviders {
        &self.providers
    }

    /// Which client settings a connector may override.
    pub fn override_policy(&self) -> &OverridePolicy {
        &self.policy
    }

    /// Whether the topics that a connector uses are shown.
    pub fn topic_tracking(&self) -> bool {
        self.config.flag("topic.tracking.enable")
    }

    /// Whether the topics that a connector uses may be reset.
    pub fn topic_tracking_reset(&self) -> bool {
        self.config.flag("topic.tracking.allow.reset")
    }

    /// What compiling one plugin may take.
    pub fn plugin_compile_limits(&self) -> CompileLimits {
        let limit = |name: &str| {
            let key = format!("ferrule.plugin.compile.{name}");
            self.config.integer(&key).unsigned_abs()
        };
        CompileLimits {
            memory_bytes: limit("memory.max.bytes"),
            timeout: Duration::from_millis(limit("timeout.ms")),
            ..CompileLimits::default()
        }
    }

    /// What a plugin may use up at most.
    pub fn plugin_limits(&self) -> WasmLimits {
        let limit = |name: &str| {
            let key = format!("ferrule.plugin.{name}");
            self.config.integer(&key).unsigned_abs()
        };
        WasmLimits {
            memory_bytes: limit("memory.max.bytes"),
            call_timeout: Duration::from_millis(limit("call.timeout.ms")),
            output_bytes: limit("output.max.bytes"),
            state_bytes: limit("state.max.bytes"),
        }
    }

    /// Whether the state of plugins is shown.
    pub fn shows_state(&self) -> bool {
        self.config.flag("ferrule.rest.state.enable")
    }

    /// A folder that is made later is looked into then; most that are not there are misspelt.
    fn warn_of_missing_folders(&self) {
        for folder in self.plugin_path() {
            let path = std::path::absolute(&folder).unwrap_or(folder);
            if let Err(cause) = std::fs::read_dir(&path) {
                let folder = path.display();
                warn!(%folder, %cause, "plugin.path names a folder that cannot be read: no plugin is found there");
            }
        }
    }

    /// A setting that no client may have is known before the first one is made.
    fn check_clients(&self) -> Result<()> {
        for prefix in CLIENT_PREFIXES {
            let checked = client_config(&self.client_properties(prefix)).map(drop);
            checked.map_err(|e| e.context(format!("{prefix}*")))?;
            let url = self.client_properties(prefix).remove(TOKEN_ENDPOINT);
            if let Some(why) = url.and_then(|url| self.token_refusal(&url)) {
                return Err(Error::config(format!("{TOKEN_ENDPOINT}: {why}")));
            }
        }
        for key in self.client_settings_without_effect() {
            warn!(key, "the setting has no effect");
        }
        Ok(())
    }

    /// The settings of clients that only Java's have, with the prefix that they are given with.
    pub fn client_settings_without_effect(&self) -> Vec<String> {
        let mut found = Vec::new();
        for prefix in CLIENT_PREFIXES {
            let properties = self.client_properties(prefix);
            for key in properties.keys().filter(|key| has_no_effect(key)) {
                let prefixed = format!("{prefix}{key}");
                let given = match self.properties.contains_key(&prefixed) {
                    true => prefixed,
                    false => key.clone(),
                };
                if !found.contains(&given) {
                    found.push(given);
                }
            }
        }
        found
    }

    /// `bootstrap.servers`, with commas between.
    pub fn bootstrap_servers(&self) -> String {
        self.config.list("bootstrap.servers").join(",")
    }

    /// The settings of a client, in Java's names: those that stand without a prefix, and over
    /// them those with the prefix (`consumer.`, `producer.`, `admin.`). Kafka Connect leaves the
    /// first out for the clients of connectors, which nobody expects.
    pub fn client_properties(&self, prefix: &str) -> Properties {
        let plain = |key: &str| {
            definition::CLIENT_KEYS.contains(&key)
                || key.starts_with("ssl.")
                || key.starts_with("sasl.")
        };
        let mut properties: Properties = self
            .properties
            .iter()
            .filter(|(key, _)| plain(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        properties.insert("bootstrap.servers".into(), self.bootstrap_servers());
        // Not `producer.override.…`: that is a connector's.
        let mut own = with_prefix(&self.properties, prefix);
        // `admin.listeners` is the REST API's, and no setting of an admin client.
        own.retain(|key, _| key != "listeners" && !key.starts_with("listeners."));
        properties.extend(own);
        // A server's, and so the REST API's.
        properties.remove("ssl.client.auth");
        properties
    }
}

/// The options, or everything that is wrong with them, each on a line of its own.
fn parsed(properties: &Properties) -> Result<Config> {
    let definition = config_def();
    let values = definition.validate(properties);
    let wrong: Vec<String> = values.into_iter().flat_map(|value| value.errors).collect();
    if wrong.is_empty() {
        return definition.parse(properties);
    }
    Err(Error::config(match wrong.len() {
        1 => wrong.concat(),
        count => format!(
            "{count} of the worker's properties:\n    {}",
            wrong.join("\n    ")
        ),
    }))
}

/// The properties that begin with the prefix, without it.
pub fn with_prefix(properties: &Properties, prefix: &str) -> Properties {
    let stripped = |(key, value): (&String, &String)| {
        Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))
    };
    properties.iter().filter_map(stripped).collect()
}

fn warn_of_unknown(properties: &Properties) {
    let UnusedOptions {
        without_effect,
        unknown,
    } = UnusedOptions::of(properties);
    for UnknownOption { key, meant } in unknown {
        match meant {
            Some(meant) => warn!(key, "unknown option; did you mean {meant}?"),
            None => warn!(key, "unknown option"),
        }
    }
    if !without_effect.is_empty() {
        let keys = without_effect.join(", ");
        warn!(keys, "these options of Kafka Connect have no effect here");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn minimal(more: &[(&str, &str)]) -> Properties {
        let base = [
            ("bootstrap.servers", "kafka:9092"),
            ("group.id", "workers"),
            ("config.storage.topic", "configs"),
            ("offset.storage.topic", "offsets"),
            ("status.storage.topic", "status"),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("value.converter.schemas.enable", "false"),
            ("listeners", "http://127.0.0.1:8083"),
        ];
        base.iter()
            .chain(more)
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect()
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = WorkerConfig::new(&Properties::new())
            .unwrap_err()
            .to_string();
        for key in ["group.id", "config.storage.topic", "key.converter"] {
            let text = format!("Missing required configuration \"{key}\"");
            assert!(error.contains(&text), "{error}");
        }
    }

    #[test]
    fn clients_inherit_plain_settings_and_their_prefix_wins() {
        let given = minimal(&[
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.pem", "x"),
            ("sasl.mechanism", "PLAIN"),
            ("consumer.sasl.mechanism", "SCRAM-SHA-256"),
            ("consumer.max.poll.records", "7"),
        ]);
        let config = WorkerConfig::new(&given).unwrap();
        let consumer = config.client_properties("consumer.");
        let get = |key: &str| consumer.get(key).map(String::as_str);
        assert_eq!(get("bootstrap.servers"), Some("kafka:9092"));
        assert_eq!(get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(get("sasl.mechanism"), Some("SCRAM-SHA-256"));
        assert_eq!(get("max.poll.records"), Some("7"));
        assert_eq!(get("group.id"), None);
        assert_eq!(
            config.client_properties("admin.")["sasl.mechanism"],
            "PLAIN"
        );
    }

    #[test]
    fn storage_topics_are_compacted_and_take_their_settings() {
        let given = minimal(&[
            ("config.storage.replication.factor", "-1"),
            ("config.storage.segment.bytes", "1000"),
            ("config.storage.cleanup.policy", "delete"),
        ]);
        let topic = WorkerConfig::new(&given).unwrap().config_topic();
        assert_eq!((topic.partitions, topic.replication_factor), (1, -1));
        assert_eq!(topic.settings["cleanup.policy"], "compact");
        assert_eq!(topic.settings["segment.bytes"], "1000");
        assert_eq!(topic.settings.len(), 2);
    }

    #[test]
    fn the_advertised_address_is_the_worker_id() {
        let given = minimal(&[
            ("rest.advertised.host.name", "w1"),
            ("rest.advertised.port", "80"),
        ]);
        assert_eq!(WorkerConfig::new(&given).unwrap().worker_id(), "w1:80");
        assert_eq!(
            WorkerConfig::new(&minimal(&[])).unwrap().worker_id(),
            "127.0.0.1:8083"
        );
    }

    #[test]
    fn the_override_policy_has_kafka_connects_names() {
        let policy = |name: &str| {
            let given = minimal(&[
                ("connector.client.config.override.policy", name),
                ("connector.client.config.override.allowlist", "a,b"),
            ]);
            WorkerConfig::new(&given).map(|config| config.override_policy().clone())
        };
        let listed = OverridePolicy::Allowlist(["a".to_owned(), "b".to_owned()].into());
        for (name, expect) in [
            ("All", OverridePolicy::All),
            ("Principal", OverridePolicy::Principal),
            (
                "NoneConnectorClientConfigOverridePolicy",
                OverridePolicy::None,
            ),
            (
                "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy",
                listed,
            ),
        ] {
            assert_eq!(policy(name).unwrap(), expect, "{name}");
        }
        for unknown in [
            "all",
            "",
            "com.example.AllConnectorClientConfigOverridePolicy",
        ] {
            assert_eq!(
                policy(unknown).unwrap_err().to_string(),
                format!(
                    "Invalid value {unknown} for configuration \
                     connector.client.config.override.policy: String must be one of: All, None, \
                     Principal, Allowlist"
                )
            );
        }
    }
}
