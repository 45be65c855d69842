//! Validation of what a config names by class: transforms, predicates, converters.

use connect_api::{ConfigDef, ConfigKey, ConfigType, Importance, Properties, Validator, Width};

use super::bounds::MOST_TRANSFORMS;
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
        let mut section = typed(&prefix, &group, config, |c| plugins.transform_config_def(c));
        section.insert(1, predicate_key(&prefix, &group, &predicates));
        section.insert(2, negate_key(&prefix, &group));
        sections.push(Section::new(ConfigDef::new(section), config));
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
        let section = typed(&prefix, &group, config, Plugins::predicate_config_def);
        sections.push(Section::new(ConfigDef::new(section), config));
    }
    sections
}

/// The sections of the converters that a config names.
pub fn converters(config: &Properties, values: &mut Values) -> Vec<Section> {
    let known = |key: &str, class: &str| match key {
        "header.converter" => connect_converters::header_converter(class),
        _ => connect_converters::converter(class),
    };
    let mut sections = Vec::new();
    for key in ["key.converter", "value.converter", "header.converter"] {
        let Some(class) = config.get(key) else {
            continue;
        };
        match known(key, class) {
            None => values.add(key, not_found(key, class)),
            Some(converter) => {
                let prefix = format!("{key}.");
                let keys = prefixed((converter.config_def)(), &prefix, None);
                sections.push(Section::new(ConfigDef::new(keys), config));
            }
        }
    }
    sections
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

/// The key `….type` and those of the class that it names.
fn typed(
    prefix: &str,
    group: &str,
    config: &Properties,
    config_def: impl Fn(&str) -> Option<ConfigDef>,
) -> Vec<ConfigKey> {
    let name = format!("{prefix}type");
    let class = config.get(&name).map(|class| class.trim());
    let def = class.and_then(&config_def);
    let mut kind = ConfigKey::required(name, ConfigType::Class, "The class, or a plugin's name.")
        .importance(Importance::High)
        .group(group.to_owned())
        .display(Width::Long, "Type");
    if def.is_none() {
        kind = kind.validator(Validator::Check(|class| {
            Err(format!("Class {class} could not be found."))
        }));
    }
    let mut keys = vec![kind];
    keys.extend(
        def.into_iter()
            .flat_map(|def| prefixed(def, prefix, Some(group))),
    );
    keys
}

fn prefixed(def: ConfigDef, prefix: &str, group: Option<&str>) -> Vec<ConfigKey> {
    let keys = def.keys().iter().cloned().map(|mut key| {
        key.name = format!("{prefix}{}", key.name).into();
        if let Some(group) = group {
            key.group = Some(group.to_owned().into());
        }
        key
    });
    keys.collect()
}

fn predicate_key(prefix: &str, group: &str, predicates: &[String]) -> ConfigKey {
    let options = predicates.iter().map(|p| p.clone().into()).collect();
    let doc = "The alias of a predicate used to determine whether to apply this transformation.";
    ConfigKey::nullable(format!("{prefix}predicate"), ConfigType::String, doc)
        .validator(Validator::OneOf(options))
        .group(group.to_owned())
        .display(Width::Long, "Predicate")
}

fn negate_key(prefix: &str, group: &str) -> ConfigKey {
    let doc = "Whether the configured predicate should be negated.";
    ConfigKey::new(format!("{prefix}negate"), ConfigType::Boolean, "false", doc)
        .group(group.to_owned())
        .display(Width::Long, "Negate")
}
