//! The HTTP source: the body of each request becomes a record of a topic. A request is answered
//! once Kafka has acknowledged its record, or once it is known why it is refused.

mod body;
mod endpoint;
mod fingerprint;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod memory;
mod options;
#[cfg(test)]
mod page;
mod rate;
mod requests;
mod response;
mod schema;
mod task;
#[cfg(test)]
mod tests;

use connect_api::{
    Config, ConfigDef, ConfigValue, Connector, ExactlyOnceSupport, Properties, Result,
    SourceConnector, SourceTask, SourceTaskContext,
};

use options::{IDEMPOTENCY, Idempotency, Settings, idempotency_of};
use task::HttpSourceTask;

/// Takes requests and sends their bodies to a topic.
#[derive(Debug)]
pub struct HttpSourceConnector {
    config_def: ConfigDef,
}

impl HttpSourceConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config_def: options::config_def(),
        }
    }
}

impl Default for HttpSourceConnector {
    fn default() -> Self {
        Self::new()
    }
}

/// Header converters that write a text as it is, so that a key is found again.
const PLAIN_HEADERS: &[&str] = &["SimpleHeaderConverter", "StringConverter"];

impl Connector for HttpSourceConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleHttpSource"]
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }

    fn validate(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        connect_http::validate(properties, values);
        let Ok(config) = self.config_def.parse(properties) else {
            return;
        };
        let mut problems = Vec::new();
        if let Err(error) = Settings::new(&config) {
            problems.push(error.chain());
        }
        let headers = properties.get("header.converter").map(String::as_str);
        let headers = headers.unwrap_or("SimpleHeaderConverter");
        let class = headers.rsplit('.').next().unwrap_or(headers);
        if idempotency_of(&config) != Idempotency::Ignored && !PLAIN_HEADERS.contains(&class) {
            problems.push(format!(
                "header.converter={class} does not write an Idempotency-Key as it is, so that it \
                 would not be found again: take SimpleHeaderConverter or StringConverter, or set \
                 {IDEMPOTENCY}=ignored"
            ));
        }
        if let Some(value) = values.iter_mut().find(|value| value.name == IDEMPOTENCY) {
            let new = problems
                .iter()
                .filter(|problem| !value.errors.contains(problem));
            let new: Vec<String> = new.cloned().collect();
            value.errors.extend(new);
        }
    }

    /// A key is remembered by one task, so that there is one. Without keys, tasks share the path.
    fn task_configs(&self, properties: &Properties, max: usize) -> Result<Vec<Properties>> {
        let config = self.config_def.parse(properties)?;
        let tasks = match idempotency_of(&config) {
            Idempotency::Ignored => max,
            Idempotency::Optional | Idempotency::Required => 1,
        };
        Ok(vec![properties.clone(); tasks])
    }
}

impl SourceConnector for HttpSourceConnector {
    fn task(&self, config: &Config, context: &SourceTaskContext) -> Result<Box<dyn SourceTask>> {
        let settings = Settings::new(config)?;
        Ok(Box::new(HttpSourceTask::new(settings, context)))
    }

    /// What a client sends again is told from what it sends anew by its key alone.
    fn exactly_once_support(&self, config: &Config) -> ExactlyOnceSupport {
        match idempotency_of(config) {
            Idempotency::Required => ExactlyOnceSupport::Supported,
            Idempotency::Optional | Idempotency::Ignored => ExactlyOnceSupport::Unsupported,
        }
    }
}
