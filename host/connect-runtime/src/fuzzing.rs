//! What the fuzz targets call beyond the public interface. The files of topics and of JSON Schema
//! belong to the binary, which nobody can depend on: they are compiled here once more.

#[path = "schema/json_schema.rs"]
pub mod json_schema;
#[path = "topics/file.rs"]
pub mod topic_file;

pub use crate::config_provider::fuzzing as config_provider;
pub use crate::herder::fuzzing::{ClusterTopic, ConfigTopic};
pub use crate::rest::fuzzing::{
    is_own_page, login_files, query_value, read_create, read_offsets, takes_json,
};
pub use crate::storage::fuzzing::{source_offset_key, source_offsets};
