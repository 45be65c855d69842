//! Confluent's transforms (`confluentinc/connect-transforms`), under their own names.

pub(crate) mod drop;
pub(crate) mod extract_topic;
pub(crate) mod filter;
pub(crate) mod message_timestamp_router;
pub(crate) mod tombstone_handler;
