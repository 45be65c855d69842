//! Kafka Connect's built-in single message transforms and predicates; pure.
