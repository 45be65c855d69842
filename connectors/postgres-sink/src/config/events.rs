//! Whether values are rows or change events, and what becomes of deletes and truncates among them.

use connect_api::{Choice, Config, ConfigKey, ConfigType};

pub(super) const CHANGE_EVENTS: &str = "change.events";
pub(super) const TRUNCATE_ENABLED: &str = "truncate.enabled";

/// What a value is: `change.events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeEvents {
    /// A row.
    Plain,
    /// A row, or an event of one of Debezium's sources.
    Debezium,
}

impl Choice for ChangeEvents {
    const WORDS: &'static [(&'static str, Self)] =
        &[("plain", Self::Plain), ("debezium", Self::Debezium)];
}

/// Whether all rows of a table may be deleted.
pub(super) fn truncates(config: &Config) -> bool {
    config.flag(TRUNCATE_ENABLED)
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::choice(
            CHANGE_EVENTS,
            ChangeEvents::Plain,
            "What values are. plain: rows. debezium, the default of Debezium's class: rows, or whole \
             change events of Debezium's sources, of which creates, updates and reads write the \
             fields of after, deletes delete by the key (delete.enabled), truncates empty the table \
             (truncate.enabled), and what is not enabled is passed over.",
        ),
        ConfigKey::new(
            TRUNCATE_ENABLED,
            ConfigType::Boolean,
            "false",
            "Whether a truncate among change events empties its table. It needs the privilege \
             TRUNCATE.",
        ),
    ]
}
