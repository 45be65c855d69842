//! What the benches have in common: a plugin of `plugins/dist` in the worker's own host.

use std::error::Error;
use std::path::Path;

use connect_api::{ConfigDef, Properties, Transformation};
use connect_wasm::{TransformContext, WasmLimits, WasmOptions, WasmPlugins, host_config_def};

/// The plugin of this name, with the defaults of its keys.
pub fn transform(name: &str) -> Result<Box<dyn Transformation>, Box<dyn Error>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let plugins = WasmPlugins::new(WasmOptions {
        plugin_path: vec![dist],
        cache_dir: None,
        limits: WasmLimits::default(),
    })?;
    let missing = || format!("no {name}: run `make plugins`");
    let info = plugins.find(name).ok_or_else(missing)?;
    let mut keys = info.config_def.keys().to_vec();
    keys.extend_from_slice(host_config_def().keys());
    let config = ConfigDef::new(keys).parse(&Properties::new())?;
    let context = TransformContext {
        connector: "bench".into(),
        task: 0,
        transform: "bench".into(),
        secrets: Vec::new(),
    };
    Ok(plugins.build(name, &config, &context)?)
}
