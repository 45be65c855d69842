//! Where the columns of the primary key come from.

use connect_api::{Choice, ConfigKey, ConfigType, Importance};

pub(super) const PK_MODE: &str = "pk.mode";
pub(super) const PK_FIELDS: &str = "pk.fields";

/// Where the columns of the primary key come from: `pk.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PkMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
    RecordHeader,
}

impl Choice for PkMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("kafka", Self::Kafka),
        ("record_key", Self::RecordKey),
        ("record_value", Self::RecordValue),
        ("record_header", Self::RecordHeader),
    ];
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::choice(
            PK_MODE,
            PkMode::None,
            "Where the primary key comes from: none, kafka (topic, partition and offset), \
             record_key, record_value or record_header.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            PK_FIELDS,
            ConfigType::List,
            "",
            "The fields of the primary key; empty for all fields of the key or of the value. With \
             pk.mode=kafka the three columns, with a primitive key the one column.",
        ),
    ]
}
