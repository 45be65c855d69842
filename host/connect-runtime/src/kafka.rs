//! Kafka clients of the worker and its connectors.

pub mod settings;

pub use connect_kafka::client_config;
