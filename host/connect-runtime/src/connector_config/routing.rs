//! `output.topics.allow`: the topics that a connector's plugins may route records to.

use connect_api::{ConfigDef, ConfigKey, ConfigType, Error, Properties, Result, Validator, Width};
use regex::{Regex, RegexBuilder};

use super::Section;
use crate::connectors::{RegisteredConnector, RegisteredSink};

const OUTPUT_TOPICS: &str = "output.topics.allow";
/// Most bytes that a pattern is compiled to.
const PATTERN_SIZE: usize = 1 << 20;

/// The topics that records may have when they leave a chain that has plugins, besides the one with
/// which they came: a plugin is not trusted with a choice that its connector does not make.
#[derive(Clone, Debug)]
pub enum OutputTopics {
    /// All: the names are those of tables, in the rights of a user of the target.
    Any,
    /// Those that one of these matches.
    Matching(Vec<Regex>),
}

impl OutputTopics {
    /// What a config allows. Where topics are topics of Kafka and it names none, there are none.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for what is no regular expression.
    pub fn new(connector: &RegisteredConnector, properties: &Properties) -> Result<Self> {
        let config = ConfigDef::new(vec![routing_key()]).parse(properties)?;
        let writes_kafka = matches!(
            connector,
            RegisteredConnector::Source(_)
                | RegisteredConnector::Sink(RegisteredSink::Transactional(_))
        );
        let given = config.list(OUTPUT_TOPICS);
        if given.is_empty() && !writes_kafka {
            return Ok(Self::Any);
        }
        let patterns = given.iter().map(|text| pattern(text));
        let invalid = |why| Error::config(format!("{OUTPUT_TOPICS}: {why}"));
        let patterns: std::result::Result<_, String> = patterns.collect();
        patterns.map(Self::Matching).map_err(invalid)
    }

    /// What is wrong with a record that leaves the chain for another topic than it came with.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the topic is not allowed.
    pub fn check(&self, came_with: &str, leaves_for: &str) -> Result<()> {
        match self {
            Self::Matching(patterns)
                if came_with != leaves_for && !patterns.iter().any(|p| p.is_match(leaves_for)) =>
            {
                let shown: String = leaves_for.chars().take(249).collect();
                Err(Error::data(format!(
                    "a plugin routes the record to topic {shown}, which {OUTPUT_TOPICS} does not \
                     allow"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The option, where a config has it: Kafka Connect's clients know the other ones by heart.
pub(super) fn section(config: &Properties) -> Option<Section> {
    let def = || ConfigDef::new(vec![routing_key()]);
    config
        .contains_key(OUTPUT_TOPICS)
        .then(|| Section::new(def(), config))
}

fn routing_key() -> ConfigKey {
    ConfigKey::new(
        OUTPUT_TOPICS,
        ConfigType::List,
        "",
        "Regular expressions of the topics that plugins in transforms may route records to, besides \
         the topic that a record comes with; each matches whole names. A source, and a sink that \
         writes to Kafka, lets plugins route nowhere else unless it is set. Other sinks let them \
         route anywhere unless it is set. The worker's own topics are refused whatever it says.",
    )
    .validator(Validator::Check(patterns))
    .group("Transforms")
    .display(Width::Long, "Topics that plugins may route to")
}

fn patterns(list: &str) -> std::result::Result<(), String> {
    let mut items = list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items.try_for_each(|item| pattern(item).map(drop))
}

fn pattern(text: &str) -> std::result::Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(PATTERN_SIZE)
        .build()
        .map_err(|_| "Must be a list of valid regular expressions, without look-around".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors;

    #[test]
    fn plugins_route_only_where_the_config_says() {
        let connector = |class: &str| {
            let mut all = connectors::all().into_iter();
            all.find(|c| c.class() == class).unwrap()
        };
        let topics = |class: &str, allow: &str| {
            let config = Properties::from([(OUTPUT_TOPICS.to_owned(), allow.to_owned())]);
            OutputTopics::new(&connector(class), &config)
        };
        let kafka = "FerruleKafkaSink";
        let postgres = connectors::all()[1].class();
        for (class, allow, to, expect) in [
            (kafka, "", "t", true),
            (kafka, "", "other", false),
            (kafka, "out-.*, x", "out-1", true),
            (kafka, "out-.*, x", "x", true),
            (kafka, "out-.*, x", "a-out-1", false),
            (kafka, "x|y", "xz", false),
            (postgres, "", "other", true),
            (postgres, "x", "other", false),
        ] {
            let allowed = topics(class, allow).unwrap().check("t", to).is_ok();
            assert_eq!(allowed, expect, "{class} {allow} {to}");
        }
        assert!(topics(kafka, "(").is_err());
        assert!(topics(kafka, "(a{1000}){1000}").is_err());
    }
}
