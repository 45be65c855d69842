//! Validation of what a config names by class: transforms, predicates, converters.

use std::borrow::Cow;

use connect_api::{ConfigDef, ConfigKey, ConfigType, Importance, Properties, Validator, Width};
use connect_converters::ConverterType;

use super::bounds::MOST_TRANSFORMS;
use super::definition::plugin_version;
use super::{Section, Values};
use crate::plugins::Plugins;

/// The sections of the transforms and predicates that a config names.
pub fn sections(plugins: &Plugins, config: &Properties, values: &mut Values) -> Vec<Section> {
    let transforms = aliases("transforms", config, values);
    let predicates = aliases("predicates", config, values);
    let mut sections = Vec::new();
    for alias in transforms {
        let prefix = format!("transforms.{alias}.");
        let group = format!("Transforms: {alias}");
        let named = Named {
            what: "Transformation",
            alias: &alias,
            prefix: &prefix,
            group: &group,
        };
        let more = [negate_key(), predicate_key(&predicates)];
        let section = named.keys(config, |c| plugins.transform_config_def(c), &more);
        let mut section = Section::new(ConfigDef::new(section), config);
        recommend(&mut section, &prefix, plugins.classes("transformation"));
        sections.push(section);
        let negate = format!("{prefix}negate");
        if config.contains_key(&negate) && !config.contains_key(&format!("{prefix}predicate")) {
            let why = format!(
                "Config '{negate}' was provided but there is no config '{prefix}predicate' \
                 defining a predicate to be negated."
            );
            if let Some(section) = sections.last_mut() {
                section.values.add(&negate, why);
            }
        }
    }
    for alias in predicates {
        let prefix = format!("predicates.{alias}.");
        let group = format!("Predicates: {alias}");
        let named = Named {
            what: "Predicate",
            alias: &alias,
            prefix: &prefix,
            group: &group,
        };
        let section = named.keys(config, Plugins::predicate_config_def, &[]);
        let mut section = Section::new(ConfigDef::new(section), config);
        recommend(&mut section, &prefix, plugins.classes("predicate"));
        sections.push(section);
    }
    sections
}

/// The sections of the converters that a config names.
pub fn converters(config: &Properties, values: &mut Values) -> Vec<Section> {
    let mut sections = Vec::new();
    for key in ["key.converter", "value.converter", "header.converter"] {
        let Some(class) = config.get(key) else {
            continue;
        };
        match converter_of(key, class) {
            None => values.add(key, not_found(key, class)),
            Some(converter) => {
                let prefix = format!("{key}.");
                let def = converter_config_def(converter);
                let keys = prefixed(def.keys().iter(), &prefix, None);
                let part = key.split('.').next().unwrap_or_default();
                let mut own = config.clone();
                own.entry(format!("{prefix}{CONVERTER_TYPE}"))
                    .or_insert_with(|| part.to_owned());
                sections.push(Section::new(ConfigDef::new(keys), &own));
            }
        }
    }
    sections
}

/// The converter that an option names; none: there is no such one.
pub(super) fn converter_of(key: &str, class: &str) -> Option<&'static ConverterType> {
    match key {
        "header.converter" => connect_converters::header_converter(class),
        _ => connect_converters::converter(class),
    }
}

/// The option by which Kafka Connect tells its converters what they convert. The worker gives it.
const CONVERTER_TYPE: &str = "converter.type";

/// The options of a converter. Those of Kafka's classes have one that the worker gives.
pub fn converter_config_def(converter: &ConverterType) -> ConfigDef {
    let own = (converter.config_def)();
    let is_kafkas = converter.class.starts_with("org.apache.kafka.connect.")
        && !converter.class.ends_with(".SimpleHeaderConverter");
    if !is_kafkas {
        return own;
    }
    let parts = ["key", "value", "header"].map(Cow::Borrowed);
    let doc = "What is converted: key, value or header. The worker sets it.";
    let kind = ConfigKey::required(CONVERTER_TYPE, ConfigType::String, doc)
        .validator(Validator::OneOf(parts.to_vec()))
        .importance(Importance::Low);
    ConfigDef::new(
        [kind]
            .into_iter()
            .chain(own.keys().iter().cloned())
            .collect(),
    )
}

/// Forms of clients offer the classes that there are.
fn recommend(section: &mut Section, prefix: &str, classes: Vec<String>) {
    let key = format!("{prefix}type");
    if let Some(value) = section.values.0.iter_mut().find(|value| value.name == key) {
        value.recommended_values = classes;
    }
}

fn not_found(key: &str, class: &str) -> String {
    format!("Invalid value {class} for configuration {key}: Class {class} could not be found.")
}

fn aliases(key: &str, config: &Properties, values: &mut Values) -> Vec<String> {
    let given = config.get(key).map_or("", String::as_str);
    let given: Vec<&str> = given
        .split(',')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .collect();
    if given.len() > MOST_TRANSFORMS {
        // It is told with the other bounds; so many are not looked at.
        return Vec::new();
    }
    let mut aliases: Vec<String> = Vec::new();
    for alias in &given {
        if aliases.iter().any(|known| known == alias) {
            let list = given.join(", ");
            let why = "Duplicate alias provided.";
            values.add(
                key,
                format!("Invalid value [{list}] for configuration {key}: {why}"),
            );
            break;
        }
        aliases.push((*alias).to_owned());
    }
    aliases
}

/// A transform or a predicate that a config names by an alias.
struct Named<'a> {
    what: &'a str,
    alias: &'a str,
    prefix: &'a str,
    group: &'a str,
}

impl Named<'_> {
    /// The keys `….type` and `….plugin.version`; behind them those of the class that is named and
    /// `more`, in Kafka Connect's order: what must be given, what matters most, then by name.
    fn keys(
        &self,
        config: &Properties,
        config_def: impl Fn(&str) -> Option<ConfigDef>,
        more: &[ConfigKey],
    ) -> Vec<ConfigKey> {
        let Self {
            what,
            alias,
            prefix,
            group,
        } = *self;
        let name = format!("{prefix}type");
        let class = config.get(&name).map(|class| class.trim());
        let def = class.and_then(&config_def);
        let doc = "The class, or a plugin's name.";
        let mut kind = ConfigKey::required(name, ConfigType::Class, doc)
            .importance(Importance::High)
            .group(group.to_owned())
            .order(0)
            .display(Width::Long, format!("{what} type for {alias}"));
        if def.is_none() {
            kind = kind.validator(Validator::Check(|class| {
                Err(format!("Class {class} could not be found."))
            }));
        }
        let version = format!("{prefix}plugin.version");
        let version = plugin_version(version, &what.to_lowercase())
            .importance(Importance::High)
            .group(group.to_owned())
            .display(Width::Long, format!("{what} version for {alias}"));
        let own = def.map_or_else(Vec::new, |def| {
            let mut keys = prefixed(def.keys().iter().chain(more), prefix, Some(group));
            keys.sort_by(|one, other| {
                let rank = |key: &ConfigKey| (key.default.is_some(), key.importance);
                rank(one)
                    .cmp(&rank(other))
                    .then_with(|| one.name.cmp(&other.name))
            });
            keys
        });
        [kind, version].into_iter().chain(own).collect()
    }
}

fn prefixed<'a>(
    keys: impl Iterator<Item = &'a ConfigKey>,
    prefix: &str,
    group: Option<&str>,
) -> Vec<ConfigKey> {
    let keys = keys.cloned().map(|mut key| {
        key.name = format!("{prefix}{}", key.name).into();
        if let Some(group) = group {
            key.group = Some(group.to_owned().into());
            key.order = None;
        }
        key
    });
    keys.collect()
}

fn predicate_key(predicates: &[String]) -> ConfigKey {
    let options = predicates.iter().map(|p| p.clone().into()).collect();
    let doc = "The alias of a predicate used to determine whether to apply this transformation.";
    ConfigKey::nullable("predicate", ConfigType::String, doc).validator(Validator::OneOf(options))
}

fn negate_key() -> ConfigKey {
    let doc = "Whether the configured predicate should be negated.";
    ConfigKey::new("negate", ConfigType::Boolean, "false", doc)
}
