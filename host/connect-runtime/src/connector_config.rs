//! The config of a sink connector: its framework options, and the validation of all of it.

pub mod bounds;
mod chain;
mod current;
mod definition;
mod naming;
mod overrides;
mod pattern;
mod plugin_version;
mod provided;
mod resolved;
mod routing;
mod source;
mod unknown;

use std::collections::BTreeMap;

use connect_api::{ConfigDef, ConfigKey, ConfigValue, Properties};

use crate::config::WorkerConfig;
use crate::connectors::RegisteredConnector;
use crate::plugins::Plugins;
use overrides::Refusal;
use provided::{check_bounds, check_masks, hide_provided, resolved_values};
use resolved::default_group_id;

pub use bounds::MOST_TASKS;
pub use chain::converter_config_def;
pub use current::provided_options;
pub use definition::{error_config_def, sink_config_def, source_config_def};
pub use overrides::ClientOverrides;
pub use pattern::TopicPattern;
pub use plugin_version::version_refusal;
pub use resolved::{
    Applies, ClassConfig, ConnectorConfig, ConverterConfigs, PredicateConfig, Subscription,
    TransformConfig, class_of, task_configs,
};
pub use routing::OutputTopics;
pub use source::{SourceConfig, TopicDefaults};

/// A config as given: JSON's null is a value too.
pub type GivenConfig = BTreeMap<String, Option<String>>;

/// An option's declaration and its place among those of its group.
#[derive(Clone, Debug)]
pub struct ConfigKeyInfo {
    /// The declaration.
    pub key: ConfigKey,
    /// -1 when it has no group.
    pub order_in_group: i32,
}

/// An option with its value.
#[derive(Clone, Debug)]
pub struct ConfigInfo {
    /// Its declaration, when there is one.
    pub definition: Option<ConfigKeyInfo>,
    /// Its value and what is wrong with it.
    pub value: ConfigValue,
}

/// What is to be said of a config.
#[derive(Clone, Debug)]
pub struct ConfigInfos {
    /// The class as given.
    pub name: String,
    /// The groups, in the order in which they are shown.
    pub groups: Vec<String>,
    /// The options.
    pub configs: Vec<ConfigInfo>,
    /// What is no error and hardly meant: options that nothing reads.
    pub warnings: Vec<String>,
}

impl ConfigInfos {
    /// Everything that is wrong.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs
            .iter()
            .flat_map(|config| &config.value.errors)
            .map(String::as_str)
    }

    /// The text of the answer to a config that is refused; none when nothing is wrong.
    pub fn refusal(&self) -> Option<String> {
        let mut errors: Vec<&str> = Vec::new();
        for error in self.errors() {
            // What is wrong with two options together is an error of both.
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        (!errors.is_empty()).then(|| {
            format!(
                "Connector configuration is invalid and contains the following {} error(s):\n{}\n\
                 You can also find the above list of errors at the endpoint \
                 `/connector-plugins/{{connectorType}}/config/validate`",
                errors.len(),
                errors.join("\n")
            )
        })
    }
}

/// Values by name, in order.
#[derive(Debug, Default)]
struct Values(Vec<ConfigValue>);

impl Values {
    fn add(&mut self, name: &str, error: String) {
        match self.0.iter_mut().find(|value| value.name == name) {
            Some(value) => value.errors.push(error),
            None => self.0.push(ConfigValue {
                name: name.to_owned(),
                value: None,
                recommended_values: Vec::new(),
                errors: vec![error],
                visible: true,
            }),
        }
    }
}

/// Some options and their values.
#[derive(Debug)]
struct Section {
    keys: Vec<ConfigKey>,
    values: Values,
}

impl Section {
    fn new(def: ConfigDef, config: &Properties) -> Self {
        Self {
            keys: def.keys().to_vec(),
            values: Values(def.validate(config)),
        }
    }
}

/// Validates a config as a whole. Its config providers are asked, and what they gave is not shown.
///
/// # Errors
/// The text for the caller when there is no such connector, or a provider cannot be read.
pub fn validate(
    plugins: &Plugins,
    worker: &WorkerConfig,
    given: &GivenConfig,
) -> Result<ConfigInfos, String> {
    let plain: Properties = given
        .iter()
        .filter_map(|(k, v)| Some((k.clone(), v.clone()?)))
        .collect();
    check_bounds(given, &plain)?;
    let class = class_of(&plain);
    if class.is_empty() {
        return Err("Connector config contains no connector type".into());
    }
    let registered = plugins.connector(class).ok_or_else(|| {
        let known: Vec<&str> = plugins
            .connectors()
            .map(RegisteredConnector::class)
            .collect();
        format!(
            "Failed to find any class that implements Connector and which name matches {class}, \
             available connectors are: {}",
            known.join(", ")
        )
    })?;
    let names = naming::provided_names(worker, &plain);
    let config = resolved_values(worker, &plain, &names)?;
    let mut framework = Section::new(framework_config_def(registered).clone(), &config);
    show_converters(worker, &mut framework);
    match registered {
        RegisteredConnector::Sink(_) => {
            check_topics(&config, &mut framework.values);
            check_group(worker, &config, &mut framework.values);
        }
        RegisteredConnector::Source(source) => {
            source::check(worker, &**source, &config, &mut framework.values);
        }
    }
    let mut sections = chain::sections(plugins, &config, &mut framework.values);
    sections.extend(routing::section(&config));
    sections.extend(chain::converters(&config, &mut framework.values));
    let definition = registered.connector();
    let own = definition.normalise(&config);
    let mut connector = Section::new(definition.config_def().clone(), &own);
    definition.validate(&own, &mut connector.values.0);
    check_overrides(worker, &config, &mut framework);
    naming::check(worker, &config, &mut framework.values);
    for Refusal { key, why } in names {
        framework.values.add(&key, invalid(&key, &why));
    }
    let mut all: Vec<&mut Section> = sections.iter_mut().collect();
    all.extend([&mut connector, &mut framework]);
    check_masks(&mut all, &plain);
    for section in sections.iter_mut().chain([&mut framework]) {
        plugin_version::check(plugins, registered, &config, section);
    }
    for (key, _) in given.iter().filter(|(_, value)| value.is_none()) {
        let why = "Null value can not be supplied as the configuration value.";
        let declares = |section: &&mut Section| section.keys.iter().any(|k| k.name == *key);
        let mut all = sections.iter_mut().chain([&mut connector]);
        let section = all.find(declares).unwrap_or(&mut framework);
        section.values.add(key, why.into());
    }
    sections.insert(0, framework);
    sections.push(connector);
    let mut infos = collect(class, sections);
    infos.warnings = unknown::warnings(registered, &plain, &infos);
    hide_provided(&mut infos, &plain, &config);
    Ok(infos)
}

fn invalid(key: &str, why: &str) -> String {
    format!("Invalid value for configuration {key}: {why}")
}

/// The options that the worker itself understands in the config of a connector.
fn framework_config_def(connector: &RegisteredConnector) -> &'static ConfigDef {
    match connector {
        RegisteredConnector::Sink(_) => sink_config_def(),
        RegisteredConnector::Source(_) => source_config_def(),
    }
}

/// The options of anything that a config can name, for a connector those of its kind included.
pub fn plugin_config_def(plugins: &Plugins, class: &str) -> Option<ConfigDef> {
    let Some(registered) = plugins.connector(class) else {
        return plugins.part_config_def(class);
    };
    let mut keys = registered.connector().config_def().keys().to_vec();
    for key in framework_config_def(registered).keys() {
        if keys.iter().any(|known| known.name == key.name) {
            continue;
        }
        let mut key = key.clone();
        if key.name == "connector.plugin.version" {
            let version = registered.connector().version();
            key.default = Some(Some(version.into()));
        }
        keys.push(key);
    }
    Some(ConfigDef::new(keys))
}

/// The declarations, numbered within their groups.
pub fn key_infos<'a>(keys: impl IntoIterator<Item = &'a ConfigKey>) -> Vec<ConfigKeyInfo> {
    let mut last: BTreeMap<String, i32> = BTreeMap::new();
    let infos = keys.into_iter().map(|key| {
        let order_in_group = match &key.group {
            None => -1,
            Some(group) => {
                let last = last.entry(group.to_string()).or_default();
                *last = key.order.unwrap_or(*last + 1);
                *last
            }
        };
        ConfigKeyInfo {
            key: key.clone(),
            order_in_group,
        }
    });
    infos.collect()
}

fn collect(class: &str, sections: Vec<Section>) -> ConfigInfos {
    let mut groups: Vec<String> = Vec::new();
    let mut undeclared = Vec::new();
    let mut configs: Vec<ConfigInfo> = Vec::new();
    for section in sections {
        let Section {
            keys,
            values: Values(values),
        } = section;
        let mut declared = key_infos(&keys);
        for value in values {
            if configs.iter().any(|known| known.value.name == value.name) {
                continue;
            }
            match declared.iter().position(|info| info.key.name == value.name) {
                None => undeclared.push(ConfigInfo {
                    definition: None,
                    value,
                }),
                Some(index) => {
                    let definition = declared.swap_remove(index);
                    let group = definition.key.group.as_ref().map(ToString::to_string);
                    groups.extend(group.filter(|group| !groups.contains(group)));
                    configs.push(ConfigInfo {
                        definition: Some(definition),
                        value,
                    });
                }
            }
        }
    }
    undeclared.extend(configs);
    ConfigInfos {
        name: class.to_owned(),
        groups,
        configs: undeclared,
        warnings: Vec::new(),
    }
}

/// A connector that names no converter has the worker's, and forms of clients offer the classes
/// that there are.
fn show_converters(worker: &WorkerConfig, framework: &mut Section) {
    let Section { keys, values } = framework;
    for name in ["key.converter", "value.converter", "header.converter"] {
        let (class, _) = worker.converter(name);
        if let Some(key) = keys.iter_mut().find(|key| key.name == name) {
            key.default = Some(Some(class.to_owned().into()));
        }
        let known = connect_converters::converters().iter();
        let own = known.filter(|known| match name {
            "header.converter" => known.build_header.is_some(),
            _ => known.build.is_some(),
        });
        if let Some(value) = values.0.iter_mut().find(|value| value.name == name) {
            value.recommended_values = own.map(|known| known.class.to_owned()).collect();
            value.value.get_or_insert_with(|| class.to_owned());
        }
    }
}

fn check_topics(config: &Properties, values: &mut Values) {
    let get = |key: &str| {
        config
            .get(key)
            .map(|value| value.trim())
            .filter(|v| !v.is_empty())
    };
    let (topics, regex) = (get("topics"), get("topics.regex"));
    let why = match (topics, regex) {
        (Some(_), Some(_)) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.")
        }
        (None, None) => Some("Must configure one of topics or topics.regex"),
        _ => None,
    };
    for key in ["topics", "topics.regex"] {
        if let Some(why) = why {
            values.add(key, why.into());
        }
    }
    let mut named: Vec<&str> = topics.iter().flat_map(|list| list.split(',')).collect();
    named.iter_mut().for_each(|topic| *topic = topic.trim());
    named.retain(|topic| !topic.is_empty());
    let count = named.len();
    named.sort_unstable();
    named.dedup();
    if named.len() < count {
        let why = "Configuration 'topics' values must not be duplicated.";
        values.add("topics", why.into());
    }
    let key = "errors.deadletterqueue.topic.name";
    let Some(dead_letters) = get(key) else { return };
    if let Some(topics) = topics
        && topics.split(',').any(|topic| topic.trim() == dead_letters)
    {
        let named: Vec<&str> = topics.split(',').map(str::trim).collect();
        let named = named.join(", ");
        values.add(
            "topics",
            format!(
                "The DLQ topic '{dead_letters}' may not be included in the list of topics \
                 ('topics=[{named}]') consumed by the connector"
            ),
        );
    }
    if let Some(regex) = regex
        && TopicPattern::new(regex).is_ok_and(|regex| regex.matches(dead_letters))
    {
        values.add(
            key,
            format!(
                "The DLQ topic '{dead_letters}' may not be included in the regex matching the \
                 topics ('topics.regex={regex}') consumed by the connector"
            ),
        );
    }
}

fn check_group(worker: &WorkerConfig, config: &Properties, values: &mut Values) {
    let own = "consumer.override.group.id";
    let workers = worker.group_id();
    let name = config.get("name").map_or("", String::as_str);
    match config.get(own) {
        Some(group) if group == workers => {
            let why =
                format!("Consumer group {group} conflicts with Connect worker group {workers}");
            values.add(own, why);
        }
        None if default_group_id(name) == workers => {
            let why = format!(
                "Consumer group for sink connector named {name} conflicts with Connect worker \
                 group {workers}"
            );
            values.add("name", why);
        }
        _ => {}
    }
}

/// Each override has an entry with a declaration: forms of clients take no other.
fn check_overrides(worker: &WorkerConfig, config: &Properties, framework: &mut Section) {
    let Section { keys, values } = framework;
    for (key, value) in config {
        let Some(declared) = overrides::declaration(key) else {
            continue;
        };
        let shown = match overrides::is_secret(key) {
            true => "[hidden]",
            false => value,
        };
        keys.push(declared);
        match values.0.iter_mut().find(|known| known.name == *key) {
            Some(known) => known.value = Some(shown.to_owned()),
            None => values.0.push(ConfigValue {
                name: key.clone(),
                value: Some(shown.to_owned()),
                recommended_values: Vec::new(),
                errors: Vec::new(),
                visible: true,
            }),
        }
    }
    for Refusal { key, why } in overrides::refusals(worker, config) {
        let why = match why.contains("policy does not allow") {
            true => why,
            false => invalid(&key, &why),
        };
        values.add(&key, why);
    }
}
