//! From a file to compiled code.

use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use connect_api::Error;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store};

use super::PluginInfo;
use super::describe::info;
use crate::bindings::{Transform, TransformPre};
use crate::cache::CodeCache;
use crate::compile::{CompileLimits, Compiler};
use crate::component::PLUGIN;
use crate::fault::plain;
use crate::guest::{enter, instantiate};
use crate::host::{Host, Identity};
use crate::limits::WasmLimits;
use crate::plugins::WasmOptions;

/// The interfaces that plugins may import.
const CONTRACT: &str = "ferrule:transform/";
/// The version of the contract that there is.
const VERSION: &str = "0.4.0";

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it has {0} bytes, and a plugin may have {1}")]
    Size(u64, u64),
    #[error("{0}")]
    Compile(Error),
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

/// A file of the plugin path, in memory.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// In hex.
    pub(super) sha256: String,
}

/// Reads a regular file of no more than `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Content, LoadError> {
    // Opening a pipe would wait for somebody who writes into it.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(LoadError::Read)?;
    let metadata = file.metadata().map_err(LoadError::Read)?;
    if !metadata.is_file() {
        return Err(LoadError::Read(io::Error::other(
            "it is not a regular file",
        )));
    }
    let mut bytes = Vec::new();
    let size = metadata.len();
    if size <= most {
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(LoadError::Read)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > most {
        return Err(LoadError::Size(size, most));
    }
    let mut sha256 = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        // Writing to a String never fails.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Content { bytes, sha256 })
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
    compiler: Compiler,
    compile_limits: CompileLimits,
    cache: Option<CodeCache>,
}

impl Loader {
    pub(super) fn new(engine: Engine, options: &WasmOptions) -> connect_api::Result<Self> {
        let mut linker = Linker::new(&engine);
        Transform::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)
            .map_err(|e| Error::fatal("cannot link the WASM host").with_source(plain(&e)))?;
        let folder = options.cache_dir.as_deref();
        let cache = folder.map(|folder| CodeCache::open(folder, &engine));
        Ok(Self {
            cache: cache.transpose()?,
            engine,
            linker,
            limits: options.limits,
            compiler: options.compiler.clone(),
            compile_limits: options.compile_limits,
        })
    }

    /// The file, if it is no larger than a plugin may be.
    pub(super) fn read(&self, path: &Path) -> Result<Content, LoadError> {
        read(path, self.compile_limits.file_bytes)
    }

    /// Makes a plugin of a file: compiles it, unless its machine code is in the cache, and asks it
    /// what it is. It takes as long as its limits allow.
    pub(super) fn load(
        &self,
        path: &Path,
        content: Content,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Loaded, LoadError> {
        let code = self.link(&self.component(&content, stopped)?)?;
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
        let info = info(description, path, content.sha256).map_err(LoadError::Contract)?;
        Ok(Loaded {
            info: Arc::new(info),
            ticks,
            stateful,
            code,
        })
    }

    fn component(
        &self,
        content: &Content,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Component, LoadError> {
        let cached = self.cache.as_ref().and_then(|c| c.get(&content.sha256));
        // wasmtime refuses the code of another build of itself.
        if let Some(Ok(component)) = cached.map(|code| self.component_of_own_code(&code)) {
            return Ok(component);
        }
        let code = self
            .compiler
            .compile(&self.engine, &content.bytes, &self.compile_limits, stopped)
            .map_err(LoadError::Compile)?;
        let component = self.component_of_own_code(&code).map_err(|e| {
            LoadError::Compile(Error::config(format!(
                "it cannot be compiled: {}",
                plain(&e)
            )))
        })?;
        if let Some(cache) = &self.cache {
            cache.put(&content.sha256, &code);
        }
        Ok(component)
    }

    /// `code` must come from [`Compiler::compile`], by way of the [`CodeCache`] or directly.
    #[expect(
        unsafe_code,
        reason = "wasmtime runs what it is given, and cannot know that it is a compiler's output: it                   comes from our own compiler through a pipe or from an authenticated entry"
    )]
    fn component_of_own_code(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the bytes are what `Engine::precompile_component` gave: `Compiler::compile`
        // returns nothing else, and `CodeCache::get` gives back only what `put` was given, by its
        // HMAC.
        unsafe { Component::deserialize(&self.engine, code) }
    }

    /// # Errors
    /// The component asks for or offers something else than the contract.
    fn link(&self, component: &Component) -> Result<Code, LoadError> {
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
        let linked = self.linker.instantiate_pre(component).map_err(contract)?;
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

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugin.wasm");
        let refusal = |path: &Path| read(path, 10).map(drop).unwrap_err().to_string();
        std::fs::write(&path, [0; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().bytes.len(), 10);
        std::fs::write(&path, [0; 11]).unwrap();
        assert_eq!(refusal(&path), "it has 11 bytes, and a plugin may have 10");
        for path in [Path::new("/dev/zero"), folder.path()] {
            assert!(refusal(path).contains("not a regular file"));
        }
        let fifo = folder.path().join("fifo.wasm");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(refusal(&fifo).contains("not a regular file"));
        // It says that it has no bytes, and has some.
        assert!(refusal(Path::new("/proc/self/status")).contains("may have 10"));
    }

    fn refusal(text: &str) -> String {
        let loader = Loader::new(Engine::default(), &WasmOptions::default()).unwrap();
        let content = Content {
            bytes: wat::parse_str(text).unwrap(),
            sha256: String::new(),
        };
        match loader.load(Path::new("test.wasm"), content, &|| false) {
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
