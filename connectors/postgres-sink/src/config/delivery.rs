//! Where offsets and dead letters are kept.

use connect_api::{Choice, Config, ConfigKey, ConfigType, LostOffsets};

pub(super) const DEAD_LETTER_TABLE: &str = "errors.deadletterqueue.table.name";

/// Where the offsets are kept: `delivery.guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In the target, by the transaction of the rows.
    ExactlyOnce,
    /// In Kafka alone.
    AtLeastOnce,
}

impl Choice for Delivery {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("exactly_once", Self::ExactlyOnce),
        ("at_least_once", Self::AtLeastOnce),
    ];
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::choice(
            "delivery.guarantee",
            Delivery::ExactlyOnce,
            "exactly_once keeps the offsets in the table ferrule.offsets of the same database; \
             at_least_once leaves them to Kafka, and a batch may be written twice after a failure.",
        ),
        ConfigKey::choice(
            LostOffsets::KEY,
            LostOffsets::Fail,
            "Where a partition goes on whose offset Ferrule committed to Kafka's group while \
             ferrule.offsets has none: the database lost it by a failover, a restored backup or a \
             dropped table, or is another one. fail stops the task and says the offsets; earliest \
             reads from the beginning of the log; start from where the connector began to write \
             the partition to this database; group from the group's offset, so that what the \
             database lost stays lost. What is still in the tables is written again by earliest \
             and start.",
        ),
        ConfigKey::new(
            DEAD_LETTER_TABLE,
            ConfigType::String,
            "",
            "The table that errant records are written to, by the transaction that moves their \
             offsets: each is there exactly once. It is created when it is missing. Empty: none. \
             It needs errors.tolerance=all, and goes together with a dead letter topic.",
        ),
    ];
    keys.into_iter().map(|key| key.group("Delivery")).collect()
}

/// The table of dead letters, when there is one.
pub(super) fn dead_letter_table(config: &Config) -> Option<String> {
    let name = config.optional_text(DEAD_LETTER_TABLE)?;
    (!name.is_empty()).then(|| name.to_owned())
}
