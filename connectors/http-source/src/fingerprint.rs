//! What tells one body from another: two requests with the same Idempotency-Key are the same
//! request where their bodies are the same bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

const BYTES: usize = 16;

/// The "idempotency fingerprint" of draft-ietf-httpapi-idempotency-key-header: the first half of
/// the body's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; BYTES]);

impl Fingerprint {
    /// That of a body.
    pub(crate) fn of(body: &[u8]) -> Self {
        let whole: [u8; 32] = Sha256::digest(body).into();
        let mut half = [0; BYTES];
        half.copy_from_slice(&whole[..BYTES]);
        Self(half)
    }

    /// As it stands in a record's header; none if it is anything else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let number = u128::from_str_radix(text, 16).ok()?;
        let found = Self(number.to_be_bytes());
        (found.to_string() == text).then_some(found)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}
