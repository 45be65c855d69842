//! The HTTP query: each of its paths answers GET with the rows of a read-only statement of
//! Postgres, as JSON. For the worker it is a source that gives no records.

mod endpoint;
mod options;
#[cfg(test)]
mod page;
mod parameters;
mod pool;
mod statement;
mod task;
#[cfg(test)]
mod tests;

use connect_api::{
    Config, ConfigDef, ConfigValue, Connector, Properties, Result, SourceConnector, SourceTask,
    SourceTaskContext,
};

use options::Settings;
use task::HttpQueryTask;

/// Answers requests with rows.
#[derive(Debug)]
pub struct HttpQueryConnector {
    config_def: ConfigDef,
}

impl HttpQueryConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config_def: options::config_def(),
        }
    }
}

impl Default for HttpQueryConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for HttpQueryConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleHttpQuery"]
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
        let Err(error) = Settings::new(&config, None) else {
            return;
        };
        let problem = error.chain();
        let option = problem.split(':').next().unwrap_or_default();
        let of = values.iter().position(|value| value.name == option);
        let of = of.or_else(|| values.iter().position(|value| value.name == "query"));
        if let Some(value) = of.and_then(|at| values.get_mut(at))
            && !value.errors.contains(&problem)
        {
            value.errors.push(problem);
        }
    }
}

impl SourceConnector for HttpQueryConnector {
    fn task(&self, config: &Config, context: &SourceTaskContext) -> Result<Box<dyn SourceTask>> {
        let settings = Settings::new(config, context.provided.clone())?;
        Ok(Box::new(HttpQueryTask::new(settings, context)))
    }
}
