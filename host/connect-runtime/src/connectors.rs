//! The connectors of this worker: a connector is added by one line of [`all`].

use std::sync::Arc;

use connect_api::{Config, Connector, Result, SinkConnector, SourceConnector, TaskContext};
use connect_kafka::{TaskSink, TransactionalSinkConnector};

/// A connector, and which way its records go.
#[derive(Clone)]
pub enum RegisteredConnector {
    /// From Kafka to a target.
    Sink(RegisteredSink),
    /// From a system to Kafka.
    Source(Arc<dyn SourceConnector>),
}

/// A sink connector, by what its tasks need of the worker.
#[derive(Clone)]
pub enum RegisteredSink {
    /// The worker commits the offsets to the task's group.
    Plain(Arc<dyn SinkConnector>),
    /// Its tasks may move the offsets of their group in transactions of Kafka.
    Transactional(Arc<dyn TransactionalSinkConnector>),
}

/// Every connector that a config may name.
pub fn all() -> Vec<RegisteredConnector> {
    vec![
        sink(blackhole_sink::BlackholeSinkConnector::new()),
        sink(postgres_sink::PostgresSinkConnector::new()),
        transactional_sink(kafka_sink::KafkaSinkConnector::new()),
        source(file_stream_source::FileStreamSourceConnector::new()),
        source(http_source::HttpSourceConnector::new()),
        source(http_query::HttpQueryConnector::new()),
    ]
}

fn sink(connector: impl SinkConnector + 'static) -> RegisteredConnector {
    RegisteredConnector::Sink(RegisteredSink::Plain(Arc::new(connector)))
}

fn transactional_sink(connector: impl TransactionalSinkConnector + 'static) -> RegisteredConnector {
    RegisteredConnector::Sink(RegisteredSink::Transactional(Arc::new(connector)))
}

impl RegisteredSink {
    /// What it has in common with all other sinks.
    pub fn connector(&self) -> &dyn SinkConnector {
        match self {
            Self::Plain(sink) => &**sink,
            Self::Transactional(sink) => &**sink,
        }
    }

    /// Makes a task.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the configuration cannot be used.
    pub fn task(&self, config: &Config, context: &TaskContext) -> Result<TaskSink> {
        Ok(match self {
            Self::Plain(sink) => TaskSink::Plain(sink.task(config, context)?),
            Self::Transactional(sink) => {
                TaskSink::Transactional(sink.transactional_task(config, context)?)
            }
        })
    }
}

fn source(connector: impl SourceConnector + 'static) -> RegisteredConnector {
    RegisteredConnector::Source(Arc::new(connector))
}

impl RegisteredConnector {
    /// What it has in common with all others.
    pub fn connector(&self) -> &dyn Connector {
        match self {
            Self::Sink(sink) => sink.connector(),
            Self::Source(source) => &**source,
        }
    }

    /// `sink` or `source`, as REST names the kinds.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Sink(_) => "sink",
            Self::Source(_) => "source",
        }
    }

    /// Its own class, which also stands in its tasks' `task.class`.
    pub fn class(&self) -> &'static str {
        self.connector().classes()[0]
    }

    /// Whether both are the same connector.
    pub fn is(&self, other: &Self) -> bool {
        self.class() == other.class()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::KAFKA_VERSION;

    #[test]
    fn connectors_of_kafka_have_its_version() {
        let all = all();
        let kafkas: Vec<_> = all
            .iter()
            .map(RegisteredConnector::connector)
            .filter(|one| {
                let mut classes = one.classes().iter();
                classes.any(|class| class.starts_with("org.apache.kafka."))
            })
            .collect();
        assert!(!kafkas.is_empty());
        assert!(kafkas.iter().all(|one| one.version() == KAFKA_VERSION));
    }
}
