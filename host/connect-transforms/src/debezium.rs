//! Debezium's transforms, under their own names.

pub(crate) mod by_logical_table_router;
pub(crate) mod extract_new_record_state;

/// What the schemas of change events are called.
const ENVELOPE: &str = ".Envelope";
