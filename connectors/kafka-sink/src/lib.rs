//! The Kafka sink: records that transforms have made go to other topics of the same cluster,
//! exactly once.
//!
//! The records of a transaction and the offsets that they came from are committed together by
//! Kafka's own transactions (KIP-98, KIP-447).

mod changelog;
mod clients;
mod config;
mod encode;
mod producer;
mod task;

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigValue, Error, Properties, Result, SinkConnector, SinkTask, TaskContext,
};

pub use clients::Clients;
use config::KafkaSinkConfig;
use task::KafkaSinkTask;

/// Writes records to topics of the cluster that they were read from.
#[derive(Debug)]
pub struct KafkaSinkConnector {
    config_def: ConfigDef,
}

impl KafkaSinkConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config_def: config::config_def(),
        }
    }
}

impl Default for KafkaSinkConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl SinkConnector for KafkaSinkConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleKafkaSink"]
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }

    fn normalise(&self, properties: &Properties) -> Properties {
        properties.clone()
    }

    fn validate(&self, _: &Properties, _: &mut Vec<ConfigValue>) {}

    fn task(&self, config: &Config, context: &TaskContext) -> Result<Box<dyn SinkTask>> {
        let clients = context.clients.as_ref();
        let clients = clients.and_then(|c| Arc::clone(c).downcast::<Clients>().ok());
        let clients = clients.ok_or_else(|| Error::fatal("the worker lends no Kafka clients"))?;
        let config = KafkaSinkConfig::resolve(config, &context.connector)?;
        Ok(Box::new(KafkaSinkTask::new(config, context, clients)))
    }
}
