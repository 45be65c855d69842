//! What went wrong in a call into a plugin.

use std::time::Duration;

use wasmtime::Trap;

use crate::host::Host;

/// Why a call into a plugin gave no result. The text follows the plugin's name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("ran longer than {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("needed more memory than its limit of {0} bytes")]
    Memory(usize),
    #[error("gave more output at once than its limit of {0} bytes")]
    Output(u64),
    #[error("trapped: {0}")]
    Panic(String),
    #[error("trapped: {0}")]
    Trap(String),
    #[error("broke the contract: {0}")]
    Contract(String),
}

impl Fault {
    /// The label of the metric.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Deadline(_) => "deadline",
            Self::Memory(_) => "memory",
            Self::Output(_) => "output",
            Self::Panic(_) => "panic",
            Self::Trap(_) => "trap",
            Self::Contract(_) => "contract",
        }
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
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::Deadline(timeout),
            Some(Trap::UnreachableCodeReached) if panic.is_some() => {
                Self::Panic(panic.unwrap_or_default())
            }
            // An allocator that is refused memory mostly ends in `unreachable`.
            Some(_) if refused => Self::Memory(host.memory.bytes()),
            Some(trap) => {
                let text = trap.to_string();
                let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                Self::Trap(text.to_owned())
            }
            None => {
                let text = plain(error);
                // wasmtime does not export the type of this error.
                if text.contains("fuel allocated for hostcalls has been exhausted") {
                    Self::Output(output)
                } else {
                    Self::Trap(text)
                }
            }
        }
    }
}

/// An error of wasmtime as one line: its message and those of its causes.
pub(crate) fn plain(error: &wasmtime::Error) -> String {
    let parts: Vec<String> = error.chain().map(ToString::to_string).collect();
    parts.join(": ").replace('\n', " ")
}
