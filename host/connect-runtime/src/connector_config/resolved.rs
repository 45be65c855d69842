//! The config of a connector as its tasks use it: parsed once, at the border, and passed on.

use connect_api::{Config, ConfigDef, Error, Properties, Result};

use super::definition::sink_config_def;
use super::overrides::{ClientOverrides, Refusal};
use super::routing::OutputTopics;
use super::source::SourceConfig;
use super::{bounds, naming};
use crate::config::{WorkerConfig, with_prefix};
use crate::config_provider::Provided;
use crate::connectors::RegisteredConnector;
use crate::errors::ErrorConfig;
use crate::plugins::Plugins;
use crate::task_restart::RestartPolicy;

/// What a sink's tasks subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// `topics`.
    Topics(Vec<String>),
    /// `topics.regex`, which matches whole names.
    Pattern(String),
}

impl Subscription {
    fn new(config: &Properties) -> Self {
        match config.get("topics.regex").filter(|p| !p.is_empty()) {
            Some(pattern) => Self::Pattern(pattern.clone()),
            None => Self::Topics(list(config, "topics")),
        }
    }
}

/// A class that a config names, with its own options.
#[derive(Clone, Debug)]
pub struct ClassConfig {
    /// The key that names it.
    pub key: String,
    /// The class, a short form of it, or the name of a WASM plugin.
    pub class: String,
    /// Its options, without the prefix that they have in the connector's config.
    pub options: Properties,
}

/// One transform of a config.
#[derive(Clone, Debug)]
pub struct TransformConfig {
    /// Its alias in `transforms`.
    pub alias: String,
    /// Its class or plugin.
    pub class: ClassConfig,
    /// The predicate that decides which records it gets.
    pub predicate: Option<PredicateConfig>,
    /// What config providers gave to its options; no log or error may show it (Invariant 9).
    pub secrets: Vec<String>,
}

/// The predicate of a transform.
#[derive(Clone, Debug)]
pub struct PredicateConfig {
    /// Its class.
    pub class: ClassConfig,
    /// Which records the transform gets.
    pub applies: Applies,
}

/// To which records a transform with a predicate applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// Those that the predicate holds for.
    WhereTrue,
    /// The others (`negate`).
    WhereFalse,
}

/// The classes that convert keys, values and headers.
#[derive(Clone, Debug)]
pub struct ConverterConfigs {
    /// `key.converter`.
    pub key: ClassConfig,
    /// `value.converter`.
    pub value: ClassConfig,
    /// `header.converter`.
    pub header: ClassConfig,
}

impl ConverterConfigs {
    /// The converters that a config names, each with its own options: one that is named starts from
    /// that converter's defaults. For a key that names none, `missing` gives class and options.
    ///
    /// # Errors
    /// What `missing` says.
    pub fn new<'a>(
        properties: &'a Properties,
        missing: impl Fn(&str) -> Result<(&'a str, Properties)>,
    ) -> Result<Self> {
        let converter = |key: &str| {
            let (class, options) = match properties.get(key) {
                Some(class) => (class.as_str(), with_prefix(properties, &format!("{key}."))),
                None => missing(key)?,
            };
            Ok(ClassConfig {
                key: key.to_owned(),
                class: class.trim().to_owned(),
                options,
            })
        };
        Ok(Self {
            key: converter("key.converter")?,
            value: converter("value.converter")?,
            header: converter("header.converter")?,
        })
    }
}

/// A connector's config: the stored one with what its config providers gave, parsed.
#[derive(Clone)]
pub struct ConnectorConfig {
    /// The connector's name.
    pub name: String,
    /// The connector.
    pub connector: RegisteredConnector,
    /// The connector's own options.
    pub own: Config,
    /// All of it, with what its config providers gave.
    pub properties: Properties,
    /// What a sink reads.
    pub subscription: Subscription,
    /// The consumer group of a sink's tasks.
    pub group_id: String,
    /// The converters: the connector's or the worker's.
    pub converters: ConverterConfigs,
    /// The transforms, in their order.
    pub transforms: Vec<TransformConfig>,
    /// The topics that plugins among them may route to.
    pub output_topics: OutputTopics,
    /// `errors.*`.
    pub errors: ErrorConfig,
    /// When a failed task is started again.
    pub restart: RestartPolicy,
    /// The settings of its Kafka clients.
    pub clients: ClientOverrides,
    /// The options that only sources have; none for a sink.
    pub source: Option<SourceConfig>,
}

impl ConnectorConfig {
    /// Resolves and parses a stored config. It may block on config providers.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the option at fault, or what a provider cannot
    /// read.
    pub fn resolve(
        plugins: &Plugins,
        worker: &WorkerConfig,
        name: &str,
        stored: &Properties,
    ) -> Result<Self> {
        bounds::check(name, stored)?;
        let (properties, provided) = worker.providers().provide(stored)?;
        // A key that a provider does not have yet is left as it stands.
        let is_complete = !properties.values().any(|v| worker.providers().provides(v));
        let given = Given {
            stored,
            properties,
            provided,
        };
        let parsed = Self::parse(plugins, worker, name, given);
        parsed.map_err(|error| match is_complete {
            true => error,
            false => error.transient(),
        })
    }

    fn parse(
        plugins: &Plugins,
        worker: &WorkerConfig,
        name: &str,
        given: Given<'_>,
    ) -> Result<Self> {
        let Given {
            stored,
            properties,
            provided,
        } = given;
        // What providers gave counts too.
        bounds::check(name, &properties)?;
        check_topics(worker, stored, &properties)?;
        let class = class_of(&properties);
        let connector = plugins
            .connector(class)
            .ok_or_else(|| Error::config(format!("connector.class {class} is not known")))?;
        let definition = connector.connector();
        let own = definition
            .config_def()
            .parse(&definition.normalise(&properties))?;
        let clients = ClientOverrides::new(worker, &properties)?;
        let group_id = group_id(worker, &clients, name);
        if group_id == worker.group_id() {
            return Err(Error::config(format!(
                "consumer group {group_id} is that of the workers"
            )));
        }
        Ok(Self {
            name: name.to_owned(),
            own,
            subscription: Subscription::new(&properties),
            group_id,
            converters: ConverterConfigs::new(&properties, |key| Ok(worker.converter(key)))?,
            transforms: transforms(&properties, &provided)?,
            output_topics: OutputTopics::new(connector, &properties)?,
            errors: ErrorConfig::new(&properties)?,
            restart: RestartPolicy::of_connector(&properties, worker.task_restart())?,
            clients,
            source: match connector {
                RegisteredConnector::Sink(_) => None,
                RegisteredConnector::Source(_) => Some(SourceConfig::resolve(worker, &properties)?),
            },
            connector: connector.clone(),
            properties,
        })
    }
}

/// A config as it is stored, and with what its config providers gave.
struct Given<'a> {
    stored: &'a Properties,
    properties: Properties,
    provided: Provided,
}

/// `connector.class` of a stored config; empty when there is none.
pub fn class_of(stored: &Properties) -> &str {
    stored
        .get("connector.class")
        .map_or("", |class| class.trim())
}

/// The configs of the tasks of a stored config, as they are written to the config topic:
/// placeholders of config providers stay in them.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when `tasks.max` or the connector's own options cannot be
/// used.
pub fn task_configs(
    plugins: &Plugins,
    worker: &WorkerConfig,
    name: &str,
    stored: &Properties,
) -> Result<Vec<Properties>> {
    bounds::check(name, stored)?;
    check_topics(worker, stored, stored)?;
    // None of the settings that a config gives may be such as the worker refuses.
    ClientOverrides::new(worker, stored)?;
    let class = class_of(stored);
    let connector = plugins
        .connector(class)
        .ok_or_else(|| Error::config(format!("connector.class {class} is not known")))?;
    let max = tasks_max(stored)?;
    if let Some(why) = bounds::tasks_refusal(stored, max) {
        return Err(Error::config(format!("tasks.max: {why}")));
    }
    let mut tasks = connector.connector().task_configs(stored, max)?;
    if tasks.len() > max {
        return Err(Error::config(format!(
            "{} made {} task configs, and tasks.max is {max}",
            connector.class(),
            tasks.len()
        )));
    }
    let task_class = connector.connector().task_class(plugins.full_class(class));
    for task in &mut tasks {
        task.insert("task.class".into(), task_class.clone());
    }
    Ok(tasks)
}

/// What names things, and the topics that a config names, which a client library is given.
fn check_topics(worker: &WorkerConfig, stored: &Properties, resolved: &Properties) -> Result<()> {
    let mut refused = naming::provided_names(worker, stored);
    refused.extend(naming::topics(resolved));
    refused.extend(naming::output_topics(resolved, &worker.internal_topics()));
    match refused.first() {
        Some(Refusal { key, why }) => Err(Error::config(format!("{key}: {why}"))),
        None => Ok(()),
    }
}

fn tasks_max(stored: &Properties) -> Result<usize> {
    let key = sink_config_def()
        .keys()
        .iter()
        .find(|key| key.name == "tasks.max");
    let def = ConfigDef::new(key.cloned().into_iter().collect());
    let max = def.parse(stored)?.integer("tasks.max");
    usize::try_from(max).map_err(|_| Error::config("tasks.max: a positive number is expected"))
}

/// Java's rule: the worker's `consumer.group.id` or the connector's override, else by its name.
fn group_id(worker: &WorkerConfig, clients: &ClientOverrides, name: &str) -> String {
    let of_worker = || worker.client_properties("consumer.").remove("group.id");
    let group = clients
        .consumer()
        .get("group.id")
        .cloned()
        .or_else(of_worker);
    group.unwrap_or_else(|| default_group_id(name))
}

/// The consumer group of a sink that names none.
pub(super) fn default_group_id(name: &str) -> String {
    format!("connect-{name}")
}

fn transforms(properties: &Properties, provided: &Provided) -> Result<Vec<TransformConfig>> {
    let transform = |alias: String| {
        let mut class = typed(properties, format!("transforms.{alias}"))?;
        let negate = class.options.remove("negate");
        let predicate = match class.options.remove("predicate") {
            None => None,
            Some(predicate) => Some(PredicateConfig {
                class: typed(properties, format!("predicates.{}", predicate.trim()))?,
                applies: match negate {
                    Some(negate) if negate.trim().eq_ignore_ascii_case("true") => {
                        Applies::WhereFalse
                    }
                    _ => Applies::WhereTrue,
                },
            }),
        };
        let prefix = format!("transforms.{alias}.");
        let own = provided.iter().filter(|(key, _)| key.starts_with(&prefix));
        Ok(TransformConfig {
            secrets: own.flat_map(|(_, given)| given.clone()).collect(),
            alias,
            class,
            predicate,
        })
    };
    list(properties, "transforms")
        .into_iter()
        .map(transform)
        .collect()
}

/// What stands under a prefix, with its class in `type`.
fn typed(properties: &Properties, key: String) -> Result<ClassConfig> {
    let mut options = with_prefix(properties, &format!("{key}."));
    let class = options.remove("type");
    let class = class.ok_or_else(|| Error::config(format!("{key}: type is missing")))?;
    // It was looked at when the config was validated.
    options.remove("plugin.version");
    Ok(ClassConfig {
        class: class.trim().to_owned(),
        key,
        options,
    })
}

fn list(properties: &Properties, key: &str) -> Vec<String> {
    let items = properties.get(key).map_or("", String::as_str).split(',');
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}
