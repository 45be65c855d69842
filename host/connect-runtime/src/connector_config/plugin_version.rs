//! `*.plugin.version` (KIP-891): which versions of a connector, a converter or a transform a config
//! accepts. A worker has one version of each, so an option either matches it or is refused.

use std::cmp::Ordering;

use connect_api::Properties;

use super::chain::converter_of;
use super::{Section, invalid};
use crate::connectors::RegisteredConnector;
use crate::plugins::{KAFKA_VERSION, Plugins};

/// The version that an option `*.plugin.version` is about.
fn version_of(
    plugins: &Plugins,
    registered: &RegisteredConnector,
    config: &Properties,
    key: &str,
) -> Option<String> {
    let plugin = key.strip_suffix(".plugin.version")?;
    match plugin.split_once('.') {
        None if plugin == "connector" => Some(registered.connector().version().to_owned()),
        Some(("key" | "value" | "header", "converter")) => {
            let class = config.get(plugin);
            let is_known = class.is_none_or(|class| converter_of(plugin, class).is_some());
            is_known.then(|| KAFKA_VERSION.to_owned())
        }
        Some(("predicates", _)) => {
            let class = config.get(&format!("{plugin}.type"))?;
            Plugins::predicate_config_def(class.trim()).map(|_| KAFKA_VERSION.to_owned())
        }
        Some(("transforms", _)) => {
            let class = config.get(&format!("{plugin}.type"))?;
            plugins.transform_version(class.trim())
        }
        _ => None,
    }
}

/// Of each plugin there is one version: it is shown as the default and the one choice, and another
/// is refused.
pub(super) fn check(
    plugins: &Plugins,
    registered: &RegisteredConnector,
    config: &Properties,
    section: &mut Section,
) {
    let Section { keys, values } = section;
    for key in keys {
        // A class that could not be found is said elsewhere.
        let Some(version) = version_of(plugins, registered, config, &key.name) else {
            let shown = values.0.iter_mut().find(|value| value.name == key.name);
            if let Some(shown) = shown.filter(|_| names_no_converter(config, &key.name)) {
                shown.visible = false;
            }
            continue;
        };
        let wanted = config.get(key.name.as_ref());
        if let Some(why) = wanted.and_then(|wanted| refusal(wanted, &version)) {
            values.add(&key.name, invalid(&key.name, &why));
        }
        let shown = values.0.iter_mut().find(|value| value.name == key.name);
        if let Some(shown) = shown {
            shown.recommended_values = vec![version.clone()];
            shown.value.get_or_insert_with(|| version.clone());
        }
        key.default = Some(Some(version.into()));
    }
}

/// Whether it is the version of a converter whose class is not there at all.
fn names_no_converter(config: &Properties, key: &str) -> bool {
    let Some(plugin) = key.strip_suffix(".plugin.version") else {
        return false;
    };
    let kinds = ["key.converter", "value.converter", "header.converter"];
    let class = config.get(plugin).filter(|_| kinds.contains(&plugin));
    class.is_some_and(|class| kinds.iter().all(|kind| converter_of(kind, class).is_none()))
}

/// What is wrong with a version, or a range, that is asked of a plugin, in Kafka Connect's words.
/// None: the worker's version is accepted.
pub fn version_refusal(plugin: &str, wanted: &str, available: &str) -> Option<String> {
    let wanted = wanted.trim();
    if wanted == "latest" {
        return None;
    }
    match accepts(wanted, available) {
        Some(true) => None,
        Some(false) => Some(format!(
            "Plugin {plugin} not found that matches the version range {wanted}, available \
             versions: [{available}]"
        )),
        None => Some(format!("Invalid version specification: {wanted}")),
    }
}

/// What is wrong with the option, of a plugin that has the version `available`. None: the worker's
/// version is accepted.
///
/// The option is a version (`1.2.3`, exactly that one), `latest`, or ranges of versions as Maven
/// writes them: `[1.0,2.0)`, `(,1.5]`, `[1.2]`, or several of them with commas between.
pub(super) fn refusal(wanted: &str, available: &str) -> Option<String> {
    let wanted = wanted.trim();
    if wanted == "latest" {
        return None;
    }
    match accepts(wanted, available) {
        Some(true) => None,
        Some(false) => Some(format!(
            "version {wanted} is not available: this worker has version {available}"
        )),
        None => Some(format!(
            "{wanted} is neither a version nor a range of versions such as [1.0,2.0)"
        )),
    }
}

/// None when the text is no requirement.
fn accepts(wanted: &str, available: &str) -> Option<bool> {
    if wanted.is_empty() {
        return None;
    }
    if !wanted.starts_with(['[', '(']) {
        let plain = !wanted.contains([',', '[', ']', '(', ')', ' ']);
        return plain.then(|| compare(wanted, available).is_eq());
    }
    let (mut rest, mut accepted) = (wanted, false);
    while !rest.is_empty() {
        let end = rest.find([']', ')'])?;
        accepted |= range_contains(&rest[..=end], available)?;
        let behind = rest[end + 1..].trim_start();
        rest = match behind.strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => next.trim_start(),
            Some(_) => return None,
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(accepted)
}

/// Whether a single range such as `[1.0,2.0)` has the version in it.
fn range_contains(range: &str, version: &str) -> Option<bool> {
    let includes_low = match range.as_bytes().first()? {
        b'[' => true,
        b'(' => false,
        _ => return None,
    };
    let includes_high = range.ends_with(']');
    let bounds = range[1..range.len() - 1].trim();
    let Some((low, high)) = bounds.split_once(',') else {
        // `[1.2]` is that version alone; `(1.2)` would be none.
        let exact = includes_low && includes_high && !bounds.is_empty();
        return exact.then(|| compare(bounds, version).is_eq());
    };
    let (low, high) = (low.trim(), high.trim());
    if high.contains(',') {
        return None;
    }
    let above = |order: Ordering| order.is_lt() || (includes_low && order.is_eq());
    let below = |order: Ordering| order.is_gt() || (includes_high && order.is_eq());
    Some(
        (low.is_empty() || above(compare(low, version)))
            && (high.is_empty() || below(compare(high, version))),
    )
}

/// Numbers compare as numbers, and missing ones are zero; a qualifier (`-SNAPSHOT`, `-rc1`) comes
/// before the version without it.
fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    let length = one.len().max(other.len());
    let at = |parts: &[Part], index: usize| parts.get(index).cloned().unwrap_or(Part::Number(0));
    (0..length)
        .map(|index| at(&one, index).cmp(&at(&other, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// A qualifier is less than any number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Qualifier(String),
    Number(u64),
}

fn parts(version: &str) -> Vec<Part> {
    let parts = version.trim().split(['.', '-', '+', '_']);
    let parts = parts.map(|part| match part.parse() {
        Ok(number) => Part::Number(number),
        Err(_) => Part::Qualifier(part.to_ascii_lowercase()),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_accepts_what_it_names() {
        for wanted in [
            "4.1.0",
            "4.1",
            " latest ",
            "[4.1.0]",
            "[4.0,5.0)",
            "[4.1.0,)",
            "(,4.1.0]",
            "[1.0,2.0),[4.1,4.2]",
            "(4.0 , 4.2)",
            "(4.1.0-rc1,4.1.1-SNAPSHOT)",
        ] {
            assert_eq!(refusal(wanted, "4.1.0"), None, "{wanted}");
        }
        for wanted in [
            "4.1.1",
            "4",
            "4.1.0-rc1",
            "[4.1.1]",
            "(4.1.0,5.0)",
            "[4.0,4.1)",
            "(,4.1.0)",
            "[1.0,2.0),[3.0,4.0]",
        ] {
            let why = refusal(wanted, "4.1.0").expect(wanted);
            assert!(why.contains("this worker has version 4.1.0"), "{why}");
        }
        for wanted in [
            "", "[4.1", "4.1]", "[1,2,3]", "(4.1.0)", "[]", "[1,2],", "[1,2]x", "1 2",
        ] {
            let why = refusal(wanted, "4.1.0").expect(wanted);
            assert!(
                why.contains("neither a version nor a range"),
                "{wanted}: {why}"
            );
        }
    }
}
