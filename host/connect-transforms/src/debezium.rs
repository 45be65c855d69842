//! Debezium's transforms, under their own names.

mod adjustment;
pub(crate) mod by_logical_table_router;
pub(crate) mod event_router;
pub(crate) mod extract_new_record_state;
pub(crate) mod timezone_converter;

/// What the schemas of change events are called.
const ENVELOPE: &str = ".Envelope";
