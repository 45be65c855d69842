//! The options of `ExtractNewRecordState`.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result, Str, WordCase,
};

use super::References;
use super::additions::FieldReference;

const HANDLING: &str = "delete.tombstone.handling.mode";
const OLD_TOMBSTONES: &str = "drop.tombstones";
const OLD_HANDLING: &str = "delete.handling.mode";

/// `delete.tombstone.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Drop,
    Tombstone,
    Rewrite,
    RewriteWithTombstone,
    DeleteToTombstone,
}

impl Choice for Handling {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("drop", Self::Drop),
        ("tombstone", Self::Tombstone),
        ("rewrite", Self::Rewrite),
        ("rewrite-with-tombstone", Self::RewriteWithTombstone),
        ("delete-to-tombstone", Self::DeleteToTombstone),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// `delete.handling.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OldHandling {
    Drop,
    Rewrite,
    None,
}

impl Choice for OldHandling {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("drop", Self::Drop),
        ("rewrite", Self::Rewrite),
        ("none", Self::None),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// What becomes of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletes {
    Drop,
    /// The row that was, with a field that says so; every other row has that field, too.
    Rewrite,
    /// A null of the row's schema.
    NullRow,
    /// A null without a schema.
    Tombstone,
}

impl Deletes {
    pub(super) fn is_rewrite(self) -> bool {
        self == Self::Rewrite
    }
}

/// What becomes of tombstones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tombstones {
    Keep,
    Drop,
}

/// The fields to drop, which a header names.
#[derive(Debug)]
pub(super) struct DroppedFields {
    pub header: Str,
    pub from_key: bool,
    pub keep_schema_compatible: bool,
}

#[derive(Debug)]
pub(super) struct Options {
    pub deletes: Deletes,
    pub tombstones: Tombstones,
    pub replace_null: bool,
    pub route: Option<Str>,
    pub fields: References,
    pub headers: References,
    pub drop: Option<DroppedFields>,
}

pub(crate) fn config_def() -> ConfigDef {
    let low = |key: ConfigKey| key.importance(Importance::Low);
    let mut keys = vec![
        ConfigKey {
            default: Some(None),
            ..ConfigKey::choice(
                HANDLING,
                Handling::Tombstone,
                "How to handle delete records: drop, tombstone (default), rewrite, \
                 rewrite-with-tombstone, or delete-to-tombstone.",
            )
        },
        low(ConfigKey::nullable(
            OLD_TOMBSTONES,
            ConfigType::Boolean,
            "Whether tombstones are removed (true by default); older than \
             delete.tombstone.handling.mode, which goes before it.",
        )),
        low(ConfigKey {
            default: Some(None),
            ..ConfigKey::choice(
                OLD_HANDLING,
                OldHandling::Drop,
                "How to handle delete records: drop (default), rewrite or none; older than \
                 delete.tombstone.handling.mode, which goes before it.",
            )
        }),
    ];
    keys.extend(row_keys());
    ConfigDef::new(keys)
}

/// What becomes of the rows of changes.
fn row_keys() -> Vec<ConfigKey> {
    let low = |key: ConfigKey| key.importance(Importance::Low);
    let flag = |name: &'static str, default: &'static str, doc: &'static str| {
        low(ConfigKey::new(name, ConfigType::Boolean, default, doc))
    };
    let text = |name: &'static str, default: &'static str, doc: &'static str| {
        low(ConfigKey::new(name, ConfigType::String, default, doc))
    };
    vec![
        text(
            "route.by.field",
            "",
            "The column which determines how the events will be routed, the value will replace \
             the topic name.",
        ),
        text(
            "add.fields.prefix",
            "__",
            "Adds this prefix to each field listed.",
        ),
        low(ConfigKey::new(
            "add.fields",
            ConfigType::List,
            "",
            "Adds each field listed, with the prefix: op, source.ts_ms, or lsn:position under \
             another name.",
        )),
        text(
            "add.headers.prefix",
            "__",
            "Adds this prefix to each header listed.",
        ),
        low(ConfigKey::new(
            "add.headers",
            ConfigType::List,
            "",
            "Adds each field listed as a header, with the prefix; as add.fields.",
        )),
        low(ConfigKey::nullable(
            "drop.fields.header.name",
            ConfigType::String,
            "The name of a header that contains a list of fields to be removed from the value.",
        )),
        flag(
            "drop.fields.from.key",
            "false",
            "Whether the fields that are dropped are removed from the key as well.",
        ),
        flag(
            "drop.fields.keep.schema.compatible",
            "true",
            "Whether only fields that are optional are dropped.",
        ),
        flag(
            "replace.null.with.default",
            "true",
            "Whether a null becomes the default of its field where a record is rewritten.",
        ),
    ]
}

impl Options {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let handling = config.optional_choice::<Handling>(HANDLING);
        let old_tombstones = config.optional_flag(OLD_TOMBSTONES);
        let old_handling = config.optional_choice::<OldHandling>(OLD_HANDLING);
        let is_old = old_tombstones.is_some() || old_handling.is_some();
        let (deletes, tombstones) = match handling {
            None if is_old => (
                match old_handling.unwrap_or(OldHandling::Drop) {
                    OldHandling::Drop => Deletes::Drop,
                    OldHandling::Rewrite => Deletes::Rewrite,
                    OldHandling::None => Deletes::NullRow,
                },
                match old_tombstones {
                    Some(false) => Tombstones::Keep,
                    _ => Tombstones::Drop,
                },
            ),
            handling => match handling.unwrap_or(Handling::Tombstone) {
                Handling::Drop => (Deletes::Drop, Tombstones::Drop),
                Handling::Tombstone => (Deletes::NullRow, Tombstones::Drop),
                Handling::Rewrite => (Deletes::Rewrite, Tombstones::Drop),
                Handling::RewriteWithTombstone => (Deletes::Rewrite, Tombstones::Keep),
                Handling::DeleteToTombstone => (Deletes::Tombstone, Tombstones::Drop),
            },
        };
        let given = |name: &str| {
            let text = config.optional_text(name).unwrap_or_default();
            (!text.trim().is_empty()).then(|| Str::from(text))
        };
        Ok(Self {
            deletes,
            tombstones,
            replace_null: config.flag("replace.null.with.default"),
            route: given("route.by.field"),
            fields: references(config, "add.fields")?,
            headers: references(config, "add.headers")?,
            drop: given("drop.fields.header.name").map(|header| DroppedFields {
                header,
                from_key: config.flag("drop.fields.from.key"),
                keep_schema_compatible: config.flag("drop.fields.keep.schema.compatible"),
            }),
        })
    }
}

fn references(config: &Config, name: &str) -> Result<References> {
    let prefix = config.text(&format!("{name}.prefix"));
    let references = config.list(name).iter();
    let references = references.map(|text| {
        FieldReference::new(prefix, text).ok_or_else(|| {
            Error::config(format!(
                "Invalid value {text} for configuration {name}: Unexpected field name"
            ))
        })
    });
    references.collect()
}
