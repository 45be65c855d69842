//! Files of plugins, before anything of them runs: made components, and looked into.

use connect_api::{Error, Result};
use wit_component::{ComponentEncoder, DecodedWasm};

/// What every file of WebAssembly starts with.
const MAGIC: &[u8] = b"\0asm";
/// What a core module, in contrast to a component, starts with.
pub(crate) const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// What the export of every plugin is called, before its version.
pub(crate) const PLUGIN: &str = "ferrule:transform/plugin@";

/// What a file shows without being run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Whether it is a core module, which the worker makes a component as it loads it.
    pub is_core_module: bool,
    /// What it asks of the worker, by the names of the interfaces.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Inspection {
    /// The version of the contract that it was built for.
    pub fn contract_version(&self) -> Option<&str> {
        let mut exports = self.exports.iter();
        exports.find_map(|name| name.strip_prefix(PLUGIN))
    }
}

/// Looks into a component, or into a core module that carries its part of the contract.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it is neither.
pub fn inspect(bytes: &[u8]) -> Result<Inspection> {
    let component = componentize(bytes)?;
    let decoded = wit_component::decode(&component).map_err(|e| invalid(&e))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Error::config("it is a package of WIT, not a component"));
    };
    let world = &resolve.worlds[world];
    let names = |keys: Vec<_>| -> Vec<String> {
        let names = keys.into_iter().map(|key| resolve.name_world_key(key));
        names.collect()
    };
    Ok(Inspection {
        is_core_module: bytes.starts_with(CORE_MODULE),
        imports: names(world.imports.keys().collect()),
        exports: names(world.exports.keys().collect()),
    })
}

/// Makes a core module a component; a component stays what it is.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it is no WebAssembly, or the module does not carry its
/// part of the contract.
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>> {
    check_magic(bytes)?;
    if !bytes.starts_with(CORE_MODULE) {
        return Ok(bytes.to_vec());
    }
    let encode = || {
        let encoder = ComponentEncoder::default();
        encoder.validate(true).module(bytes)?.encode()
    };
    // It panics over sections that are malformed, and a file must not harm the worker.
    let encoded = std::panic::catch_unwind(encode)
        .map_err(|_| Error::config("it has a malformed section"))
        .and_then(|encoded| encoded.map_err(|e| invalid(&e)));
    encoded.map_err(|e| e.context("it is a core module that cannot be made a component"))
}

/// What is no WebAssembly at all is told so, before a parser tells of bytes.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`].
pub(crate) fn check_magic(bytes: &[u8]) -> Result<()> {
    match bytes {
        [] => Err(Error::config("the file is empty")),
        bytes if bytes.starts_with(MAGIC) => Ok(()),
        _ => Err(Error::config(
            "the file is no WebAssembly: it does not begin as such a file does",
        )),
    }
}

/// An error of the component tools as one line.
pub(crate) fn invalid<E: AsRef<dyn std::error::Error + Send + Sync>>(error: &E) -> Error {
    let mut text = error.as_ref().to_string();
    let mut cause = error.as_ref().source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Error::config(text.replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_shows_its_names() {
        let text = "(component
            (import \"wasi:clocks/wall-clock@0.2.0\" (instance))
            (instance $i) (export \"ferrule:transform/plugin@0.1.0\" (instance $i)))";
        let seen = inspect(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(seen.imports, ["wasi:clocks/wall-clock@0.2.0"]);
        assert_eq!(seen.contract_version(), Some("0.1.0"));
        assert!(!seen.is_core_module);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(inspect(b"not wasm").is_err());
        let empty = inspect(b"\0asm\x01\0\0\0").unwrap();
        assert_eq!((empty.imports.len(), empty.contract_version()), (0, None));
        let foreign = wat::parse_str("(module (import \"env\" \"read_disk\" (func)))").unwrap();
        let error = inspect(&foreign).unwrap_err().to_string();
        assert!(error.contains("env"), "{error}");
    }
}
