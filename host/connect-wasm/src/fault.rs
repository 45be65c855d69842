//! What went wrong in a call into a plugin.

use std::fmt;
use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use crate::host::{Host, Panic};

/// Functions of the plugin's own code that an error names.
const NAMED: usize = 3;
/// A function's longer name is cut.
const NAME_BYTES: usize = 120;
/// What the names of functions start with that are no plugin's own: those of Rust's library.
const LIBRARY: [&str; 9] = [
    "core::", "std::", "alloc::", "<core::", "<alloc::", "<std::", "__", "_R", "rust_",
];

/// Why a call into a plugin gave no result. The text follows the plugin's name, and has nothing of
/// a record (Invariant 6): of a panic it tells the place, because its message may quote a value.
#[derive(Debug)]
pub(crate) struct Fault {
    cause: Cause,
    /// What a panic said.
    panic: Option<Panic>,
    /// The functions that were running, the innermost first.
    frames: Vec<String>,
    /// Whether the instance had answered calls before.
    pub(crate) aged: bool,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("ran longer than {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("needed more memory than its limit of {0} bytes")]
    Memory(usize),
    #[error("gave more output at once than its limit of {0} bytes")]
    Output(u64),
    #[error("panicked")]
    Panic,
    #[error("trapped: {0}")]
    Trap(String),
    #[error("broke the contract: {0}")]
    Contract(String),
    #[error(
        "made the worker panic, which is a bug of the worker: its log has the place at level error"
    )]
    Worker,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        if let Some(place) = self.panic.as_ref().and_then(|panic| panic.place.as_ref()) {
            write!(f, " at {place}")?;
        }
        let own = |name: &&String| !LIBRARY.iter().any(|library| name.starts_with(library));
        let own: Vec<_> = self.frames.iter().filter(own).take(NAMED).collect();
        if let [innermost, outer @ ..] = &own[..] {
            write!(f, " in {innermost}")?;
            for name in outer {
                write!(f, " < {name}")?;
            }
        }
        Ok(())
    }
}

impl Fault {
    /// An answer that is none.
    pub(crate) fn contract(text: String) -> Self {
        Self::of(Cause::Contract(text))
    }

    /// The worker's own code, which the plugin has called, panicked.
    pub(crate) fn of_the_worker() -> Self {
        Self::of(Cause::Worker)
    }

    /// An answer that is more than may be given at once.
    pub(crate) fn output(most: u64) -> Self {
        Self::of(Cause::Output(most))
    }

    fn of(cause: Cause) -> Self {
        Self {
            cause,
            panic: None,
            frames: Vec::new(),
            aged: false,
        }
    }

    /// The label of the metric.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.cause {
            Cause::Deadline(_) => "deadline",
            Cause::Memory(_) => "memory",
            Cause::Output(_) => "output",
            Cause::Panic => "panic",
            Cause::Trap(_) => "trap",
            Cause::Contract(_) => "contract",
            Cause::Worker => "worker",
        }
    }

    /// Whether memory that former calls had taken may be to blame.
    pub(crate) fn is_worn(&self) -> bool {
        self.aged && matches!(self.cause, Cause::Memory(_))
    }

    /// With the message of the panic, for a call that has seen no record.
    pub(crate) fn in_full(&self) -> String {
        match &self.panic {
            Some(panic) => format!("{self}: {}", panic.message),
            None => self.to_string(),
        }
    }

    /// All functions that were running, the innermost first.
    pub(crate) fn backtrace(&self) -> String {
        self.frames.join(" < ")
    }

    /// Tells a trap from what the host saw while the call ran.
    pub(crate) fn new(
        error: &wasmtime::Error,
        host: &mut Host,
        timeout: Duration,
        output: u64,
    ) -> Self {
        let panic = host.take_panic();
        let refused = host.memory.take_refused();
        let cause = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Cause::Deadline(timeout),
            Some(Trap::UnreachableCodeReached) if panic.is_some() => Cause::Panic,
            // An allocator that is refused memory mostly ends in `unreachable`.
            Some(_) if refused => Cause::Memory(host.memory.bytes()),
            Some(trap) => {
                let text = trap.to_string();
                let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                Cause::Trap(text.to_owned())
            }
            None => {
                let text = without_backtrace(error);
                // wasmtime does not export the type of this error.
                if text.contains("fuel allocated for hostcalls has been exhausted") {
                    Cause::Output(output)
                } else {
                    Cause::Trap(text)
                }
            }
        };
        Self {
            panic: panic.filter(|_| matches!(cause, Cause::Panic)),
            frames: frames(error),
            ..Self::of(cause)
        }
    }
}

/// The names of the functions, without repetitions; the engine bounds their number.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let names = backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                name[..name.floor_char_boundary(NAME_BYTES)].to_owned()
            }
            None => format!("__function_{}", frame.func_index()),
        });
    let mut names: Vec<_> = names.collect();
    names.dedup();
    names
}

/// An error of wasmtime as one line: its message and those of its causes.
pub(crate) fn plain(error: &wasmtime::Error) -> String {
    let parts: Vec<String> = error.chain().map(ToString::to_string).collect();
    parts.join(": ").replace('\n', " ")
}

/// The same for an error that a call ended with.
fn without_backtrace(error: &wasmtime::Error) -> String {
    let parts = error.chain().map(ToString::to_string);
    let parts: Vec<_> = parts
        .filter(|part| !part.starts_with("error while executing at wasm backtrace"))
        .collect();
    parts.join(": ").replace('\n', " ")
}
