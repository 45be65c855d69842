//! Options of a config that nothing reads: most are misspelt, or stand at the wrong level.
//!
//! Kafka Connect takes them in silence, and so do its clients' checks: they are no errors here
//! either, but warnings in the answers.

use connect_api::Properties;
use connect_kafka::has_no_effect;

use super::ConfigInfos;
use super::overrides::setting_of;
use crate::connectors::RegisteredConnector;
use crate::suggest::closest;

/// Options that are told of; each is compared with all that are known.
const MOST: usize = 50;

/// What the keys of something that a config names by an alias begin with, and what it is.
const PARTS: &[(&str, &str)] = &[("transforms", "transform"), ("predicates", "predicate")];
/// What the keys of converters begin with.
const CONVERTERS: &[&str] = &["key.converter", "value.converter", "header.converter"];

/// A sentence for each option that has no effect.
pub(super) fn warnings(
    registered: &RegisteredConnector,
    config: &Properties,
    infos: &ConfigInfos,
) -> Vec<String> {
    let declared = infos.configs.iter().filter(|c| c.definition.is_some());
    let known = Known {
        config,
        keys: declared.map(|c| &*c.value.name).collect(),
    };
    let mut warnings = Vec::new();
    for (key, value) in config {
        let setting = setting_of(key);
        if setting.is_some_and(has_no_effect) {
            warnings.push(format!("{key}: the setting has no effect"));
        }
        let is_free = setting.is_some()
            || key.starts_with("topic.creation.default.")
            || key.ends_with(".plugin.version")
            || key == "task.class";
        if is_free || known.keys.contains(&key.as_str()) {
            continue;
        }
        // A key in another connector's spelling is turned into one of the sink's.
        let alone = Properties::from([(key.clone(), value.clone())]);
        if !registered.connector().normalise(&alone).contains_key(key) {
            continue;
        }
        if warnings.len() == MOST {
            warnings.push("more options that are not known are not told".into());
            break;
        }
        warnings.push(known.warning(key));
    }
    warnings
}

struct Known<'a> {
    config: &'a Properties,
    keys: Vec<&'a str>,
}

impl Known<'_> {
    fn warning(&self, key: &str) -> String {
        let advice = self.missing_part(key).or_else(|| {
            self.meant(key)
                .map(|meant| format!("did you mean {meant}?"))
        });
        match advice {
            Some(advice) => format!("{key}: unknown option, which has no effect; {advice}"),
            None => format!("{key}: unknown option, which has no effect"),
        }
    }

    /// The option belongs to a transform, predicate or converter that the config does not name.
    fn missing_part(&self, key: &str) -> Option<String> {
        for (list, what) in PARTS {
            let Some((alias, _)) = key
                .strip_prefix(list)
                .and_then(|rest| rest.strip_prefix('.'))
                .and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let named = self.config.get(*list).map_or("", String::as_str);
            let mut named = named
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            if !named.clone().any(|named| named == alias) {
                let meant = closest(alias, named.by_ref());
                let meant = meant.map(|meant| format!(", did you mean {meant}?"));
                let meant = meant.unwrap_or_default();
                return Some(format!("{list} names no {what} {alias}{meant}"));
            }
        }
        let converter = CONVERTERS.iter().find(|converter| {
            let rest = key.strip_prefix(**converter);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })?;
        let is_named = self.config.contains_key(*converter);
        (!is_named).then(|| format!("it is read together with {converter} alone"))
    }

    /// The option whose name is close, or that has this name at another level: below an alias, or
    /// above one.
    fn meant(&self, key: &str) -> Option<&str> {
        let keys = || self.keys.iter().copied();
        if let Some(meant) = closest(key, keys()) {
            return Some(meant);
        }
        let own = below_alias(key);
        let close_to = |wanted: &str, known: &str| closest(wanted, [known]).is_some();
        let mut below = keys().filter(|known| match (below_alias(known), own) {
            // Below an alias instead of above all, or below another one.
            (Some(known), None) => close_to(key, known),
            (Some(known), Some(own)) => close_to(own, known),
            (None, Some(own)) => close_to(own, known),
            (None, None) => false,
        });
        below.next()
    }
}

/// `limit` of `transforms.alias.limit`.
fn below_alias(key: &str) -> Option<&str> {
    let has_part = PARTS.iter().find_map(|(list, _)| {
        let rest = key.strip_prefix(list)?.strip_prefix('.')?;
        Some(rest.split_once('.')?.1)
    });
    has_part.or_else(|| {
        let rest = CONVERTERS.iter().find_map(|c| key.strip_prefix(c))?;
        rest.strip_prefix('.')
    })
}
