//! The fields that become columns, and what is done to tables that lack them.

use std::collections::BTreeSet;

use connect_api::{Choice, Config, ConfigKey, ConfigType};

use super::filled;

pub(super) const FIELDS_WHITELIST: &str = "fields.whitelist";
pub(super) const FIELD_EXCLUDE_LIST: &str = "field.exclude.list";
pub(super) const UNKNOWN_FIELDS: &str = "unknown.fields";
pub(super) const AUTO_EVOLVE: &str = "auto.evolve";

/// What a field without a column is: `unknown.fields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    Error,
    Ignore,
}

impl Choice for UnknownFields {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("ignore", Self::Ignore)];
}

/// The fields of values that are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    included: BTreeSet<(Option<String>, String)>,
    excluded: BTreeSet<(Option<String>, String)>,
}

impl Fields {
    /// The fields that the two lists choose.
    pub(super) fn resolve(config: &Config) -> Self {
        Self {
            included: Self::read(config.list(FIELDS_WHITELIST)),
            excluded: Self::read(config.list(FIELD_EXCLUDE_LIST)),
        }
    }

    /// Confluent's list has fields, Debezium's also topics and fields; both take names, not
    /// expressions. A topic has no colon.
    fn read(items: &[String]) -> BTreeSet<(Option<String>, String)> {
        let items = filled(items).into_iter();
        items
            .map(|item| match item.split_once(':') {
                Some((topic, field)) => (Some(topic.trim().to_owned()), field.trim().to_owned()),
                None => (None, item),
            })
            .collect()
    }

    /// Whether both lists name fields, which is refused.
    pub(super) fn are_named_twice(&self) -> bool {
        !self.included.is_empty() && !self.excluded.is_empty()
    }

    /// Whether the field is written besides the primary key.
    pub fn allow(&self, topic: &str, field: &str) -> bool {
        let names = |list: &BTreeSet<(Option<String>, String)>| {
            let mut entries = list.iter().filter(|(_, name)| name == field);
            entries.any(|(of, _)| of.as_deref().is_none_or(|of| of == topic))
        };
        (self.included.is_empty() || names(&self.included)) && !names(&self.excluded)
    }
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = fields();
    keys.extend(evolution());
    keys
}

fn fields() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            FIELDS_WHITELIST,
            ConfigType::List,
            "",
            "The fields of the value that are written besides the primary key, by their very names \
             or as topic:field; empty for all.",
        ),
        ConfigKey::new(
            FIELD_EXCLUDE_LIST,
            ConfigType::List,
            "",
            "The fields of the value that are not written, unless they are in the primary key, by \
             their very names or as topic:field. It excludes fields.whitelist.",
        ),
        ConfigKey::choice(
            UNKNOWN_FIELDS,
            UnknownFields::Error,
            "What a field without a column is: an error, which makes the record errant, or \
             ignored.",
        ),
    ]
}

fn evolution() -> Vec<ConfigKey> {
    let off = |name, doc: &'static str| ConfigKey::new(name, ConfigType::Boolean, "false", doc);
    vec![
        off(
            "auto.create",
            "Whether a missing table is created from the schema of its first record. Structs and \
             maps become jsonb, arrays of scalars arrays, Timestamp becomes timestamptz. Records \
             without a schema do not tell the types of columns: for them the table must be there.",
        ),
        off(
            AUTO_EVOLVE,
            "Whether columns are added for fields that are optional or have a default, and lose \
             NOT NULL where the field is optional. Nothing is ever dropped or renamed.",
        ),
        off(
            "auto.evolve.widen",
            "Whether auto.evolve also changes the type of a column to a wider one of the schema: \
             of smallint, integer and bigint, of real and double precision, and of varchar to the \
             length that Debezium propagates. Postgres writes the whole table anew for a number.",
        ),
    ]
}
