//! The registry with the threads that load its files: looked at under a lock, compiled outside of
//! it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use connect_api::{Error, Result};

use super::load::{Loaded, Loader};
use super::registry::{Found, Job, Registry};

/// A list of all plugins waits so long for those that are being compiled, and is given without them
/// then.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// The plugins of a path, and what loads them. Dropping it ends what is being compiled.
pub(super) struct Shelf {
    path: Vec<PathBuf>,
    shared: Arc<Shared>,
}

struct Shared {
    loader: Loader,
    registry: Mutex<Registry>,
    /// Told after each file.
    changed: Condvar,
    /// Places for compilers that are free.
    places: Mutex<usize>,
    /// Told when there is one more.
    place_free: Condvar,
    /// Nobody waits for anything any more.
    stopped: AtomicBool,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shelf {
    /// Begins to load what is on the path, and waits for nothing.
    pub(super) fn new(path: Vec<PathBuf>, loader: Loader) -> Self {
        let places = thread::available_parallelism().map_or(1, usize::from);
        let shelf = Self {
            path,
            shared: Arc::new(Shared {
                loader,
                registry: Mutex::default(),
                changed: Condvar::new(),
                places: Mutex::new(places),
                place_free: Condvar::new(),
                stopped: AtomicBool::new(false),
            }),
        };
        drop(shelf.scanned());
        shelf
    }

    /// Looks at the path again, and begins to load what is new.
    fn scanned(&self) -> MutexGuard<'_, Registry> {
        let mut registry = self.shared.registry();
        for job in registry.scan(&self.path) {
            let shared = Arc::clone(&self.shared);
            let place = job.place.clone();
            let stamp = job.stamp;
            let thread = thread::Builder::new().name("ferrule-plugin".into());
            // Each ends by itself: with its file, at the compiler's deadline, or with the shelf.
            if let Err(error) = thread.spawn(move || shared.load(&job)) {
                let why = format!("no thread can be started to load it: {error}");
                registry.loaded(&Job { place, stamp }, Err(why));
            }
        }
        registry
    }

    /// Every plugin that names lead to, by name. Waits some seconds for those that are being
    /// loaded.
    pub(super) fn list<T>(&self, of: impl Fn(&Loaded) -> T) -> Vec<T> {
        let begin = Instant::now();
        let mut registry = self.scanned();
        while registry.is_loading() && begin.elapsed() < LIST_TIMEOUT {
            registry = self.shared.wait(registry);
        }
        registry.list().map(of).collect()
    }

    /// The plugin of a name; with a pin, the one of this digest. Waits for files that are being
    /// compiled and may be it.
    pub(super) fn find(&self, name: &str, pin: Option<&str>) -> Option<Arc<Loaded>> {
        if let Some(found) = self.shared.registry().fresh(name, pin) {
            return Some(found);
        }
        let mut registry = self.scanned();
        loop {
            match registry.find(name, pin) {
                Found::Plugin(plugin) => return Some(plugin),
                Found::Nothing => return None,
                Found::Loading => registry = self.shared.wait(registry),
            }
        }
    }

    /// Loads a file that need not be on the path, on the caller's thread.
    pub(super) fn add(&self, path: &Path) -> Result<Arc<Loaded>> {
        let wrong = |e: &dyn std::fmt::Display| Error::config(format!("{}: {e}", path.display()));
        let metadata = fs::metadata(path).map_err(|e| wrong(&e))?;
        let shared = &self.shared;
        let content = shared.loader.read(path).map_err(|e| wrong(&e))?;
        let plugin = shared.loader.load(path, content, &|| shared.is_stopped());
        let plugin = Arc::new(plugin.map_err(|e| wrong(&e))?);
        shared.registry().add(path, &metadata, Arc::clone(&plugin));
        Ok(plugin)
    }

    /// A file of the plugin whose bytes are no more what was loaded is to be loaded again, even if
    /// its size and time are as they were.
    pub(super) fn compare(&self, name: &str) {
        let digests = self.shared.registry().digests(name);
        for (place, sha256) in digests {
            let content = self.shared.loader.read(&place.1);
            if content.map_or(true, |content| content.sha256 != sha256) {
                self.shared.registry().forget(&place);
            }
        }
    }

    /// Why there is no plugin of this name.
    pub(super) fn missing(&self, name: &str, pin: Option<&str>) -> String {
        self.shared.registry().missing(name, pin)
    }
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        // What a panic leaves behind is at worst a file that is loaded again.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, registry: MutexGuard<'a, Registry>) -> MutexGuard<'a, Registry> {
        let step = Duration::from_millis(200);
        let waited = self.changed.wait_timeout(registry, step);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// A thread's work: one file.
    fn load(&self, job: &Job) {
        let path = job.place.1.as_path();
        let content = match self.loader.read(path) {
            Ok(content) => content,
            Err(error) => return self.finish(job, Err(error.to_string())),
        };
        let sha256 = content.sha256.clone();
        let mut registry = self.registry();
        // One compiled copy for each digest, wherever its files lie.
        while !registry.begin_compiling(&sha256) {
            registry = self.wait(registry);
        }
        let compiled = registry.compiled(&sha256);
        drop(registry);
        let result = match compiled {
            Some(plugin) => Ok(plugin),
            None => {
                let _place = Place::take(self);
                let loaded = self.loader.load(path, content, &|| self.is_stopped());
                loaded.map(Arc::new).map_err(|e| e.to_string())
            }
        };
        self.finish(job, result);
        self.registry().end_compiling(&sha256);
    }

    fn finish(&self, job: &Job, result: std::result::Result<Arc<Loaded>, String>) {
        let mut registry = self.registry();
        match &result {
            Ok(plugin) => tell(&registry, job, plugin),
            Err(error) => {
                let path = job.place.1.display();
                tracing::error!(%path, error, "cannot load a WASM plugin");
            }
        }
        registry.loaded(job, result);
        drop(registry);
        self.changed.notify_all();
    }
}

/// The log's line of a plugin that was loaded.
fn tell(registry: &Registry, job: &Job, plugin: &Loaded) {
    let info = &plugin.info;
    let path = job.place.1.display();
    if let Some(used) = registry.other_of_name(&job.place, &info.name) {
        let used = used.display();
        tracing::warn!(
            %path,
            other = %used,
            "two files are the WASM plugin {}; the first on the path is used",
            info.name
        );
    }
    tracing::info!(
        %path,
        version = info.version,
        sha256 = info.sha256,
        "loaded the WASM plugin {}",
        info.name
    );
}

/// One of the places for compilers: there are as many as cores.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Self {
        let mut places = shared.places.lock().unwrap_or_else(PoisonError::into_inner);
        while *places == 0 {
            let waited = shared.place_free.wait(places);
            places = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *places -= 1;
        Self(shared)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let places = self.0.places.lock();
        *places.unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.place_free.notify_one();
    }
}
