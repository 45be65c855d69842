//! `errors.tolerance`: the worker's option that connectors look at as well.

use super::{Choice, ConfigKey, WordCase};

/// What an errant record does to its task: `errors.tolerance` (KIP-298).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// An errant record fails the task.
    None,
    /// An errant record is reported and passed over.
    All,
}

impl Choice for Tolerance {
    const WORDS: &'static [(&'static str, Self)] = &[("none", Self::None), ("all", Self::All)];
    const CASE: WordCase = WordCase::Exact;
}

impl Tolerance {
    /// The name of the option.
    pub const KEY: &'static str = "errors.tolerance";

    /// The declaration of the option, with Kafka Connect's default: `none`.
    pub fn config_key() -> ConfigKey {
        ConfigKey::choice(
            Self::KEY,
            Self::None,
            "What an errant record does: none fails the task, all passes the record over.",
        )
    }
}
