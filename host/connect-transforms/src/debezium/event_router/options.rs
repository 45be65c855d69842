//! The options of `EventRouter`.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result, Str, Validator,
    WordCase,
};

use super::json_payload::{EmptyArrays, Expansion, Nulls};
use crate::debezium::adjustment::Adjustment;
use crate::java_regex;

const PLACEMENT: &str = "table.fields.additional.placement";
const MISSING: &str = "table.field.additional.missing";
const INVALID: &str = "table.op.invalid.behavior";
const EXPAND: &str = "table.expand.json.payload";
const NULLS: &str = "table.json.payload.null.behavior";
const EMPTY_ARRAYS: &str = "table.json.payload.empty.array.behavior";
const TIMESTAMP: &str = "table.field.event.timestamp";
const VERSION: &str = "table.field.event.schema.version";
const TOMBSTONES: &str = "route.tombstone.on.empty.payload";
pub(super) const REGEX: &str = "route.topic.regex";
pub(super) const REPLACEMENT: &str = "route.topic.replacement";
const ADJUSTMENT: &str = "field.name.adjustment.mode";

/// What is done about the update of a row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidOperation {
    Warn,
    Error,
    Fatal,
}

impl Choice for InvalidOperation {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("fatal", Self::Fatal),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// What is done where rows do not have a field that is to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingField {
    Error,
    Ignore,
}

impl Choice for MissingField {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("ignore", Self::Ignore)];
    const CASE: WordCase = WordCase::Any;
}

/// Where a field of the row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    Header,
    Envelope,
    Partition,
}

/// A field of the row beside the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Additional {
    pub field: Str,
    pub placement: Placement,
    pub alias: Str,
}

#[derive(Debug)]
pub(super) struct Options {
    pub id: Str,
    pub key: Str,
    pub payload: Str,
    pub timestamp: Option<Str>,
    pub version: Option<Str>,
    pub route: Str,
    pub additional: Vec<Additional>,
    pub missing: MissingField,
    pub fails_on_updates: bool,
    pub empty_is_tombstone: bool,
    pub expansion: Option<Expansion>,
}

pub(crate) fn config_def() -> ConfigDef {
    let mut keys = table_keys();
    keys.extend(payload_keys());
    keys.extend(route_keys());
    keys.extend(
        [
            "tracing.span.context.field",
            "tracing.operation.name",
            "tracing.with.context.field.only",
        ]
        .map(|name| {
            ConfigKey::nullable(name, ConfigType::String, "Refused: no spans are written.")
                .validator(Validator::Check(|_| {
                    Err("no tracing spans are written; leave it out".into())
                }))
                .importance(Importance::Low)
        }),
    );
    ConfigDef::new(keys)
}

/// The columns of the outbox table.
fn table_keys() -> Vec<ConfigKey> {
    let column = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, default, doc).importance(Importance::Low)
    };
    let optional =
        |name: &'static str, doc: &'static str| ConfigKey::nullable(name, ConfigType::String, doc);
    vec![
        column(
            "table.field.event.id",
            "id",
            "The column which contains the event ID within the outbox table.",
        ),
        column(
            "table.field.event.key",
            "aggregateid",
            "The column which contains the event key within the outbox table.",
        ),
        column(
            "table.field.event.type",
            "type",
            "The column which contains the event type within the outbox table; nothing is made of \
             it but by table.fields.additional.placement.",
        ),
        column(
            "table.field.event.payload",
            "payload",
            "The column which contains the event payload within the outbox table.",
        ),
        optional(
            TIMESTAMP,
            "The column that the timestamp of the message is taken from, of a type of \
             io.debezium.time; otherwise it is when Debezium processed the event.",
        ),
        optional(
            VERSION,
            "The column which contains the event schema version within the outbox table.",
        )
        .importance(Importance::Low),
        ConfigKey::nullable(
            PLACEMENT,
            ConfigType::List,
            "Further columns and where they go: column:placement or column:placement:alias, where \
             the placement is header, envelope or partition.",
        )
        .validator(Validator::Check(|text| additional(text).map(|_| ())))
        .importance(Importance::High),
        ConfigKey::choice(
            MISSING,
            MissingField::Error,
            "What to do where a row lacks a column of table.fields.additional.placement: error or \
             ignore.",
        ),
        ConfigKey::choice(
            INVALID,
            InvalidOperation::Warn,
            "What to do about an update of the outbox: warn and error drop it, fatal is an error \
             of the record.",
        ),
    ]
}

/// What becomes of the payload.
fn payload_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            EXPAND,
            ConfigType::Boolean,
            "false",
            "Whether a payload that is the text of a JSON object becomes a struct, of a schema \
             that is worked out from it. Any other text is left as it is.",
        ),
        ConfigKey::choice(
            NULLS,
            Nulls::Ignore,
            "What the schema has for a null in the JSON: ignore leaves the field out, \
             optional_bytes keeps it.",
        ),
        ConfigKey::choice(
            EMPTY_ARRAYS,
            EmptyArrays::Ignore,
            "What the schema has for an empty array in the JSON: ignore leaves the field out, \
             optional_string keeps it, as an array of optional strings.",
        ),
        ConfigKey::choice(
            ADJUSTMENT,
            Adjustment::None,
            "Whether names of fields of the JSON are made names of Avro: none, avro or \
             avro_unicode.",
        )
        .importance(Importance::Low),
    ]
}

/// Where records go.
fn route_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "route.by.field",
            ConfigType::String,
            "aggregatetype",
            "The column which determines how the events will be routed, the value will become part \
             of the topic name.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            REGEX,
            ConfigType::String,
            "(?<routedByValue>.*)",
            "What the value of route.by.field is matched by.",
        )
        .validator(Validator::Check(java_regex::check))
        .importance(Importance::Low),
        ConfigKey::new(
            REPLACEMENT,
            ConfigType::String,
            "outbox.event.${routedByValue}",
            "The name of the topic, with groups of route.topic.regex.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            TOMBSTONES,
            ConfigType::Boolean,
            "false",
            "Whether or not an empty payload should cause a tombstone event.",
        )
        .importance(Importance::High),
    ]
}

/// The items of `table.fields.additional.placement`.
fn additional(text: &str) -> std::result::Result<Vec<Additional>, String> {
    // Behind the last comma there may be nothing.
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    let items = text.split(',').map(|item| {
        let parts: Vec<&str> = item.split(':').map(str::trim).collect();
        let (field, placement, alias) = match parts[..] {
            [field, placement] => (field, placement, field),
            [field, placement, alias] => (field, placement, alias),
            _ => {
                return Err(format!(
                    "{item} is not column:placement or column:placement:alias"
                ));
            }
        };
        let placement = match placement.to_ascii_lowercase().as_str() {
            "header" => Placement::Header,
            "envelope" => Placement::Envelope,
            "partition" => Placement::Partition,
            _ => return Err(format!("{placement} is not header, envelope or partition")),
        };
        Ok(Additional {
            field: field.into(),
            placement,
            alias: alias.into(),
        })
    });
    items.collect()
}

impl Options {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let text = |name: &str| Str::from(config.text(name));
        let optional = |name: &str| {
            let given = config.optional_text(name).filter(|it| !it.is_empty());
            given.map(Str::from)
        };
        let placement = config.list(PLACEMENT).join(",");
        let additional = match placement.is_empty() {
            true => Vec::new(),
            false => additional(&placement).map_err(|why| Error::config(why).context(PLACEMENT))?,
        };
        let is_expanded = config.flag(EXPAND);
        Ok(Self {
            id: text("table.field.event.id"),
            key: text("table.field.event.key"),
            payload: text("table.field.event.payload"),
            timestamp: optional(TIMESTAMP),
            version: optional(VERSION),
            route: text("route.by.field"),
            additional,
            missing: config.choice(MISSING),
            fails_on_updates: config.choice::<InvalidOperation>(INVALID) == InvalidOperation::Fatal,
            empty_is_tombstone: config.flag(TOMBSTONES),
            expansion: is_expanded.then(|| Expansion {
                nulls: config.choice(NULLS),
                empty_arrays: config.choice(EMPTY_ARRAYS),
                names: config.choice(ADJUSTMENT),
            }),
        })
    }

    /// Whether the payload is in an envelope, with other fields.
    pub(super) fn has_envelope(&self) -> bool {
        let mut placements = self.additional.iter().map(|it| it.placement);
        placements.any(|placement| placement == Placement::Envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_placement_is_read_or_refused(text in "[a:, headrnvlopti]{0,30}") {
            if let Ok(items) = additional(&text) {
                prop_assert!(!items.is_empty());
            }
        }
    }
}
