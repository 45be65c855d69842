//! What the benches have in common: a plugin of `plugins/dist` in the worker's own host.

use std::error::Error;
use std::path::Path;

use connect_api::{ConfigDef, Properties, Transformation};
use connect_wasm::{TransformContext, WasmOptions, WasmPlugins, host_config_def};

/// The plugin of this name in `plugins/dist`.
pub fn transform(name: &str) -> Result<Box<dyn Transformation>, Box<dyn Error>> {
    let dist = Path::new("../../plugins/dist");
    let file = dist.join(name).with_extension("wasm");
    if !file.exists() {
        return Err(format!("no {name}: run `make plugins`").into());
    }
    build(&file)
}

/// The plugin of this file, with the defaults of its keys.
pub fn build(file: &Path) -> Result<Box<dyn Transformation>, Box<dyn Error>> {
    let plugins = WasmPlugins::new(WasmOptions::default())?;
    let info = plugins.load(file)?;
    let mut keys = info.config_def.keys().to_vec();
    keys.extend_from_slice(host_config_def().keys());
    let config = ConfigDef::new(keys).parse(&Properties::new())?;
    let context = TransformContext {
        connector: "bench".into(),
        task: 0,
        transform: "bench".into(),
        secrets: Vec::new(),
    };
    Ok(plugins.build(&info.name, &config, &context)?)
}
