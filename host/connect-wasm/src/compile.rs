//! From the bytes of a file to machine code: what may be compiled, and where that is done.

mod child;

use std::path::PathBuf;
use std::time::Duration;

use connect_api::{Error, Result};
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, Module};

use crate::component::{CORE_MODULE, check_magic, componentize};
use crate::fault::plain;

pub use child::compile_stdin;

/// Functions of all modules of a file. A plugin in Rust has some hundred, one in Python 20,000.
const FUNCTIONS: u64 = 100_000;

/// Where plugins are compiled.
#[derive(Clone, Debug, Default)]
pub enum Compiler {
    /// In this process: neither memory nor time is limited. For tools and tests.
    #[default]
    InProcess,
    /// By a process of its own for each file, which is killed at a limit: the program with the one
    /// argument [`COMPILE_COMMAND`] calls [`compile_stdin`].
    Program(PathBuf),
}

/// The argument of the program of [`Compiler::Program`].
pub const COMPILE_COMMAND: &str = "compile-plugin";

/// What compiling one file may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of address space of the process that compiles it.
    pub memory_bytes: u64,
    /// How long it may take.
    pub timeout: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            file_bytes: 32 << 20,
            memory_bytes: 2 << 30,
            timeout: Duration::from_secs(60),
        }
    }
}

impl Compiler {
    /// The machine code of a plugin's file, in wasmtime's own format. `stopped` is asked now and
    /// then whether nobody waits for it any more.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] saying why it cannot be compiled, or which limit it met.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        limits: &CompileLimits,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<u8>> {
        match self {
            Self::InProcess => compile(engine, bytes),
            Self::Program(program) => child::run(program, bytes, limits, stopped),
        }
    }
}

/// # Errors
/// [`connect_api::ErrorKind::Config`] saying why the bytes cannot be compiled.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
    check_magic(bytes)?;
    count_functions(bytes)?;
    let failed =
        |e: wasmtime::Error| Error::config(format!("it cannot be compiled: {}", plain(&e)));
    if bytes.starts_with(CORE_MODULE) {
        Module::validate(engine, bytes).map_err(failed)?;
    }
    let component = componentize(bytes)?;
    engine.precompile_component(&component).map_err(failed)
}

/// # Errors
/// The file is malformed, or has more functions than a plugin may have.
fn count_functions(bytes: &[u8]) -> Result<()> {
    let mut functions = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|e| Error::config(format!("it cannot be compiled: {e}")))?;
        if let Payload::CodeSectionStart { count, .. } = payload {
            functions += u64::from(count);
        }
        if functions > FUNCTIONS {
            return Err(Error::config(format!(
                "it has more than {FUNCTIONS} functions, the most that a plugin may have"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_too_many_functions_is_refused_before_it_is_compiled() {
        // Functions are spread over several modules of one component.
        let module = format!("(core module {})", "(func)".repeat(40_000));
        let bytes = wat::parse_str(format!("(component {})", module.repeat(3))).unwrap();
        let error = count_functions(&bytes).unwrap_err().to_string();
        assert!(error.contains("more than 100000 functions"), "{error}");
        let bytes = wat::parse_str(format!("(component {})", module.repeat(2))).unwrap();
        count_functions(&bytes).unwrap();
    }
}
