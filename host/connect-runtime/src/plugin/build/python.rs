//! Python, by componentize-py. What Python's library would ask of WASI is answered by stubs in the
//! component itself, which trap: the plugin has no more power than any other.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{contract, needed, scratch, tool};

const GET: &str = "`pip install componentize-py==0.25.1`";

/// The component of `plugin.py` in the folder.
pub fn build(folder: &Path, wit: &Path) -> Result<Vec<u8>> {
    let componentize = needed("componentize-py", GET)?;
    let made = scratch(folder, "python")?;
    let contract = contract(wit, &made)?;
    let component = made.join("plugin.wasm");
    let cache = folder.join("__pycache__");
    let had_cache = cache.exists();
    let built = tool(
        Command::new(componentize)
            .arg("-d")
            .arg(contract)
            .args(["-w", "transform", "componentize", "--stub-wasi", "-p"])
            .arg(folder)
            .arg("-o")
            .arg(&component)
            .arg("plugin"),
    );
    // Its Python leaves compiled code beside the source.
    if !had_cache {
        let _ = std::fs::remove_dir_all(&cache);
    }
    built?;
    std::fs::read(&component).with_context(|| component.display().to_string())
}
