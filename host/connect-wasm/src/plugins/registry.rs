//! What is on the plugin path.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use connect_api::{Error, Result};

use super::load::{Loaded, Loader, read};

/// By which a changed file is told.
type Stamp = (Option<SystemTime>, u64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.modified().ok(), metadata.len())
}

/// A file, and what became of it.
struct File {
    stamp: Stamp,
    /// None: it could not be loaded, and is not tried again until it changes.
    plugin: Option<Arc<Loaded>>,
}

/// Files by their place on the path: of two plugins with one name the first is used.
#[derive(Default)]
pub(super) struct Registry {
    files: BTreeMap<(usize, PathBuf), File>,
}

impl Registry {
    /// Brings the registry up to date with the path.
    pub(super) fn scan(&mut self, path: &[PathBuf], loader: &Loader) {
        let mut seen = BTreeMap::new();
        for (place, directory) in path.iter().enumerate() {
            for file in wasm_files(directory) {
                let Ok(metadata) = fs::metadata(&file) else {
                    continue;
                };
                let stamp = stamp(&metadata);
                let key = (place, file);
                let known = self.files.remove(&key).filter(|f| f.stamp == stamp);
                let file = known.unwrap_or_else(|| File {
                    stamp,
                    plugin: self.load(&key.1, &seen, loader),
                });
                seen.insert(key, file);
            }
        }
        self.files = seen;
    }

    /// Loads a file that need not be on the path.
    pub(super) fn add(&mut self, path: &Path, loader: &Loader) -> Result<Arc<Loaded>> {
        let wrong = |e: &dyn std::fmt::Display| Error::config(format!("{}: {e}", path.display()));
        let metadata = fs::metadata(path).map_err(|e| wrong(&e))?;
        let (bytes, sha256) = read(path).map_err(|e| wrong(&e))?;
        let plugin = loader.load(path, &bytes, sha256).map_err(|e| wrong(&e))?;
        let plugin = Arc::new(plugin);
        let file = File {
            stamp: stamp(&metadata),
            plugin: Some(Arc::clone(&plugin)),
        };
        self.files.insert((0, path.to_owned()), file);
        Ok(plugin)
    }

    fn load(
        &self,
        path: &Path,
        seen: &BTreeMap<(usize, PathBuf), File>,
        loader: &Loader,
    ) -> Option<Arc<Loaded>> {
        let (bytes, sha256) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read a WASM plugin");
                return None;
            }
        };
        let loaded = || seen.values().chain(self.files.values());
        // One compiled copy for each digest, wherever its files lie.
        if let Some(same) = loaded()
            .filter_map(|file| file.plugin.as_ref())
            .find(|plugin| plugin.info.sha256 == sha256)
        {
            return Some(Arc::clone(same));
        }
        match loader.load(path, &bytes, sha256) {
            Ok(plugin) => {
                let others = || seen.values().filter_map(|file| file.plugin.as_ref());
                if let Some(other) = others().find(|p| p.info.name == plugin.info.name) {
                    tracing::warn!(
                        path = %path.display(),
                        used = %other.info.path.display(),
                        "two files are the WASM plugin {}; the first is used",
                        plugin.info.name
                    );
                }
                tracing::info!(
                    path = %path.display(),
                    version = plugin.info.version,
                    sha256 = plugin.info.sha256,
                    "loaded the WASM plugin {}",
                    plugin.info.name
                );
                Some(Arc::new(plugin))
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot load a WASM plugin");
                None
            }
        }
    }

    /// The plugin of a name, if its file is as it was.
    pub(super) fn fresh(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        let ((_, path), file) = self.entry(name, pin)?;
        let now = fs::metadata(path).ok().map(|m| stamp(&m));
        (now == Some(file.stamp)).then(|| file.plugin.clone())?
    }

    /// The first plugin of a name; with a pin, the one that has this digest.
    pub(super) fn find(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        self.entry(name, pin)?.1.plugin.clone()
    }

    fn entry(&self, name: &str, pin: Option<&str>) -> Option<(&(usize, PathBuf), &File)> {
        self.files.iter().find(|(_, file)| {
            file.plugin.as_ref().is_some_and(|plugin| {
                plugin.info.name == name && pin.is_none_or(|pin| plugin.info.sha256 == pin)
            })
        })
    }

    /// The plugins that names lead to, by name.
    pub(super) fn list(&self) -> impl Iterator<Item = &Loaded> {
        let mut by_name = BTreeMap::new();
        for plugin in self
            .files
            .values()
            .filter_map(|file| file.plugin.as_deref())
        {
            by_name.entry(plugin.info.name.as_str()).or_insert(plugin);
        }
        by_name.into_values()
    }
}

/// `*.wasm` in the directory and in its subdirectories, sorted.
fn wasm_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for path in entries(directory) {
        if is_wasm(&path) {
            files.push(path);
        } else if path.is_dir() {
            directories.push(path);
        }
    }
    for directory in directories {
        files.extend(entries(&directory).into_iter().filter(|path| is_wasm(path)));
    }
    files.sort();
    files
}

fn is_wasm(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "wasm") && path.is_file()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).collect(),
        Err(error) => {
            let directory = directory.display();
            tracing::debug!(%directory, %error, "cannot read a directory of the plugin path");
            Vec::new()
        }
    }
}
