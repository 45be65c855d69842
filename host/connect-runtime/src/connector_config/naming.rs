//! Keys whose values name things: a class, an alias, a topic. They stand in answers, statuses and
//! metrics, so a secret cannot be one, and no config provider may give one.

use connect_api::{Properties, is_mask};
use connect_kafka::{output_topic_refusal, topic_name_refusal};

use super::Values;
use super::bounds::{MOST_TASKS, MOST_TOPICS, MOST_TRANSFORMS};
use super::overrides::{Refusal, is_secret};
use crate::config::WorkerConfig;

/// The keys, but for those that end in one of [`ENDINGS`].
const KEYS: &[&str] = &[
    "connector.class",
    "header.converter",
    "key.converter",
    "name",
    "output.key.converter",
    "output.value.converter",
    "predicates",
    "task.class",
    "tasks.max",
    "topics",
    "topics.regex",
    "transforms",
    "value.converter",
];
/// What such keys end in, too.
const ENDINGS: &[&str] = &[".class", ".plugin.version", ".predicate", ".type"];

/// Keys of topics that a connector writes to.
const OUTPUT_TOPICS: &[&str] = &[
    "errors.deadletterqueue.topic.name",
    "state.topic.name",
    "topic",
    "topic.name.format",
];

/// The keys that name things and whose values a config provider is to give.
pub(super) fn provided_names(worker: &WorkerConfig, given: &Properties) -> Vec<Refusal> {
    let names = |key: &str| KEYS.contains(&key) || ENDINGS.iter().any(|end| key.ends_with(end));
    let provided = given
        .iter()
        .filter(|(key, value)| names(key) && worker.providers().provides(value));
    let refusal = |(key, _): (&String, &String)| Refusal {
        key: key.clone(),
        why: "a config provider cannot give it: it is a name, which answers and metrics show"
            .into(),
    };
    provided.map(refusal).collect()
}

/// What is wrong with the lists of a config: too many entries, or what is no name of a topic.
pub(super) fn topics(config: &Properties) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for (key, most) in [
        ("transforms", MOST_TRANSFORMS),
        ("predicates", MOST_TRANSFORMS),
        ("topics", MOST_TOPICS),
    ] {
        let count = items(config, key).count();
        if count > most {
            let why = format!("it has {most} entries at most, and this one {count}");
            refused.push(Refusal {
                key: key.to_owned(),
                why,
            });
        }
    }
    let wrong = items(config, "topics")
        .take(MOST_TOPICS)
        .find_map(topic_name_refusal);
    refused.extend(wrong.map(|why| Refusal {
        key: "topics".to_owned(),
        why,
    }));
    refused
}

/// Adds what is wrong with lists, and with names of topics.
pub(super) fn check(worker: &WorkerConfig, config: &Properties, values: &mut Values) {
    let output = output_topics(config, &worker.internal_topics());
    for Refusal { key, why } in topics(config).into_iter().chain(output) {
        values.add(
            &key,
            format!("Invalid value for configuration {key}: {why}"),
        );
    }
}

/// The topics to write to that a config names, and that no connector may write to.
pub(super) fn output_topics(config: &Properties, internal: &[String]) -> Vec<Refusal> {
    let refused = |key: &&str| {
        let topic = config.get(*key)?.trim();
        // Of a record's own topic it is known only later whether it may be written to.
        let topic = topic.replace("${topic}", "t").replace("${timestamp}", "t");
        let why = (!topic.is_empty()).then(|| output_topic_refusal(&topic, internal))??;
        let key = (*key).to_owned();
        Some(Refusal { key, why })
    };
    OUTPUT_TOPICS.iter().filter_map(refused).collect()
}

/// The options whose given value is what was shown in place of a secret: a masked value that came
/// back from whoever was shown it. `passwords` are the keys of type PASSWORD.
pub(super) fn masks(given: &Properties, passwords: &[&str]) -> Vec<Refusal> {
    let masked = given.iter().filter(|(key, value)| {
        let secret = passwords.contains(&key.as_str()) || is_secret(key) || looks_secret(key);
        let marks = |c: char| "\"':@/&=;,".contains(c);
        // Also within an address, and in what a login module is given.
        let within = || value.contains("://") || key.ends_with("jaas.config");
        (secret && is_mask(value)) || (within() && value.split(marks).any(is_mask))
    });
    let refusal = |(key, _): (&String, &String)| Refusal {
        key: key.clone(),
        why: "it is what is shown in place of a secret, and not the secret itself; give that, or \
              leave the key out of a PATCH"
            .into(),
    };
    masked.map(refusal).collect()
}

/// Whether a key that nothing declares says that it holds a secret.
fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "secret", "passphrase", "token"]
        .iter()
        .any(|word| key.contains(word))
}

/// What a stored `tasks.max` may be at most, for the declaration of the option.
pub(super) const fn most_tasks() -> f64 {
    MOST_TASKS as f64
}

fn items<'a>(config: &'a Properties, key: &str) -> impl Iterator<Item = &'a str> {
    let list = config.get(key).map_or("", String::as_str).split(',');
    list.map(str::trim).filter(|item| !item.is_empty())
}
