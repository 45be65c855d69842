//! One plugin in the worker's own host: the same engine, limits, state and ticks.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use connect_api::{Config, ConfigDef, Properties, Transformation};
use connect_wasm::{
    PluginInfo, Reads, TransformContext, WasmOptions, WasmPlugins, host_config_def,
};

use tempfile::NamedTempFile;

use crate::process::{compiler, user_cache};

/// A plugin that has been loaded from a file.
pub struct Host {
    plugins: WasmPlugins,
    /// A file that goes with the host: a plugin whose file is gone is not found any more.
    _file: Option<NamedTempFile>,
    /// What the plugin says of itself.
    pub info: Arc<PluginInfo>,
}

impl Host {
    /// Loads the plugin; what was compiled before is found in the worker's cache.
    pub fn open(file: &Path) -> Result<Self> {
        Self::open_with_cache(file, user_cache())
    }

    /// Loads the plugin, with compiled code kept in the given folder.
    pub fn open_with_cache(file: &Path, cache_dir: Option<PathBuf>) -> Result<Self> {
        let plugins = WasmPlugins::new(WasmOptions {
            cache_dir,
            compiler: compiler(),
            ..WasmOptions::default()
        })?;
        let info = plugins.load(file)?;
        Ok(Self {
            plugins,
            _file: None,
            info,
        })
    }

    /// A plugin that is given the same parts of each record, and keeps it.
    pub fn identity(reads: &Reads) -> Result<Self> {
        let mut file = NamedTempFile::new()?;
        file.write_all(&connect_wasm::identity(reads)?)?;
        let mut host = Self::open_with_cache(file.path(), None)?;
        host._file = Some(file);
        Ok(host)
    }

    /// Makes the transform of these keys: the plugin's, and the worker's limits for it.
    pub fn transform(&self, given: &[(String, String)]) -> Result<Box<dyn Transformation>> {
        let context = TransformContext {
            connector: "test".into(),
            task: 0,
            transform: self.info.name.clone(),
            secrets: Vec::new(),
        };
        let config = self.config(given)?;
        Ok(self.plugins.build(&self.info.name, &config, &context)?)
    }

    fn config(&self, given: &[(String, String)]) -> Result<Config> {
        let mut keys = self.info.config_def.keys().to_vec();
        keys.extend_from_slice(host_config_def().keys());
        for (key, _) in given {
            if !keys.iter().any(|known| known.name == *key) {
                let names: Vec<_> = keys.iter().map(|known| &*known.name).collect();
                bail!("there is no key {key}; there are: {}", names.join(", "));
            }
        }
        let properties: Properties = given.iter().cloned().collect();
        Ok(ConfigDef::new(keys).parse(&properties)?)
    }
}
