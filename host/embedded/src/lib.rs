//! Kafka, Schema Registry and Postgres in one process tree, for ferrule dev.
