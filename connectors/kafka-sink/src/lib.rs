//! The Kafka sink: records that transforms have made go to other topics of the same cluster,
//! exactly once.
//!
//! The records of a transaction and the offsets that they came from are committed together by
//! Kafka's own transactions (KIP-98, KIP-447).

mod alter;
mod changelog;
mod clients;
mod config;
mod producer;
mod task;

use std::sync::Arc;

use async_trait::async_trait;
use connect_api::{
    Config, ConfigDef, ConfigValue, Connector, Error, OffsetChange, PendingOffsets, Properties,
    Result, SinkConnector, SinkTask, StateQuery, StateRow, TaskContext,
};

use connect_kafka::{TransactionalSinkConnector, TransactionalSinkTask, output_topic_refusal};

#[cfg(feature = "fuzzing")]
pub use changelog::fuzzing;

use changelog::Changelog;
use clients::Clients;
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

impl Connector for KafkaSinkConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleKafkaSink"]
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }

    fn validate(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        config::validate(properties, values);
    }
}

#[async_trait]
impl SinkConnector for KafkaSinkConnector {
    fn task(&self, config: &Config, context: &TaskContext) -> Result<Box<dyn SinkTask>> {
        Ok(self.transactional_task(config, context)?)
    }

    async fn state(
        &self,
        config: &Config,
        context: &TaskContext,
        query: &StateQuery,
    ) -> Result<Vec<StateRow>> {
        let clients = Arc::new(Clients::new(&context.clients)?);
        let config = KafkaSinkConfig::resolve(config, &context.connector);
        let query = query.clone();
        let changelog = Changelog::new(config.changelog, clients, Vec::new());
        apart(move || changelog.inspect(&query)).await
    }

    /// The offsets are the group's, whom the worker changes; the state is kept here.
    async fn alter_offsets(
        &self,
        config: &Config,
        context: &TaskContext,
        change: &OffsetChange,
    ) -> Result<Option<Box<dyn PendingOffsets>>> {
        let clients = Arc::new(Clients::new(&context.clients)?);
        let connector = context.connector.clone();
        let config = KafkaSinkConfig::resolve(config, &connector);
        let change = change.clone();
        if config.exactly_once {
            apart(move || alter::alter(config.changelog, &clients, &connector, &change)).await?;
        }
        Ok(None)
    }
}

impl TransactionalSinkConnector for KafkaSinkConnector {
    fn transactional_task(
        &self,
        config: &Config,
        context: &TaskContext,
    ) -> Result<Box<dyn TransactionalSinkTask>> {
        let clients = Arc::new(Clients::new(&context.clients)?);
        let config = KafkaSinkConfig::resolve(config, &context.connector);
        if let Some(why) = output_topic_refusal(&config.changelog.topic, &clients.internal_topics) {
            return Err(Error::config(format!("state.topic.name: {why}")));
        }
        Ok(Box::new(KafkaSinkTask::new(config, context, clients)))
    }
}

/// Work that blocks, on a thread of its own.
async fn apart<R: Send + 'static>(work: impl FnOnce() -> Result<R> + Send + 'static) -> Result<R> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::fatal("the client's thread panicked"))?
}
