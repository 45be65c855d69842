//! The connectors of this worker: a connector is added by one line of [`all`].

use std::sync::Arc;

use connect_api::{Connector, SinkConnector};

/// A connector, and which way its records go.
#[derive(Clone)]
pub enum RegisteredConnector {
    /// From Kafka to a target.
    Sink(Arc<dyn SinkConnector>),
}

/// Every connector that a config may name.
pub fn all() -> Vec<RegisteredConnector> {
    vec![
        sink(postgres_sink::PostgresSinkConnector::new()),
        sink(kafka_sink::KafkaSinkConnector::new()),
    ]
}

fn sink(connector: impl SinkConnector + 'static) -> RegisteredConnector {
    RegisteredConnector::Sink(Arc::new(connector))
}

impl RegisteredConnector {
    /// What it has in common with all others.
    pub fn connector(&self) -> &dyn Connector {
        match self {
            Self::Sink(sink) => &**sink,
        }
    }

    /// `sink` or `source`, as REST names the kinds.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Sink(_) => "sink",
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
