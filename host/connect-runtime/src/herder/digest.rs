//! Digests of texts: what is compared among workers need not be sent.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a list of texts, in hexadecimal. Each is behind its length, so that no two lists have
/// one digest for being divided in other places.
pub(super) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // A string takes everything.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_list_is_divided_is_seen() {
        assert_eq!(digest(["ab", "c"]), digest(["ab", "c"]));
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(digest(["ab"]), digest(["ab", ""]));
        assert_eq!(digest([]).len(), 64);
    }
}
