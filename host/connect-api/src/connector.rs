//! What all connectors have in common, whichever way their records go.

use crate::{ConfigDef, ConfigValue, Properties, Result};

/// A kind of connector: the names that a config may give it, its options, and the configs of its
/// tasks. [`crate::SinkConnector`] adds how a task is made.
///
/// ```
/// use connect_api::{ConfigDef, ConfigKey, ConfigType, Connector, Properties, Result};
///
/// struct Ping(ConfigDef);
///
/// impl Ping {
///     fn new() -> Self {
///         let hosts = ConfigKey::required("hosts", ConfigType::List, "The hosts to ping.");
///         Self(ConfigDef::new(vec![hosts]))
///     }
/// }
///
/// impl Connector for Ping {
///     fn classes(&self) -> &'static [&'static str] {
///         &["com.example.PingConnector"]
///     }
///
///     fn version(&self) -> &'static str {
///         "1.0.0"
///     }
///
///     fn config_def(&self) -> &ConfigDef {
///         &self.0
///     }
///
///     /// One task for each host, but no more than the user allows.
///     fn task_configs(&self, properties: &Properties, max: usize) -> Result<Vec<Properties>> {
///         let hosts: Vec<&str> = properties["hosts"].split(',').collect();
///         let share = hosts.len().div_ceil(max);
///         let tasks = hosts.chunks(share).map(|hosts| {
///             let mut task = properties.clone();
///             task.insert("hosts".into(), hosts.join(","));
///             task
///         });
///         Ok(tasks.collect())
///     }
/// }
///
/// let config = Properties::from([("hosts".into(), "a,b,c".into())]);
/// let tasks = Ping::new().task_configs(&config, 2).unwrap();
/// assert_eq!(tasks.len(), 2);
/// assert_eq!((&*tasks[0]["hosts"], &*tasks[1]["hosts"]), ("a,b", "c"));
/// ```
pub trait Connector: Send + Sync {
    /// The classes that a config may name in `connector.class`, its own first. A config may also
    /// give the last part of one, with or without `Connector`.
    fn classes(&self) -> &'static [&'static str];

    /// The class of the tasks of a config that names `class`: `task.class` of their configs, by
    /// which a worker of Kafka Connect that takes over from this one finds them.
    fn task_class(&self, class: &str) -> String {
        let _ = class;
        let own = self.classes()[0];
        format!("{}Task", own.strip_suffix("Connector").unwrap_or(own))
    }

    /// Its version, as REST and the statuses show it.
    fn version(&self) -> &'static str;

    /// Its own options, without those that all connectors have.
    fn config_def(&self) -> &ConfigDef;

    /// Brings the properties of other connectors' spelling to its own, before they are parsed by
    /// [`Connector::config_def`].
    fn normalise(&self, properties: &Properties) -> Properties {
        properties.clone()
    }

    /// Adds what no single option can tell to the values that [`ConfigDef::validate`] gave of the
    /// normalised properties.
    fn validate(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        let _ = (properties, values);
    }

    /// The configs of its tasks: at least one, and at most `max`, which is `tasks.max`. Without an
    /// own answer they are `max` copies: the tasks of a sink share its partitions by Kafka's group.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when the properties cannot be used.
    fn task_configs(&self, properties: &Properties, max: usize) -> Result<Vec<Properties>> {
        Ok(vec![properties.clone(); max])
    }
}
