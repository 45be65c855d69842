//! What the worker and connectors of its own Kafka cluster share of the client library: settings,
//! a producer, topics, and sinks whose transactions move the offsets of the task's group.

mod cause;
mod client;
mod cluster;
mod login;
mod mark;
mod meter;
mod output_topic;
mod producer;
mod quiet;
mod settings;
mod sink;
mod stores;
mod topic;

pub use cause::SettingsOf;
pub use client::client_config;
pub use cluster::{cluster_id, group_list};
pub use login::{KafkaClient, LoginOutcome, LogsIn, TOKEN_ENDPOINT, create};
pub use mark::{CommitMark, GroupOffset, add_marked};
pub use meter::{
    ClientMeter, ClientNumbers, Measured, NodeNumbers, Spread, TopicNumbers, client_version,
};
pub use output_topic::{output_topic_refusal, topic_name_refusal};
pub use producer::{Producer, Receipt};
pub use quiet::{
    ClientErrors, IgnorePartitionEof, is_outage, log_line, told_by, unreachable_because,
};
pub use settings::{
    GivenBy, has_no_effect, is_secret_setting, overridable_settings, setting_refusal,
};
pub use sink::{
    GroupMembership, GroupTransaction, TaskSink, TransactionalSinkConnector, TransactionalSinkTask,
};
pub use topic::{TopicCreation, TopicSpec, brokers, replication_refusal};
