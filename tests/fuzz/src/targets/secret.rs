//! Secrets that stand in inputs, and in no error.

use std::fmt::Display;

/// A secret with characters that codes of errors and names have not.
pub(super) const MARKER: &str = "hidden/Marker+Of=All";
/// A secret that is a word.
pub(super) const WORD: &str = "hiddenMarker0123";

/// Whether an input has one already, and may say it where it is no secret.
pub(super) fn is_in(data: &[u8]) -> bool {
    let has = |secret: &str| {
        let mut parts = data.windows(secret.len());
        parts.any(|part| part == secret.as_bytes())
    };
    has(MARKER) || has(WORD)
}

/// What is told of an error.
///
/// # Panics
/// When it tells a secret.
pub(super) fn hides(told: impl Display) {
    let told = told.to_string();
    assert!(!told.contains(MARKER) && !told.contains(WORD), "{told}");
}
