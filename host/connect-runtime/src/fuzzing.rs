//! What the fuzz targets call beyond the public interface. The files of topics and of JSON Schema
//! belong to the binary, which nobody can depend on: they are compiled here once more.

#[path = "schema/json_schema.rs"]
pub mod json_schema;
#[path = "topics/file.rs"]
pub mod topic_file;

pub use crate::herder::fuzzing::{ClusterTopic, ConfigTopic};
pub use crate::rest::fuzzing::{read_create, read_offsets};
pub use crate::storage::fuzzing::{source_offset_key, source_offsets};
