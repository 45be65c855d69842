//! What is to be done to a topic so that it is as described.

use std::collections::BTreeMap;

use connect_runtime::suggest::closest;

use super::file::Topic;

/// A topic as Kafka has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many partitions it has.
    pub partitions: i32,
    /// The fewest replicas that one of them has.
    pub replicas: i32,
    /// All its settings, those of the broker among them.
    pub settings: BTreeMap<String, String>,
}

/// A topic, and the steps to what its file says; none: it is so.
#[derive(Debug, PartialEq)]
pub struct Change<'a> {
    pub topic: &'a Topic,
    pub steps: Vec<Step>,
}

/// One thing that differs.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The topic is missing.
    Create,
    /// It has fewer partitions.
    AddPartitions { from: i32 },
    /// A setting has another value; none: the broker does not tell it.
    Alter {
        setting: String,
        from: Option<String>,
        to: String,
    },
    /// It cannot be done.
    Refused(String),
}

impl Change<'_> {
    /// Whether something of it cannot be done.
    pub fn is_refused(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step, Step::Refused(_)))
    }
}

impl Step {
    /// What a plan shows.
    pub fn lines(&self, topic: &Topic) -> Vec<String> {
        let name = &topic.name;
        match self {
            Self::Create => {
                let replicas = match topic.replication_factor {
                    -1 => "the broker's number of replicas".to_owned(),
                    1 => "1 replica".to_owned(),
                    many => format!("{many} replicas"),
                };
                let partitions = topic.partitions;
                let word = if partitions == 1 {
                    "partition"
                } else {
                    "partitions"
                };
                let first = format!("create      {name}  {partitions} {word}, {replicas}");
                let settings = topic.settings().into_iter();
                let settings = settings.map(|(key, value)| format!("              {key}={value}"));
                std::iter::once(first).chain(settings).collect()
            }
            Self::AddPartitions { from } => vec![
                format!("partitions  {name}  {from} -> {}", topic.partitions),
                "              keys move: from now on records of a key may be on another partition \
                 than those before"
                    .to_owned(),
            ],
            Self::Alter { setting, from, to } => {
                let from = from.as_deref().unwrap_or("not told");
                vec![format!("setting     {name}  {setting}  {from} -> {to}")]
            }
            Self::Refused(why) => vec![format!("REFUSED     {name}  {why}")],
        }
    }
}

/// What differs between a topic's description and what there is; none: there is no such topic.
pub fn change<'a>(topic: &'a Topic, found: Option<&Found>) -> Change<'a> {
    let Some(found) = found else {
        return Change {
            topic,
            steps: vec![Step::Create],
        };
    };
    let mut steps = Vec::new();
    if topic.partitions < found.partitions {
        steps.push(Step::Refused(format!(
            "it has {} partitions, and Kafka takes none away to come to {}",
            found.partitions, topic.partitions
        )));
    } else if topic.partitions > found.partitions {
        steps.push(Step::AddPartitions {
            from: found.partitions,
        });
    }
    if topic.replication_factor > 0 && topic.replication_factor != found.replicas {
        steps.push(Step::Refused(format!(
            "its partitions have {} replicas, not {}: kafka-reassign-partitions.sh moves them",
            found.replicas, topic.replication_factor
        )));
    }
    for (setting, to) in topic.settings() {
        if let Some(why) = unknown(setting, found) {
            steps.push(Step::Refused(why));
            continue;
        }
        let from = found.settings.get(setting).cloned();
        if from.as_deref() != Some(&*to) {
            steps.push(Step::Alter {
                setting: setting.to_owned(),
                from,
                to,
            });
        }
    }
    Change { topic, steps }
}

/// What is wrong with the name of a setting: Kafka takes any when the settings of a topic that is
/// there are changed, and forgets it. Only a broker that tells all that there are is asked.
fn unknown(setting: &str, found: &Found) -> Option<String> {
    let tells_all = found.settings.contains_key("segment.jitter.ms");
    if !tells_all || found.settings.contains_key(setting) {
        return None;
    }
    let known = found.settings.keys().map(String::as_str);
    Some(match closest(setting, known) {
        Some(meant) => format!("{setting} is no setting of a topic; is {meant} meant?"),
        None => format!("{setting} is no setting of a topic"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> Topic {
        let text = r#"{"name": "t", "partitions": 3, "replication.factor": 1,
                       "config": {"retention.ms": "5", "compression.type": "snappy"}}"#;
        serde_json::from_str(text).unwrap()
    }

    fn found() -> Found {
        let settings = [
            ("retention.ms", "5"),
            ("compression.type", "snappy"),
            ("max.message.bytes", "7"),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Found {
            partitions: 3,
            replicas: 1,
            settings: settings.into(),
        }
    }

    #[test]
    fn what_is_as_described_stays() {
        assert_eq!(change(&topic(), Some(&found())).steps, []);
        assert_eq!(change(&topic(), None).steps, [Step::Create]);
    }

    #[test]
    fn what_differs_and_nothing_else_is_changed() {
        let topic = topic();
        let mut other = found();
        other.partitions = 1;
        other.settings.insert("retention.ms".into(), "6".into());
        other.settings.remove("compression.type");
        let alter = |setting: &str, from: Option<&str>, to: &str| Step::Alter {
            setting: setting.into(),
            from: from.map(str::to_owned),
            to: to.into(),
        };
        let steps = change(&topic, Some(&other)).steps;
        let expected = [
            Step::AddPartitions { from: 1 },
            alter("compression.type", None, "snappy"),
            alter("retention.ms", Some("6"), "5"),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn what_kafka_cannot_do_is_refused() {
        let topic = topic();
        for other in [
            Found {
                partitions: 4,
                ..found()
            },
            Found {
                replicas: 3,
                ..found()
            },
        ] {
            let change = change(&topic, Some(&other));
            assert!(change.is_refused(), "{change:?}");
        }
    }

    #[test]
    fn a_setting_that_kafka_does_not_have_is_refused() {
        let text = r#"{"name": "t", "partitions": 3, "config": {"retention.sm": "5"}}"#;
        let topic: Topic = serde_json::from_str(text).unwrap();
        let mut found = found();
        assert!(!change(&topic, Some(&found)).is_refused());
        found
            .settings
            .insert("segment.jitter.ms".into(), "0".into());
        let steps = change(&topic, Some(&found)).steps;
        let why = "retention.sm is no setting of a topic; is retention.ms meant?";
        assert_eq!(steps, [Step::Refused(why.into())]);
    }
}
