//! The topic of source offsets, for the fuzz targets.

use connect_api::{SourceOffset, SourcePartition};

use super::{StoredRecord, source_offsets};

/// The key of a record.
pub fn source_offset_key(connector: &str, partition: &SourcePartition) -> String {
    source_offsets::key(connector, partition)
}

/// What the records say of a connector.
pub fn source_offsets(
    connector: &str,
    records: Vec<StoredRecord>,
) -> Vec<(SourcePartition, SourceOffset)> {
    source_offsets::offsets_of(connector, records)
}
