//! What the fuzz targets call beyond the public interface.

pub use crate::put::encode::value::fuzzing::{FuzzColumn, FuzzRules, columns, field, rules};

/// Reads `connection.url`: the hosts and ports that it names.
///
/// # Errors
/// What is wrong with it, without a part of it.
pub fn hosts(url: &str) -> Result<Vec<(String, u16)>, String> {
    crate::url::parse(url).map(|target| target.hosts)
}
