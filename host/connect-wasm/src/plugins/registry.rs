//! What is on the plugin path.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use connect_api::{Error, Result};

use super::load::{Loaded, Loader, read};
use crate::limits::SHA256;

/// By which a changed file is told.
type Stamp = (Option<SystemTime>, u64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.modified().ok(), metadata.len())
}

/// A file, and what became of it.
struct File {
    /// None: it is to be loaded again.
    stamp: Option<Stamp>,
    content: Content,
}

/// What a file was found to be.
enum Content {
    Plugin(Arc<Loaded>),
    /// It could not be loaded, and is not tried again until it changes.
    Refused {
        why: String,
        /// The name of the plugin that the file was before.
        before: Option<String>,
    },
}

impl File {
    fn plugin(&self) -> Option<&Arc<Loaded>> {
        match &self.content {
            Content::Plugin(plugin) => Some(plugin),
            Content::Refused { .. } => None,
        }
    }

    /// The name that the file has, or had.
    fn name(&self) -> Option<&str> {
        match &self.content {
            Content::Plugin(plugin) => Some(&plugin.info.name),
            Content::Refused { before, .. } => before.as_deref(),
        }
    }
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
                let file = match self.files.remove(&key) {
                    Some(known) if known.stamp == Some(stamp) => known,
                    other => {
                        let before = other.as_ref().and_then(File::name);
                        let content = match self.load(&key.1, &seen, loader) {
                            Ok(plugin) => Content::Plugin(plugin),
                            Err(why) => Content::Refused {
                                why,
                                before: before.map(str::to_owned),
                            },
                        };
                        let stamp = Some(stamp);
                        File { stamp, content }
                    }
                };
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
            stamp: Some(stamp(&metadata)),
            content: Content::Plugin(Arc::clone(&plugin)),
        };
        self.files.insert((0, path.to_owned()), file);
        Ok(plugin)
    }

    fn load(
        &self,
        path: &Path,
        seen: &BTreeMap<(usize, PathBuf), File>,
        loader: &Loader,
    ) -> std::result::Result<Arc<Loaded>, String> {
        let (bytes, sha256) = match read(path) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read a WASM plugin");
                return Err(format!("it cannot be read: {error}"));
            }
        };
        let loaded = || seen.values().chain(self.files.values());
        // One compiled copy for each digest, wherever its files lie.
        if let Some(same) = loaded()
            .filter_map(File::plugin)
            .find(|plugin| plugin.info.sha256 == sha256)
        {
            return Ok(Arc::clone(same));
        }
        match loader.load(path, &bytes, sha256) {
            Ok(plugin) => {
                let others = || seen.values().filter_map(File::plugin);
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
                Ok(Arc::new(plugin))
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot load a WASM plugin");
                Err(error.to_string())
            }
        }
    }

    /// The plugin of a name, if its file is as it was.
    pub(super) fn fresh(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        let ((_, path), file) = self.entry(name, pin)?;
        let now = fs::metadata(path).ok().map(|m| stamp(&m));
        let plugin = file.plugin().filter(|_| now.is_some() && now == file.stamp);
        plugin.map(Arc::clone)
    }

    /// The first plugin of a name; with a pin, the one that has this digest.
    pub(super) fn find(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        self.entry(name, pin)?.1.plugin().map(Arc::clone)
    }

    /// A file of the plugin whose bytes are no more what was loaded is to be loaded again, even if
    /// its size and time are as they were.
    pub(super) fn compare(&mut self, name: &str) {
        for ((_, path), file) in &mut self.files {
            let loaded = file.plugin().filter(|plugin| plugin.info.name == name);
            let is_as_it_was = loaded.is_none_or(|plugin| {
                read(path).is_ok_and(|(_, sha256)| sha256 == plugin.info.sha256)
            });
            if !is_as_it_was {
                file.stamp = None;
            }
        }
    }

    /// Why no file is the plugin of this name, and has the digest.
    pub(super) fn missing(&self, name: &str, pin: Option<&str>) -> String {
        let named = || {
            self.files
                .iter()
                .filter(|(_, file)| file.name() == Some(name))
        };
        let refused = named().find_map(|((_, path), file)| match &file.content {
            Content::Refused { why, .. } => Some((path.display(), why)),
            Content::Plugin(_) => None,
        });
        if let Some((path, why)) = refused {
            return format!("{path} is no more the WASM plugin {name}: {why}");
        }
        let digests = named().filter_map(|(_, file)| Some(&*file.plugin()?.info.sha256));
        let digests: Vec<_> = digests.collect();
        match pin {
            Some(pin) if !digests.is_empty() => format!(
                "{SHA256} asks for {pin}, and the WASM plugin {name} on the plugin path is {}",
                digests.join(", ")
            ),
            _ => format!("there is no WASM plugin {name} on the plugin path"),
        }
    }

    fn entry(&self, name: &str, pin: Option<&str>) -> Option<(&(usize, PathBuf), &File)> {
        self.files.iter().find(|(_, file)| {
            file.plugin().is_some_and(|plugin| {
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
            .filter_map(|file| file.plugin().map(Arc::as_ref))
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
