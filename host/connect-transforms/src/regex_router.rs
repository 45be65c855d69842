//! `RegexRouter`: another topic, from a pattern and a replacement.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordTransformation, Result, Validator,
};

use crate::java_regex::{self, JavaRegex, Replacement};

/// The most bytes of a topic's name: Kafka takes 249. Each group may stand in the replacement more
/// than once, and one router may follow another.
const MAX_NAME: usize = 1024;

/// Topics whose new name is kept.
const MAX_TOPICS: usize = 1024;

pub(crate) struct RegexRouter {
    whole: JavaRegex,
    find: JavaRegex,
    replacement: Replacement,
    /// Records of one topic go on sharing one name.
    routes: HashMap<Arc<str>, Arc<str>>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required(
            "regex",
            ConfigType::String,
            "Regular expression to use for matching.",
        )
        .validator(Validator::Check(java_regex::check))
        .importance(Importance::High),
        ConfigKey::required("replacement", ConfigType::String, "Replacement string.")
            .importance(Importance::High),
    ])
}

impl RegexRouter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let pattern = config.text("regex");
        let regex = |why| Error::config(why).context("regex");
        let find = JavaRegex::find(pattern).map_err(regex)?;
        let replacement = Replacement::new(config.text("replacement"), &find)
            .map_err(|why| Error::config(why).context("replacement"))?;
        Ok(Self {
            whole: JavaRegex::whole(pattern).map_err(regex)?,
            find,
            replacement,
            routes: HashMap::new(),
        })
    }
}

impl RecordTransformation for RegexRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        if let Some(routed) = self.routes.get(&record.topic) {
            record.topic = Arc::clone(routed);
            return Ok(Disposition::Keep);
        }
        let topic = Arc::clone(&record.topic);
        if self.whole.is_match(&topic)? {
            let routed = self.replacement.replace_first(&self.find, &topic)?;
            if routed.len() > MAX_NAME {
                return Err(Error::data(format!(
                    "the new topic's name would be {} bytes, and at most {MAX_NAME} are taken",
                    routed.len()
                )));
            }
            record.topic = routed.into();
        }
        if self.routes.len() < MAX_TOPICS {
            self.routes.insert(topic, Arc::clone(&record.topic));
        }
        Ok(Disposition::Keep)
    }
}
