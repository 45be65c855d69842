//! Aiven's transforms (`transforms-for-apache-kafka-connect`), under their own names.

pub(crate) mod case_transform;
pub(crate) mod concat_fields;
pub(crate) mod extract_timestamp;
pub(crate) mod extract_topic;
pub(crate) mod extract_topic_from_schema_name;
pub(crate) mod filter_by_field_value;
pub(crate) mod hash;
pub(crate) mod key_to_value;
pub(crate) mod make_tombstone;
