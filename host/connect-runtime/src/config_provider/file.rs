//! `${file:/path/of.properties:key}`: Kafka's FileConfigProvider.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use connect_api::{Error, Result, read_config_file};
use tracing::warn;

use super::{LocalProvider, Values};
use crate::config::parse_properties;

/// Reads files of properties.
#[derive(Debug)]
pub(super) struct FileProvider {
    allowed: Vec<PathBuf>,
}

impl FileProvider {
    pub(super) fn new(allowed: Vec<PathBuf>) -> Self {
        Self { allowed }
    }
}

impl LocalProvider for FileProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        let text = read(Path::new(path), &self.allowed)?;
        let properties = text.map(|text| parse_properties(&text)).transpose()?;
        let all = properties.unwrap_or_default().into_iter();
        Ok(all.filter(|(key, _)| keys.contains(key)).collect())
    }
}

/// None when the path lies outside of the allowed ones.
pub(super) fn read(path: &Path, allowed: &[PathBuf]) -> Result<Option<String>> {
    let failed = |cause| {
        let text = format!("could not read {}", path.display());
        // Whoever writes the file may be late, or about to write it again.
        Error::config(text).with_source(cause).transient()
    };
    if !allowed.is_empty() {
        // Links and `..` must not lead out.
        let real = path.canonicalize().map_err(failed)?;
        let within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|f| real.starts_with(f));
        if !allowed.iter().any(within) {
            warn!(path = %path.display(), "the path lies outside of allowed.paths");
            return Ok(None);
        }
    }
    let bytes = read_config_file(path).map_err(failed)?;
    let text = String::from_utf8(bytes);
    let invalid = |_| Error::config(format!("{} is not text in UTF-8", path.display()));
    text.map(Some).map_err(invalid)
}
