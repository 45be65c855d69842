//! The files that describe topics.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use connect_kafka::topic_name_refusal;
use serde::Deserialize;
use serde_json::Value as Json;

/// The broker's default.
const DEFAULT_REPLICATION: i32 = -1;

/// A topic as a file describes it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has at least.
    pub partitions: i32,
    /// How many replicas each partition has; -1 is the broker's default.
    #[serde(rename = "replication.factor", default = "default_replication")]
    pub replication_factor: i32,
    /// Its settings, by Kafka's names. Those that are not named are left alone.
    #[serde(default)]
    config: BTreeMap<String, Json>,
    /// What it is for: for people.
    #[serde(default)]
    pub doc: Option<String>,
    /// What its records are keyed by: for people.
    #[serde(default)]
    pub key: Option<String>,
    /// The consumer groups that read it, and what for: for people.
    #[serde(rename = "consumer.groups", default)]
    pub consumer_groups: BTreeMap<String, String>,
}

fn default_replication() -> i32 {
    DEFAULT_REPLICATION
}

impl Topic {
    /// The settings as text, as Kafka has them.
    pub fn settings(&self) -> BTreeMap<&str, String> {
        let settings = self.config.iter().map(|(name, value)| {
            let value = match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            (&**name, value)
        });
        settings.collect()
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        if let Some(why) = topic_name_refusal(name) {
            bail!("topic {name:?}: {why}");
        }
        ensure!(
            self.partitions > 0,
            "topic {name}: partitions is {}, and a topic has 1 at least",
            self.partitions
        );
        ensure!(
            self.replication_factor > 0 || self.replication_factor == DEFAULT_REPLICATION,
            "topic {name}: replication.factor is {}; it is 1 at least, or -1 for the broker's \
             default",
            self.replication_factor
        );
        let plain = |value: &Json| !matches!(value, Json::Array(_) | Json::Object(_) | Json::Null);
        for (setting, value) in &self.config {
            ensure!(
                plain(value),
                "topic {name}: config {setting} is no text or number; leave out what is to stay as \
                 it is"
            );
        }
        Ok(())
    }
}

/// Reads files, and those of folders that end in `.json`, in the order of their names.
pub fn read(files: &[PathBuf]) -> Result<Vec<Topic>> {
    let mut all: Vec<Topic> = Vec::new();
    for file in listed(files)? {
        let topics = read_file(&file).with_context(|| file.display().to_string())?;
        for topic in topics {
            match all.iter().find(|known| known.name == topic.name) {
                None => all.push(topic),
                Some(known) if *known == topic => {}
                Some(_) => bail!(
                    "{}: topic {} is described twice, and not alike",
                    file.display(),
                    topic.name
                ),
            }
        }
    }
    Ok(all)
}

/// The topics of one file.
pub fn read_file(file: &Path) -> Result<Vec<Topic>> {
    parse(&fs::read_to_string(file)?)
}

/// The topics that the text of a file describes.
pub fn parse(text: &str) -> Result<Vec<Topic>> {
    let topics: Vec<Topic> = serde_json::from_str(text)?;
    topics.iter().try_for_each(Topic::check)?;
    Ok(topics)
}

/// Files, and the `.json` files of folders.
pub fn listed(files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let name = || file.display().to_string();
        let entries = fs::read_dir(file).with_context(name)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<Result<Vec<_>>>().with_context(name)?;
        paths.retain(|path| path.extension().is_some_and(|it| it == "json") && path.is_file());
        paths.sort();
        ensure!(!paths.is_empty(), "{} has no .json files", file.display());
        all.extend(paths);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(text: &str) -> Result<Vec<Topic>> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("a.json"), text)?;
        read(&[folder.path().to_owned()])
    }

    #[test]
    fn settings_may_be_numbers() {
        let text = r#"[{"name": "t", "partitions": 2,
                        "config": {"retention.ms": 5, "preallocate": true, "x": "y"}}]"#;
        let topics = topics(text).unwrap();
        assert_eq!(topics[0].replication_factor, -1);
        let settings = topics[0].settings();
        assert_eq!(settings["retention.ms"], "5");
        assert_eq!(settings["preallocate"], "true");
        assert_eq!(settings["x"], "y");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            (r#"[{"name": "a b", "partitions": 1}]"#, "a b"),
            (r#"[{"name": "t", "partitions": 0}]"#, "partitions is 0"),
            (
                r#"[{"name": "t", "partitions": 1, "replication.factor": 0}]"#,
                "replication.factor",
            ),
            (
                r#"[{"name": "t", "partitions": 1, "config": {"k": null}}]"#,
                "config k",
            ),
            (r#"[{"name": "t", "partitoins": 1}]"#, "partitoins"),
            (r#"{"name": "t"}"#, "a.json"),
            (
                r#"[{"name": "t", "partitions": 1}, {"name": "t", "partitions": 2}]"#,
                "twice",
            ),
        ] {
            let told = format!("{:#}", topics(text).unwrap_err());
            assert!(told.contains(word), "{told}");
        }
    }
}
