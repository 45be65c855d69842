//! The properties of a worker of Kafka Connect, read as Ferrule's worker reads them.

use connect_api::{Properties, mask};

use super::nearest;
use super::{Finding, Weight};
use crate::config::{UnusedOptions, WorkerConfig, config_def};

/// Refusals that are looked for behind another one.
const MOST: usize = 50;
/// Without these nothing can be read.
const NEEDED: [&str; 5] = [
    "bootstrap.servers",
    "group.id",
    "config.storage.topic",
    "offset.storage.topic",
    "status.storage.topic",
];
/// The prefixes of settings that errors name without.
const PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

/// What becomes of a worker's properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// What is refused: the worker does not start.
    pub findings: Vec<Finding>,
    /// What has no effect, and what is not known.
    pub unused: UnusedOptions,
}

impl WorkerReport {
    /// Reads properties. What is refused is left out of the config, so that the connectors can be
    /// looked at all the same; there is none where it names no topic to read.
    pub fn read(given: &Properties) -> (Self, Option<WorkerConfig>) {
        let mut report = Self {
            findings: Vec::new(),
            unused: UnusedOptions::of(given),
        };
        let mut left = given.clone();
        report.check_options(&mut left);
        // What is missing cannot be left out.
        if report
            .findings
            .iter()
            .any(|it| !given.contains_key(&it.key))
        {
            return (report, None);
        }
        let mut config = None;
        for _ in 0..MOST {
            match WorkerConfig::new(&left) {
                Ok(usable) => {
                    config = Some(usable);
                    break;
                }
                Err(error) => {
                    let why = mask(error.chain()).into_owned();
                    let named = named(&why, &left);
                    let key = named.first().cloned().unwrap_or_default();
                    report.refuse(&key, why, given);
                    if named.is_empty() {
                        break;
                    }
                    named.iter().for_each(|key| leave_out(&mut left, key));
                }
            }
        }
        if let Some(config) = &config {
            let own = config.client_settings_without_effect();
            report.unused.without_effect.extend(own);
        }
        (report, config)
    }

    /// Looks at each option by itself.
    fn check_options(&mut self, left: &mut Properties) {
        let given = left.clone();
        for value in config_def().validate(&given) {
            for why in value.errors {
                self.refuse(&value.name, mask(why).into_owned(), &given);
                if !NEEDED.contains(&value.name.as_str()) {
                    left.remove(&value.name);
                }
            }
        }
    }

    fn refuse(&mut self, key: &str, why: String, given: &Properties) {
        let nearest = nearest::of_worker(key, given);
        self.findings.push(Finding {
            nearest,
            ..Finding::new(Weight::Refused, key, why)
        });
    }
}

/// The keys of the properties that a text names, without those that are needed.
fn named(text: &str, properties: &Properties) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let names = |key: &str| {
        let mut found = text.match_indices(key);
        found.any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + key.len()..].trim_start_matches(['.', ':']);
            let directly = text[at + key.len()..].chars().next();
            let ends = directly.is_none_or(|c| !is_word(c)) || after.starts_with(' ');
            !before.is_some_and(is_word) && ends
        })
    };
    let keys = properties.keys().filter(|key| {
        let short = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix));
        !NEEDED.contains(&key.as_str()) && (names(key) || short.is_some_and(names))
    });
    keys.cloned().collect()
}

/// Leaves out an option, and a config provider that has no class of its own then.
fn leave_out(properties: &mut Properties, key: &str) {
    properties.remove(key);
    let provider = key
        .strip_prefix("config.providers.")
        .and_then(|rest| rest.split('.').next());
    if let (Some(provider), Some(names)) = (provider, properties.get_mut("config.providers")) {
        let others = names.split(',').filter(|name| name.trim() != provider);
        *names = others.collect::<Vec<_>>().join(",");
    }
}
