//! Aiven's `ExtractTopicFromSchemaName`: the topic out of the name of the value's schema.

use std::collections::HashMap;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordTransformation, Result, Validator,
};

use crate::java_regex::{self, JavaRegex};
use crate::topic_name;

const MAP: &str = "schema.name.topic-map";
const REGEX: &str = "schema.name.regex";

pub(crate) struct ExtractTopicFromSchemaName {
    topics: HashMap<String, String>,
    regex: Option<JavaRegex>,
}

pub(crate) fn config_def() -> ConfigDef {
    let key = |name: &'static str, doc: &'static str| {
        ConfigKey::nullable(name, ConfigType::String, doc).importance(Importance::Low)
    };
    ConfigDef::new(vec![
        key(
            MAP,
            "Names of schemas and the topics of each, such as schema1:topic1,schema2:topic2. A \
             schema that is not listed gives its name.",
        )
        .validator(Validator::Check(|text| topics(text).map(|_| ()))),
        key(
            REGEX,
            "A pattern that is looked for in the name of the schema; its one group is the topic, \
             such as (?:[.]|^)([^.]*)$ for what follows the last dot. Where it finds nothing, the \
             whole name is.",
        )
        .validator(Validator::Check(java_regex::check)),
    ])
}

fn topics(text: &str) -> std::result::Result<HashMap<String, String>, String> {
    let mut topics = HashMap::new();
    for item in text.split(',') {
        let shape = || format!("{item} is not schema:topic");
        let (name, topic) = item.split_once(':').ok_or_else(shape)?;
        if topic.is_empty() || topic.contains(':') {
            return Err(shape());
        }
        if topics.insert(name.to_owned(), topic.to_owned()).is_some() {
            return Err(format!("{name} has more than one topic"));
        }
    }
    Ok(topics)
}

impl ExtractTopicFromSchemaName {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let (map, regex) = (config.optional_text(MAP), config.optional_text(REGEX));
        if map.is_some() && regex.is_some() {
            return Err(Error::config(format!(
                "{MAP} and {REGEX} should not be defined together."
            )));
        }
        let topics = map.map(topics).transpose();
        let regex = regex.filter(|it| !it.is_empty()).map(JavaRegex::find);
        Ok(Self {
            topics: topics
                .map_err(|why| Error::config(why).context(MAP))?
                .unwrap_or_default(),
            regex: regex
                .transpose()
                .map_err(|why| Error::config(why).context(REGEX))?,
        })
    }

    /// The topic of a schema's name.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the group of the pattern took no part in what it
    /// found.
    fn topic<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(topic);
        }
        // As Aiven's: a pattern of no group, or of several, is none.
        let regex = self.regex.as_ref().filter(|it| it.groups() == 2);
        match regex.map(|regex| regex.first(name)).transpose()?.flatten() {
            None => Ok(name),
            Some(found) => found.group(1).ok_or_else(|| {
                Error::data(format!(
                    "the group of {REGEX} took no part in what it found"
                ))
            }),
        }
    }
}

impl RecordTransformation for ExtractTopicFromSchemaName {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let name = record.value.schema.as_ref().and_then(|it| it.name.clone());
        let name = name.ok_or_else(|| Error::data("value schema name can't be null"))?;
        topic_name::route(record, self.topic(&name)?)?;
        Ok(Disposition::Keep)
    }
}
