//! From a file to compiled code.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use connect_api::Error;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Module, Store};

use super::PluginInfo;
use super::describe::info;
use crate::bindings::{Transform, TransformPre};
use crate::component::{CORE_MODULE, PLUGIN, componentize};
use crate::fault::plain;
use crate::guest::{enter, instantiate};
use crate::host::{Host, Identity};
use crate::limits::WasmLimits;

/// The interfaces that plugins may import.
const CONTRACT: &str = "ferrule:transform/";
/// The version of the contract that there is.
const VERSION: &str = "0.4.0";

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("{0}")]
    Componentize(Error),
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    #[error("it imports {0}, which the worker does not give")]
    Imports(String),
    #[error(
        "it was built for version {0} of the contract, and the worker has {VERSION}: build it anew \
         with the wit/ of this worker"
    )]
    Version(String),
    #[error("it does not fit the contract: {0}")]
    Contract(String),
    #[error("it {0} while it was asked what it is")]
    Describe(String),
}

/// The bytes of a file and their SHA-256 in hex.
pub(super) fn read(path: &Path) -> io::Result<(Vec<u8>, String)> {
    let bytes = fs::read(path)?;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        // Writing to a String never fails.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok((bytes, hex))
}

/// A plugin, compiled.
pub(crate) struct Loaded {
    pub(crate) info: Arc<PluginInfo>,
    pub(crate) ticks: bool,
    pub(crate) stateful: bool,
    pub(crate) code: Code,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {} {}", self.info.name, self.info.version)
    }
}

/// Compiled code with its imports in place.
pub(crate) struct Code(TransformPre<Host>);

impl Code {
    pub(crate) fn store(&self, host: Host) -> Store<Host> {
        let mut store = Store::new(self.0.engine(), host);
        store.limiter(|host| &mut host.memory);
        store
    }

    pub(crate) fn instantiate(&self, store: &mut Store<Host>) -> wasmtime::Result<Transform> {
        self.0.instantiate(store)
    }
}

/// Compiles plugins.
pub(super) struct Loader {
    engine: Engine,
    linker: Linker<Host>,
    limits: WasmLimits,
}

impl Loader {
    pub(super) fn new(engine: Engine, limits: WasmLimits) -> connect_api::Result<Self> {
        let mut linker = Linker::new(&engine);
        Transform::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)
            .map_err(|e| Error::fatal("cannot link the WASM host").with_source(plain(&e)))?;
        Ok(Self {
            engine,
            linker,
            limits,
        })
    }

    pub(super) fn load(
        &self,
        path: &Path,
        bytes: &[u8],
        sha256: String,
    ) -> Result<Loaded, LoadError> {
        let code = self.compile(bytes)?;
        let identity = Arc::new(Identity {
            connector: String::new(),
            task: 0,
            transform: String::new(),
            plugin: path.display().to_string(),
        });
        let mut store = code.store(Host::new(identity, self.limits.memory_bytes));
        let limits = &self.limits;
        let fault = |fault: crate::fault::Fault| LoadError::Describe(fault.to_string());
        let world = instantiate(&code, &mut store, limits).map_err(fault)?;
        let (timeout, output) = (limits.call_timeout, limits.output_bytes);
        let description = enter(&mut store, &world, timeout, output, |store, exports| {
            exports.call_describe(store)
        })
        .map_err(fault)?;
        let (ticks, stateful) = (description.ticks, description.stateful);
        let info = info(description, path, sha256).map_err(LoadError::Contract)?;
        Ok(Loaded {
            info: Arc::new(info),
            ticks,
            stateful,
            code,
        })
    }

    fn compile(&self, bytes: &[u8]) -> Result<Code, LoadError> {
        if bytes.starts_with(CORE_MODULE) {
            Module::validate(&self.engine, bytes).map_err(|e| LoadError::Compile(plain(&e)))?;
        }
        let bytes = componentize(bytes).map_err(LoadError::Componentize)?;
        let component = Component::from_binary(&self.engine, &bytes)
            .map_err(|e| LoadError::Compile(plain(&e)))?;
        let component_type = component.component_type();
        let exports = component_type.exports(&self.engine);
        let built_for = exports.filter_map(|(name, _)| name.strip_prefix(PLUGIN));
        if let Some(other) = built_for.into_iter().find(|v| minor(v) != minor(VERSION)) {
            return Err(LoadError::Version(other.to_owned()));
        }
        let foreign: Vec<String> = component_type
            .imports(&self.engine)
            .map(|(name, _)| name.to_owned())
            .filter(|name| !name.starts_with(CONTRACT))
            .collect();
        if !foreign.is_empty() {
            return Err(LoadError::Imports(foreign.join(", ")));
        }
        let contract = |e: wasmtime::Error| LoadError::Contract(plain(&e));
        let linked = self.linker.instantiate_pre(&component).map_err(contract)?;
        TransformPre::new(linked).map(Code).map_err(contract)
    }
}

/// The numbers of a version that have to be the same, as long as the first is 0.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let loader = Loader::new(Engine::default(), WasmLimits::default()).unwrap();
        let bytes = wat::parse_str(text).unwrap();
        match loader.compile(&bytes) {
            Ok(_) => panic!("{text} is a plugin"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        let clock = "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))";
        let core = "(module (import \"env\" \"read_disk\" (func)))";
        let version = "(component (import \"ferrule:transform/files@0.1.0\" (instance \
            (export \"open\" (func)))))";
        let older = "(component (instance $i) (export \"ferrule:transform/plugin@0.1.0\" (instance \
            $i)))";
        assert!(include_str!("../../../../wit/world.wit").contains(VERSION));
        for (text, expect) in [
            (
                clock,
                "imports wasi:clocks/wall-clock@0.2.0, which the worker does not give",
            ),
            (core, "env"),
            (version, "ferrule:transform/files@0.1.0"),
            (
                older,
                "built for version 0.1.0 of the contract, and the worker has 0.4.0",
            ),
            ("(component)", "ferrule:transform/plugin"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(expect), "{refusal}");
        }
    }
}
