//! What the fuzz targets call beyond the public interface.

pub use crate::herder::fuzzing::{ClusterTopic, ConfigTopic};
pub use crate::rest::fuzzing::{read_create, read_offsets};
pub use crate::storage::fuzzing::{source_offset_key, source_offsets};
