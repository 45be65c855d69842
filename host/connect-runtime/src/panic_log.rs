//! Panics in the log: where, and not what. The message may quote a record (Invariant 6), so that it
//! is told at level debug alone.

use tracing::{debug, error};

/// Makes panics of all threads go to the log.
pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        error!(
            place,
            "a panic, which is a bug: its message is logged at level debug"
        );
        let message = panic.payload_as_str().unwrap_or_default();
        debug!(place, message, "the panic's message");
    }));
}
