//! What is on the plugin path, and what became of each file. Nothing here reads or compiles a file:
//! the registry is asked under a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::load::Loaded;
use crate::limits::SHA256;

/// A plugin of a name waits so long for a file that comes before its own on the path, is still
/// being compiled, and may have the same name. It is then taken without it.
const EARLIER_FILE_TIMEOUT: Duration = Duration::from_secs(5);

/// By which a changed file is told.
type Stamp = (Option<SystemTime>, u64);

pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.modified().ok(), metadata.len())
}

/// The place of a file on the path: of two plugins with one name the first is used.
pub(super) type Place = (usize, PathBuf);

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
    /// A thread is about it.
    Loading {
        since: Instant,
        before: Option<String>,
    },
}

impl File {
    fn plugin(&self) -> Option<&Arc<Loaded>> {
        match &self.content {
            Content::Plugin(plugin) => Some(plugin),
            Content::Refused { .. } | Content::Loading { .. } => None,
        }
    }

    /// The name that the file has, or had.
    fn name(&self) -> Option<&str> {
        match &self.content {
            Content::Plugin(plugin) => Some(&plugin.info.name),
            Content::Refused { before, .. } | Content::Loading { before, .. } => before.as_deref(),
        }
    }
}

/// A file that has to be loaded.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    /// The file is loaded again when this is not its stamp any more.
    pub(super) stamp: Stamp,
}

/// What the path has for a name.
pub(super) enum Found {
    Plugin(Arc<Loaded>),
    /// A file that is being loaded may be it.
    Loading,
    Nothing,
}

/// The files of the path.
#[derive(Default)]
pub(super) struct Registry {
    files: BTreeMap<Place, File>,
    /// The digests of what is being compiled.
    compiling: BTreeSet<String>,
    /// What was compiled, by digest, for as long as something uses it.
    compiled: BTreeMap<String, Weak<Loaded>>,
}

impl Registry {
    /// Brings the registry up to date with the path. The files that are new or have changed are to
    /// be loaded by the caller, who says what became of each by [`Self::loaded`].
    pub(super) fn scan(&mut self, path: &[PathBuf]) -> Vec<Job> {
        let mut seen = BTreeMap::new();
        let mut jobs = Vec::new();
        for (number, directory) in path.iter().enumerate() {
            for file in wasm_files(directory) {
                let Ok(metadata) = fs::metadata(&file) else {
                    continue;
                };
                let stamp = stamp(&metadata);
                let place = (number, file);
                let file = match self.files.remove(&place) {
                    Some(known) if known.stamp == Some(stamp) => known,
                    other => {
                        jobs.push(Job {
                            place: place.clone(),
                            stamp,
                        });
                        let before = other.as_ref().and_then(File::name).map(str::to_owned);
                        File {
                            stamp: Some(stamp),
                            content: Content::Loading {
                                since: Instant::now(),
                                before,
                            },
                        }
                    }
                };
                seen.insert(place, file);
            }
        }
        self.files = seen;
        jobs
    }

    /// What became of a file. A file that has changed or gone meanwhile stays what it is.
    pub(super) fn loaded(&mut self, job: &Job, result: Result<Arc<Loaded>, String>) {
        if let Ok(plugin) = &result {
            self.compiled.retain(|_, plugin| plugin.strong_count() > 0);
            let sha256 = plugin.info.sha256.clone();
            self.compiled.insert(sha256, Arc::downgrade(plugin));
        }
        let Some(file) = self.files.get_mut(&job.place) else {
            return;
        };
        if file.stamp != Some(job.stamp) || !matches!(file.content, Content::Loading { .. }) {
            return;
        }
        let before = file.name().map(str::to_owned);
        file.content = match result {
            Ok(plugin) => Content::Plugin(plugin),
            Err(why) => Content::Refused { why, before },
        };
    }

    /// A plugin whose file need not be on the path.
    pub(super) fn add(&mut self, path: &Path, metadata: &Metadata, plugin: Arc<Loaded>) {
        let file = File {
            stamp: Some(stamp(metadata)),
            content: Content::Plugin(plugin),
        };
        self.files.insert((0, path.to_owned()), file);
    }

    /// The compiled copy of a digest.
    pub(super) fn compiled(&self, sha256: &str) -> Option<Arc<Loaded>> {
        self.compiled.get(sha256)?.upgrade()
    }

    /// Marks a digest as being compiled. False when it is already.
    pub(super) fn begin_compiling(&mut self, sha256: &str) -> bool {
        self.compiling.insert(sha256.to_owned())
    }

    pub(super) fn end_compiling(&mut self, sha256: &str) {
        self.compiling.remove(sha256);
    }

    /// Whether any file is being loaded.
    pub(super) fn is_loading(&self) -> bool {
        let mut files = self.files.values();
        files.any(|file| matches!(file.content, Content::Loading { .. }))
    }

    /// The first other file of the path that is the plugin of this name.
    pub(super) fn other_of_name(&self, place: &Place, name: &str) -> Option<&Path> {
        let (other, _) = self.entry(name, None)?;
        (other != place).then_some(other.1.as_path())
    }

    /// The plugin of a name, if its file is as it was.
    pub(super) fn fresh(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        let ((_, path), file) = self.entry(name, pin)?;
        let now = fs::metadata(path).ok().map(|m| stamp(&m));
        let plugin = file.plugin().filter(|_| now.is_some() && now == file.stamp);
        plugin.map(Arc::clone)
    }

    /// The first plugin of a name; with a pin, the one that has this digest.
    pub(super) fn find(&self, name: &str, pin: Option<&str>) -> Found {
        let found = self.entry(name, pin);
        let is_earlier = |place: &Place| found.is_none_or(|(found, _)| place < found);
        let may_be_it = self.files.iter().any(|(place, file)| match &file.content {
            Content::Loading { since, .. } => {
                is_earlier(place) && (found.is_none() || since.elapsed() < EARLIER_FILE_TIMEOUT)
            }
            _ => false,
        });
        match found.and_then(|(_, file)| file.plugin()) {
            _ if may_be_it => Found::Loading,
            Some(plugin) => Found::Plugin(Arc::clone(plugin)),
            None => Found::Nothing,
        }
    }

    /// The files that are the plugin of a name, with the digests of what was loaded.
    pub(super) fn digests(&self, name: &str) -> Vec<(Place, String)> {
        let of_name = |(place, file): (&Place, &File)| {
            let plugin = file.plugin().filter(|plugin| plugin.info.name == name)?;
            Some((place.clone(), plugin.info.sha256.clone()))
        };
        self.files.iter().filter_map(of_name).collect()
    }

    /// The file is to be loaded again at the next scan.
    pub(super) fn forget(&mut self, place: &Place) {
        if let Some(file) = self.files.get_mut(place) {
            file.stamp = None;
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
            Content::Plugin(_) | Content::Loading { .. } => None,
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

    fn entry(&self, name: &str, pin: Option<&str>) -> Option<(&Place, &File)> {
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
