//! How much a config may hold. It is looked at where a config comes in, and once more where one
//! that is stored already is used: what would take the worker with it makes its connector FAILED
//! instead.

use connect_api::{Error, Properties, Result};

use super::overrides::Refusal;

/// Most tasks of a connector.
pub const MOST_TASKS: usize = 1000;
/// Most transforms, and most predicates.
pub const MOST_TRANSFORMS: usize = 100;
/// Most topics that a config names.
pub const MOST_TOPICS: usize = 1000;
/// Most keys of a config.
pub const MOST_KEYS: usize = 2000;
/// Most bytes of a key.
pub const KEY_BYTES: usize = 500;
/// Most bytes of a config, and so of each of its values: Kafka takes records of a megabyte, and a
/// config is one.
const CONFIG_BYTES: usize = 900_000;
/// Most bytes of the configs of all tasks of a connector.
const TASKS_BYTES: usize = 16 << 20;
/// Most bytes of a connector's name: the names of its group, clients and metrics hold it.
pub const NAME_BYTES: usize = 249;

/// What is beyond the bounds.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming each key at fault.
pub fn check(name: &str, config: &Properties) -> Result<()> {
    let mut wrong = refusals(config);
    wrong.extend(name_refusal(name).map(|why| refusal("name", why)));
    if wrong.is_empty() {
        return Ok(());
    }
    let told = wrong
        .iter()
        .map(|Refusal { key, why }| format!("{key}: {why}"));
    Err(Error::config(told.collect::<Vec<_>>().join("; ")))
}

/// What is beyond the bounds, by key.
pub(super) fn refusals(config: &Properties) -> Vec<Refusal> {
    if let Some(key) = config.keys().nth(MOST_KEYS) {
        let why = format!(
            "a config has {MOST_KEYS} keys at most, and this one {}",
            config.len()
        );
        return vec![refusal(&shown(key), why)];
    }
    let mut refused: Vec<Refusal> = config
        .iter()
        .filter_map(|(key, value)| Some(refusal(&shown(key), key_refusal(key, value)?)))
        .collect();
    let bytes = bytes_of(config);
    if bytes > CONFIG_BYTES {
        let largest = config.iter().max_by_key(|(_, value)| value.len());
        let key = largest.map_or("", |(key, _)| key);
        let why = format!("a config has {CONFIG_BYTES} bytes at most, and this one {bytes}");
        refused.push(refusal(&shown(key), why));
    }
    refused
}

/// Why the tasks of a config are too many; none: they are not.
pub(super) fn tasks_refusal(config: &Properties, tasks: usize) -> Option<String> {
    if tasks > MOST_TASKS {
        return Some(format!(
            "a connector has {MOST_TASKS} tasks at most, and this one {tasks}"
        ));
    }
    let bytes = bytes_of(config).saturating_mul(tasks);
    (bytes > TASKS_BYTES).then(|| {
        format!(
            "{tasks} tasks with configs of {} bytes each are more than {TASKS_BYTES} bytes",
            bytes_of(config)
        )
    })
}

/// Why a text cannot be the name of a connector; none: it can.
pub(super) fn name_refusal(name: &str) -> Option<String> {
    if name.len() > NAME_BYTES {
        return Some(format!(
            "a name has {NAME_BYTES} bytes at most, and this one {}",
            name.len()
        ));
    }
    name.chars()
        .any(char::is_control)
        .then(|| "a name has no control characters".into())
}

fn key_refusal(key: &str, value: &str) -> Option<String> {
    if key.len() > KEY_BYTES {
        return Some(format!(
            "a key has {KEY_BYTES} bytes at most, and this one {}",
            key.len()
        ));
    }
    if key.chars().any(char::is_control) {
        return Some("a key has no control characters".into());
    }
    // The libraries of Kafka and Postgres, and the system, end a text there.
    value
        .contains('\0')
        .then(|| "the value has a NUL character".into())
}

fn bytes_of(config: &Properties) -> usize {
    config
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
}

/// A key as it is told.
fn shown(key: &str) -> String {
    let cut: String = key.chars().take(60).flat_map(char::escape_debug).collect();
    match key.len() > cut.len() && key.chars().count() > 60 {
        true => format!("{cut}…"),
        false => cut,
    }
}

fn refusal(key: &str, why: String) -> Refusal {
    let key = key.to_owned();
    Refusal { key, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Properties {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_beyond_the_bounds_names_its_key() {
        let long = "x".repeat(KEY_BYTES + 1);
        let large = "x".repeat(CONFIG_BYTES);
        for (given, key) in [
            (config(&[("topics", "a\0b")]), "topics: "),
            (config(&[("a\0b", "x")]), "a\\0b: "),
            (config(&[(&long, "x")]), "xxx"),
            (config(&[("small", "x"), ("large", &large)]), "large: "),
            (
                (0..=MOST_KEYS)
                    .map(|n| (format!("k{n:05}"), String::new()))
                    .collect(),
                "k02000: ",
            ),
        ] {
            let error = check("name", &given).unwrap_err().to_string();
            assert!(error.starts_with(key) && error.len() < 300, "{error}");
        }
        assert!(check("name", &config(&[("a", "\n"), ("b", "")])).is_ok());
        for name in ["a\0", "\n", &"x".repeat(NAME_BYTES + 1)] {
            assert!(check(name, &Properties::new()).is_err());
        }
    }

    #[test]
    fn tasks_are_bounded_in_number_and_bytes() {
        let small = config(&[("k", "v")]);
        assert_eq!(tasks_refusal(&small, MOST_TASKS), None);
        assert!(tasks_refusal(&small, MOST_TASKS + 1).is_some());
        assert!(tasks_refusal(&small, usize::MAX).is_some());
        let large = config(&[("k", &"v".repeat(1 << 19))]);
        assert_eq!(tasks_refusal(&large, 10), None);
        assert!(tasks_refusal(&large, 100).is_some());
    }
}
