//! `check FILE…`: is each file a plugin? It must become a component, the way the worker makes it
//! one, and may import nothing but the interfaces of `ferrule:transform`.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

const CONTRACT: &str = "ferrule:transform/";

fn main() -> Result<()> {
    let files: Vec<_> = env::args_os().skip(1).collect();
    ensure!(!files.is_empty(), "usage: check FILE…");
    for file in files {
        let file = Path::new(&file);
        let core = fs::read(file).with_context(|| file.display().to_string())?;
        let imports = imports_of(&core).with_context(|| file.display().to_string())?;
        println!(
            "{:>8} {}: {}",
            core.len(),
            file.display(),
            imports.join(" ")
        );
    }
    Ok(())
}

/// The imports of the component that the core module becomes.
fn imports_of(core: &[u8]) -> Result<Vec<String>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(core)?
        .encode()?;
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    if let Some(foreign) = imports.iter().find(|name| !name.starts_with(CONTRACT)) {
        bail!("imports {foreign}, which the worker does not give");
    }
    ensure!(
        exports
            .iter()
            .any(|name| name.starts_with("ferrule:transform/plugin@")),
        "does not export ferrule:transform/plugin"
    );
    Ok(imports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_no_plugin_is_refused() {
        let empty = b"\0asm\x01\0\0\0";
        let error = imports_of(empty).unwrap_err().to_string();
        assert!(error.contains("does not export"), "{error}");
        assert!(imports_of(b"not wasm").is_err());
    }
}
