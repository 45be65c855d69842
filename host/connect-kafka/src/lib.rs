//! What the worker and connectors of its own Kafka cluster share of the client library: settings,
//! a producer, topics, and sinks whose transactions move the offsets of the task's group.

mod client;
mod jaas;
mod mark;
mod producer;
mod quiet;
mod sink;
mod topic;

pub use client::client_config;
pub use mark::{CommitMark, GroupOffset, add_marked};
pub use producer::{Producer, Receipt};
pub use quiet::{ClientErrors, IgnorePartitionEof, is_outage, log_line};
pub use sink::{
    GroupMembership, GroupTransaction, TaskSink, TransactionalSinkConnector, TransactionalSinkTask,
};
pub use topic::{TopicCreation, TopicSpec};
