//! The rules between options: what no single option can tell, in Confluent's words.

use connect_api::{Choice, Config, ConfigDef, ConfigValue, Properties, Tolerance};

use super::columns::{self, Fields, UnknownFields};
use super::delivery::{self, DEAD_LETTER_TABLE};
use super::events::{self, ChangeEvents};
use super::naming::{self, CollectionStrategy, ColumnStrategy};
use super::primary_key::{PK_FIELDS, PK_MODE, PkMode};
use super::tables::TABLE_NAME_FORMAT;
use super::writes::{self, InsertMode, Newer, UpsertNulls};
use super::{config_def, filled};

/// Adds to the values what is wrong between them. An option that is wrong by itself takes part in
/// no rule, as in Confluent's sink.
///
/// The properties are in this sink's own spelling.
pub(crate) fn validate(properties: &Properties, values: &mut [ConfigValue]) {
    let mut keys = config_def().keys().to_vec();
    keys.push(Tolerance::config_key());
    let config = ConfigDef::new(keys).parse_valid(properties);
    let conflicts = [
        deletes(&config),
        upserts(&config),
        fields(&config),
        dead_letters(&config),
        key_fields(&config),
        names(&config),
        sources(&config),
    ];
    for Conflict { key, why } in conflicts.into_iter().flatten() {
        for value in values.iter_mut().filter(|value| value.name == key) {
            value.errors.push(why.clone());
        }
    }
}

/// An option whose value another option rules out.
struct Conflict {
    key: &'static str,
    why: String,
}

impl Conflict {
    fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self {
            key,
            why: why.into(),
        }
    }
}

fn pk_mode(config: &Config) -> Option<PkMode> {
    config.optional_choice(PK_MODE)
}

fn deletes(config: &Config) -> Vec<Conflict> {
    let enabled = config.optional_flag(writes::DELETE_ENABLED) == Some(true);
    if enabled && pk_mode(config).is_some_and(|mode| mode != PkMode::RecordKey) {
        let why = "Deletes are only supported for pk.mode record_key";
        return [PK_MODE, writes::DELETE_ENABLED]
            .map(|key| Conflict::new(key, why))
            .into();
    }
    Vec::new()
}

/// `upsert` and `update` need a key, and only they look at the rows of the table.
fn upserts(config: &Config) -> Vec<Conflict> {
    match config.optional_choice(writes::INSERT_MODE) {
        Some(mode @ (InsertMode::Upsert | InsertMode::Update)) => {
            if pk_mode(config) != Some(PkMode::None) {
                return Vec::new();
            }
            let mode = mode.word().to_uppercase();
            let why = format!(
                "Write in {mode} mode requires key field names to be known, check the primary key \
                 configuration: set pk.mode to record_key or record_value, and pk.fields to the \
                 columns of the key"
            );
            vec![Conflict::new(PK_MODE, why)]
        }
        Some(InsertMode::Insert | InsertMode::InsertIgnore) => {
            let has_condition = Newer::resolve(config).is_some();
            let keeps_nulls =
                config.optional_choice(writes::UPSERT_NULLS) == Some(UpsertNulls::Keep);
            [
                (has_condition, writes::UPSERT_CONDITION),
                (keeps_nulls, writes::UPSERT_NULLS),
            ]
            .into_iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, key)| {
                let why = "Only insert.mode upsert and update look at rows that are there";
                Conflict::new(key, why)
            })
            .collect()
        }
        None => Vec::new(),
    }
}

fn fields(config: &Config) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let evolves = config.optional_flag(columns::AUTO_EVOLVE) == Some(true);
    let unknown = config.optional_choice(columns::UNKNOWN_FIELDS);
    if evolves && unknown == Some(UnknownFields::Ignore) {
        conflicts.push(Conflict::new(
            columns::UNKNOWN_FIELDS,
            "Fields without a column cannot be both ignored and added by auto.evolve",
        ));
    }
    if Fields::resolve(config).are_named_twice() {
        conflicts.push(Conflict::new(
            columns::FIELD_EXCLUDE_LIST,
            "\"fields.whitelist\" (Debezium's field.include.list) is already specified",
        ));
    }
    conflicts
}

fn dead_letters(config: &Config) -> Vec<Conflict> {
    let tolerance = config.optional_choice(Tolerance::KEY);
    if delivery::dead_letter_table(config).is_some() && tolerance == Some(Tolerance::None) {
        return vec![Conflict::new(
            DEAD_LETTER_TABLE,
            "A dead letter table takes what is passed over: set errors.tolerance=all",
        )];
    }
    Vec::new()
}

/// Styles of names count with Debezium's Custom strategies only: else nobody would hear of them.
fn names(config: &Config) -> Vec<Conflict> {
    let tables: Option<CollectionStrategy> = config.optional_choice(naming::COLLECTION_STRATEGY);
    let columns = config.optional_choice(naming::COLUMN_STRATEGY);
    let mut conflicts = Vec::new();
    let mut refuse = |keys: [&'static str; 3], strategy: &str| {
        for key in naming::given(config, keys) {
            let why = format!("It counts only where {strategy} is one that is called Custom…");
            conflicts.push(Conflict::new(key, why));
        }
    };
    if tables.is_some_and(|strategy| strategy != CollectionStrategy::Custom) {
        refuse(naming::COLLECTION_STYLE, naming::COLLECTION_STRATEGY);
    }
    if columns == Some(ColumnStrategy::Default) {
        refuse(naming::COLUMN_STYLE, naming::COLUMN_STRATEGY);
    }
    conflicts
}

/// Only a change event has a source.
fn sources(config: &Config) -> Vec<Conflict> {
    let is_plain = config.optional_choice(events::CHANGE_EVENTS) == Some(ChangeEvents::Plain);
    let format = config.optional_text(TABLE_NAME_FORMAT).unwrap_or_default();
    let mut conflicts = Vec::new();
    if is_plain && format.contains("${source.") {
        conflicts.push(Conflict::new(
            TABLE_NAME_FORMAT,
            "Only change events have a source: set change.events=debezium, or name tables by ${topic}",
        ));
    }
    if is_plain && config.optional_flag(events::TRUNCATE_ENABLED) == Some(true) {
        conflicts.push(Conflict::new(
            events::TRUNCATE_ENABLED,
            "Only change events truncate: set change.events=debezium",
        ));
    }
    conflicts
}

fn key_fields(config: &Config) -> Vec<Conflict> {
    let count = filled(config.list(PK_FIELDS)).len();
    let why = match (pk_mode(config), count) {
        (Some(PkMode::None), 1..) => "Primary key fields must be empty for pk.mode none",
        (Some(PkMode::Kafka), 1 | 2 | 4..) => {
            "Primary key fields must be the three columns of topic, partition and offset, or \
             empty, for pk.mode kafka"
        }
        (Some(PkMode::RecordHeader), 0) => {
            "Primary key fields must name the headers for pk.mode record_header"
        }
        _ => return Vec::new(),
    };
    vec![Conflict::new(PK_FIELDS, why)]
}
