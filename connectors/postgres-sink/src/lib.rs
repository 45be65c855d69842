//! The Postgres sink: COPY, exactly once.

mod bisect;
pub mod client;
mod config;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inspect;
pub mod maintain;
mod put;
mod reader;
mod reported;
mod session;
mod sql;
mod task;
mod url;

use async_trait::async_trait;
use connect_api::{
    Config, ConfigDef, ConfigValue, Connector, Offset, OffsetChange, PendingOffsets, Properties,
    Result, SinkConnector, SinkTask, StateQuery, StateRow, TaskContext, TopicPartition,
};

use config::{Delivery, PostgresSinkConfig};
use put::offsets;
use session::{Keeps, Session};
use task::PostgresSinkTask;

/// Writes records to the tables of a Postgres database.
///
/// The offsets of the records are stored in the same database, by the same transactions, so that
/// each record is written exactly once whatever stops in between.
pub struct PostgresSinkConnector {
    config_def: ConfigDef,
}

impl PostgresSinkConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config_def: config::config_def(),
        }
    }
}

impl Default for PostgresSinkConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for PostgresSinkConnector {
    fn classes(&self) -> &'static [&'static str] {
        &[
            "FerrulePostgresSink",
            "io.confluent.connect.jdbc.JdbcSinkConnector",
            "io.aiven.connect.jdbc.JdbcSinkConnector",
            config::DEBEZIUM,
        ]
    }

    fn task_class(&self, class: &str) -> String {
        let task = match class {
            "io.confluent.connect.jdbc.JdbcSinkConnector" => {
                "io.confluent.connect.jdbc.sink.JdbcSinkTask"
            }
            "io.aiven.connect.jdbc.JdbcSinkConnector" => "io.aiven.connect.jdbc.sink.JdbcSinkTask",
            config::DEBEZIUM => "io.debezium.connector.jdbc.JdbcSinkConnectorTask",
            _ => "FerrulePostgresSinkTask",
        };
        task.to_owned()
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }

    fn normalise(&self, properties: &Properties) -> Properties {
        config::normalise(properties)
    }

    fn validate(&self, properties: &Properties, values: &mut Vec<ConfigValue>) {
        config::validate(properties, values);
    }

    /// Debezium's sink numbers the configs of its tasks, and a worker of Kafka Connect that takes
    /// over runs them as they are.
    fn task_configs(&self, properties: &Properties, max: usize) -> Result<Vec<Properties>> {
        let mut tasks = vec![properties.clone(); max];
        if config::is_debezium(properties) {
            for (number, task) in tasks.iter_mut().enumerate() {
                task.insert("task.id".to_owned(), number.to_string());
            }
        }
        Ok(tasks)
    }
}

#[async_trait]
impl SinkConnector for PostgresSinkConnector {
    fn task(&self, config: &Config, context: &TaskContext) -> Result<Box<dyn SinkTask>> {
        let config = PostgresSinkConfig::resolve(config)?;
        Ok(Box::new(PostgresSinkTask::new(config, context)))
    }

    async fn state(
        &self,
        config: &Config,
        context: &TaskContext,
        query: &StateQuery,
    ) -> Result<Vec<StateRow>> {
        let config = PostgresSinkConfig::resolve(config)?;
        inspect::state(&config, &context.into(), query).await
    }

    async fn offsets(
        &self,
        config: &Config,
        context: &TaskContext,
    ) -> Result<Option<Vec<(TopicPartition, Offset)>>> {
        let config = PostgresSinkConfig::resolve(config)?;
        if config.delivery != Delivery::ExactlyOnce {
            return Ok(None);
        }
        let mut session = session_of(&config, context, Keeps::NOTHING).await?;
        offsets::stored(&mut session, &context.into())
            .await
            .map(Some)
    }

    async fn alter_offsets(
        &self,
        config: &Config,
        context: &TaskContext,
        change: &OffsetChange,
    ) -> Result<Option<Box<dyn PendingOffsets>>> {
        let config = PostgresSinkConfig::resolve(config)?;
        if config.delivery != Delivery::ExactlyOnce {
            return Ok(None);
        }
        let keeps = Keeps {
            offsets: true,
            ..Keeps::NOTHING
        };
        let session = session_of(&config, context, keeps).await?;
        offsets::alter(session, &context.into(), change)
            .await
            .map(Some)
    }
}

/// A session for what is asked of a connector as a whole.
async fn session_of(
    config: &PostgresSinkConfig,
    context: &TaskContext,
    keeps: Keeps,
) -> Result<Session> {
    let name = format!("ferrule:{}", context.connector);
    Session::connect(&config.servers.named(&name), keeps, false).await
}
