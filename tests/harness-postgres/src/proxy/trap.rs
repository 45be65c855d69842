//! What a proxy does at one message.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Switch;

/// The COMMIT of a transaction, as Postgres's protocol has it.
pub const COMMIT: &[u8] = b"COMMIT\0";
/// The start of a COPY.
pub const COPY: &[u8] = b"COPY ";

/// What is done at the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The message and the connection are lost.
    CutBefore,
    /// The message arrives, with so many bytes behind it, and the connection is lost.
    CutAfter(usize),
    /// The message arrives, and its answer and the connection are lost.
    CutAnswer,
    /// The message waits for [`super::FaultProxy::release`].
    Hold,
}

pub(super) struct Trap {
    pub bytes: &'static [u8],
    pub act: Act,
}

/// Where in `data` the trap springs, and what it does there; then it is set no more.
pub(super) fn springs(switch: &Switch, data: &[u8]) -> Option<(usize, Act)> {
    let mut set = switch.trap.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = set.as_ref()?.bytes;
    let at = data.windows(bytes.len()).position(|part| part == bytes)?;
    let act = set.take()?.act;
    switch.sprung.fetch_add(1, Ordering::SeqCst);
    let behind = match act {
        Act::CutAfter(_) | Act::CutAnswer => at + bytes.len(),
        Act::CutBefore | Act::Hold => at,
    };
    Some((behind, act))
}
