//! Kafka clients of the worker and its connectors.

mod record;
pub mod settings;

pub use connect_kafka::client_config;
pub use record::{raw_record, timestamp};
