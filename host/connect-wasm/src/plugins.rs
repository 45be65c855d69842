//! The plugins of a worker: found on the plugin path, compiled once, shared by all tasks.

mod describe;
mod load;
mod registry;
mod shelf;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Config, ConfigDef, ConfigType, Error, Result, Transformation};

pub(crate) use load::{Code, Loaded};

use crate::compile::{CompileLimits, Compiler};
use crate::engine;
use crate::host::{Host, Identity, Secrets};
use crate::limits::{
    DEFAULT_INTERVAL, FLUSH_ON_STOP, SHA256, TICK_INTERVAL, Ticking, WasmLimits, limited_config_def,
};
use crate::transform::WasmTransform;
use load::Loader;
use shelf::Shelf;

/// Where plugins are, and what they may use up.
#[derive(Clone, Debug, Default)]
pub struct WasmOptions {
    /// Directories; `*.wasm` in them and one level below is a plugin.
    pub plugin_path: Vec<PathBuf>,
    /// Where compiled code is kept from one start to the next. None: nowhere. Nobody but the
    /// worker's user may be able to write there.
    pub cache_dir: Option<PathBuf>,
    /// Where files are compiled.
    pub compiler: Compiler,
    /// What compiling one of them may take.
    pub compile_limits: CompileLimits,
    /// What a transform may use up at most, and does unless its keys say less.
    pub limits: WasmLimits,
}

/// What a plugin says of itself, and the file that it is.
#[derive(Clone, Debug)]
pub struct PluginInfo {
    /// The name that `transforms.<alias>.type` gives.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub documentation: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The file.
    pub path: PathBuf,
    /// Its own keys, without those of [`crate::host_config_def`].
    pub config_def: ConfigDef,
    /// The parts of a record that it reads.
    pub reads: Reads,
    /// Whether it is called after each batch.
    pub ticks: bool,
    /// Whether it keeps state.
    pub stateful: bool,
}

/// The parts of a record that a plugin reads; what it does not read does not cross.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The key.
    pub key: bool,
    /// The value.
    pub value: bool,
    /// The headers.
    pub headers: bool,
    /// Of a row of the value, these fields. None: all.
    pub fields: Option<BTreeSet<String>>,
}

impl Reads {
    /// Whether it reads this field of a value's row.
    pub(crate) fn field(&self, name: &str) -> bool {
        let fields = self.fields.as_ref();
        fields.is_none_or(|fields| fields.contains(name))
    }
}

/// Which transform of which task a plugin is built for.
#[derive(Clone, Debug)]
pub struct TransformContext {
    /// The connector's name.
    pub connector: String,
    /// The number of the task.
    pub task: u32,
    /// The alias of the transform.
    pub transform: String,
    /// What of its configuration nothing may tell that the plugin says, besides its passwords.
    pub secrets: Vec<String>,
}

/// All plugins of a worker. Clones share everything.
#[derive(Clone)]
pub struct WasmPlugins(Arc<Inner>);

struct Inner {
    options: WasmOptions,
    shelf: Shelf,
}

impl fmt::Debug for WasmPlugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmPlugins")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl WasmPlugins {
    /// Starts the engine, and begins to load what is on the plugin path: nothing waits for a file
    /// but who asks for it. A file that cannot be loaded is logged and left out.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the cache directory cannot be used.
    pub fn new(options: WasmOptions) -> Result<Self> {
        let loader = Loader::new(engine::start()?, &options)?;
        let shelf = Shelf::new(options.plugin_path.clone(), loader);
        Ok(Self(Arc::new(Inner { options, shelf })))
    }

    /// Every plugin, by name. Looks at the plugin path again; blocks some seconds while a new file
    /// is compiled, and leaves out one that takes longer until it is.
    pub fn list(&self) -> Vec<Arc<PluginInfo>> {
        self.0.shelf.list(|plugin| Arc::clone(&plugin.info))
    }

    /// Loads one file, whether or not it lies on the plugin path. Until the file changes, its name
    /// leads to it.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] saying why the file is no plugin.
    pub fn load(&self, file: &Path) -> Result<Arc<PluginInfo>> {
        Ok(Arc::clone(&self.0.shelf.add(file)?.info))
    }

    /// The plugin of this name. Looks at the plugin path again when the name is unknown or its file
    /// has changed, and blocks while a file is compiled that may be it.
    pub fn find(&self, name: &str) -> Option<Arc<PluginInfo>> {
        let plugin = self.0.shelf.find(name, None)?;
        Some(Arc::clone(&plugin.info))
    }

    /// Makes a transform. `config` has the plugin's keys and those of [`crate::host_config_def`].
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when there is no such plugin, a limit is beyond the
    /// worker's, or the plugin refuses its configuration.
    pub fn build(
        &self,
        name: &str,
        config: &Config,
        context: &TransformContext,
    ) -> Result<Box<dyn Transformation>> {
        let limits = self.0.options.limits.lowered(config)?;
        let pin = config.optional_text(SHA256).map(str::to_ascii_lowercase);
        // A task that starts takes what is on disk.
        self.0.shelf.compare(name);
        let found = self.0.shelf.find(name, pin.as_deref());
        let plugin = found.ok_or_else(|| self.missing(name, pin.as_deref()))?;
        let ticks = Ticks::of(config, &plugin)?;
        let own = plugin.info.config_def.keys();
        let is_own = |key: &str| own.iter().find(|k| k.name == key);
        let resolved: Vec<_> = config
            .resolved()
            .filter(|(key, _)| is_own(key).is_some())
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let secrets = resolved.iter().filter(|(key, value)| {
            is_own(key).is_some_and(|k| k.kind == ConfigType::Password) && !value.is_empty()
        });
        let secrets = secrets.map(|(_, value)| value.clone());
        let secrets = Secrets::new(secrets.chain(context.secrets.iter().cloned()));
        let secrets = Arc::new(secrets);
        let identity = Arc::new(Identity {
            connector: context.connector.clone(),
            task: context.task,
            transform: context.transform.clone(),
            plugin: plugin.info.name.clone(),
        });
        let mut host = Host::new(Arc::clone(&identity), limits.memory_bytes);
        host.stateful = plugin.stateful;
        host.hide(Arc::clone(&secrets));
        let mut transform = WasmTransform::new(plugin, resolved, limits, host, &identity)?;
        transform.hide(secrets);
        transform.tick_as(ticks);
        Ok(Box::new(transform))
    }

    /// The keys that the transform of a plugin has beside the plugin's own, with this worker's
    /// limits.
    pub fn host_config_def(&self, plugin: &PluginInfo) -> ConfigDef {
        let ticking = match plugin.ticks {
            true => Ticking::Yes,
            false => Ticking::No,
        };
        limited_config_def(self.0.options.limits, ticking)
    }

    /// Why there is no plugin of this name: what is wrong with its file, where one is on the path.
    pub fn missing(&self, name: &str, pin: Option<&str>) -> Error {
        Error::config(self.0.shelf.missing(name, pin))
    }
}

/// When a plugin is ticked besides after each batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    /// How long a partition is quiet before it is ticked by wall time.
    pub(crate) interval: Option<Duration>,
    /// Whether it is ticked a last time when the task ends in order.
    pub(crate) flush_on_stop: bool,
}

impl Ticks {
    fn of(config: &Config, plugin: &Loaded) -> Result<Self> {
        let given = config.optional_integer(TICK_INTERVAL).unwrap_or_default();
        let flush_on_stop = config.optional_flag(FLUSH_ON_STOP).unwrap_or_default();
        if !plugin.ticks {
            for (key, is_on) in [(TICK_INTERVAL, given > 0), (FLUSH_ON_STOP, flush_on_stop)] {
                if is_on {
                    return Err(Error::config(format!("{key}: {plugin} does not tick")));
                }
            }
            return Ok(Self::default());
        }
        let interval = config
            .optional_integer(TICK_INTERVAL)
            .unwrap_or(DEFAULT_INTERVAL);
        Ok(Self {
            interval: (interval > 0).then(|| Duration::from_millis(interval.unsigned_abs())),
            flush_on_stop,
        })
    }
}
