//! `${dir:/path:file}`: Kafka's DirectoryConfigProvider, a value a file. So Kubernetes mounts its
//! secrets.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use connect_api::Result;

use super::file::read;
use super::{LocalProvider, Values};

/// Reads files, whole.
#[derive(Debug)]
pub(super) struct DirectoryProvider {
    allowed: Vec<PathBuf>,
}

impl DirectoryProvider {
    pub(super) fn new(allowed: Vec<PathBuf>) -> Self {
        Self { allowed }
    }
}

impl LocalProvider for DirectoryProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        let mut values = Values::new();
        for key in keys {
            let name = Path::new(key);
            let parts: Vec<_> = name.components().collect();
            let file = Path::new(path).join(name);
            let is_plain = matches!(parts[..], [Component::Normal(_)]);
            if is_plain
                && file.is_file()
                && let Some(text) = read(&file, &self.allowed)?
            {
                values.insert(key.clone(), text);
            }
        }
        Ok(values)
    }
}
