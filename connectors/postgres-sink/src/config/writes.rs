//! How rows are written: the mode, the condition of upserts, deletes, the size of transactions.

use std::time::Duration;

use connect_api::{Choice, Config, ConfigKey, ConfigType, Importance, Validator};

pub(super) const INSERT_MODE: &str = "insert.mode";
pub(super) const UPSERT_CONDITION: &str = "upsert.condition";
pub(super) const UPSERT_NULLS: &str = "upsert.nulls";
const RETRY_BACKOFF: &str = "retry.backoff.ms";
pub(super) const DELETE_ENABLED: &str = "delete.enabled";

/// What becomes of rows whose key is there already: `insert.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertMode {
    Insert,
    InsertIgnore,
    Upsert,
    Update,
}

impl Choice for InsertMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("insert", Self::Insert),
        ("insert_ignore", Self::InsertIgnore),
        ("upsert", Self::Upsert),
        ("update", Self::Update),
    ];
}

/// What a null does to a row that is there: `upsert.nulls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpsertNulls {
    Write,
    Keep,
}

impl Choice for UpsertNulls {
    const WORDS: &'static [(&'static str, Self)] = &[("write", Self::Write), ("keep", Self::Keep)];
}

/// The column that must be greater in a record than in the row that is there: `upsert.condition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    pub column: String,
    pub or_equal: bool,
}

impl Newer {
    /// A column, or `>=` and a column; none when the text names no column.
    fn parse(text: &str) -> Option<Self> {
        let (or_equal, column) = match text.strip_prefix(">=") {
            Some(column) => (true, column),
            None => (false, text.strip_prefix('>').unwrap_or(text)),
        };
        let column = column.trim();
        (!column.is_empty()).then(|| Self {
            column: column.to_owned(),
            or_equal,
        })
    }

    fn check(text: &str) -> Result<(), String> {
        let is_name =
            |name: &str| !name.contains(|c: char| c.is_whitespace() || "<>=()".contains(c));
        match Self::parse(text) {
            None if text.is_empty() => Ok(()),
            Some(newer) if is_name(&newer.column) => Ok(()),
            _ => Err("Must be a column, or >= and a column".to_owned()),
        }
    }

    /// None: the last write of a key always wins.
    pub(super) fn resolve(config: &Config) -> Option<Self> {
        Self::parse(config.optional_text(UPSERT_CONDITION)?)
    }
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::choice(
            INSERT_MODE,
            InsertMode::Insert,
            "insert appends rows; insert_ignore leaves out rows that are there already, by their key \
             or, with pk.mode=none, by any unique index; upsert updates the rows whose key is \
             there; update leaves out rows whose key is not there.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            UPSERT_CONDITION,
            ConfigType::String,
            "",
            "When upsert and update may change a row that is there: a column, such as a version or \
             a time, that must be greater in the record than in the row. >= before the column: or \
             equal. Empty: always.",
        )
        .validator(Validator::Check(Newer::check)),
        ConfigKey::choice(
            UPSERT_NULLS,
            UpsertNulls::Write,
            "What a null does to a row that upsert and update find: write sets the column to null, \
             keep leaves it as it is. A field that the record does not have always leaves its \
             column as it is.",
        ),
        ConfigKey::new(
            DELETE_ENABLED,
            ConfigType::Boolean,
            "false",
            "Whether a null value deletes the row of its key. It needs pk.mode=record_key.",
        ),
        ConfigKey::nullable(
            "batch.size",
            ConfigType::Int,
            "The most records of one transaction; records that a transform made of one are not \
             parted. Without a value, or with 0, a transaction takes all that the worker has \
             ready: that is the fastest, and the worker bounds its bytes.",
        )
        .validator(Validator::AtLeast(0)),
        ConfigKey::nullable(
            "max.retries",
            ConfigType::Int,
            "How many times a batch is repeated while the database is away before the task fails. \
             Without a value it is repeated without end. A row that refers to one that is not there \
             yet (foreign key) waits for it as long as so many repetitions with retry.backoff.ms \
             take, 10 without a value, and is errant then.",
        )
        .validator(Validator::AtLeast(0)),
        ConfigKey::new(
            RETRY_BACKOFF,
            ConfigType::Int,
            "3000",
            "How long max.retries takes for each repetition of a row that waits for the one that it \
             refers to. For a database that is away the worker sets the pace.",
        )
        .validator(Validator::AtLeast(0)),
    ];
    keys.into_iter().map(|key| key.group("Writes")).collect()
}

/// How long a row waits for the one that it refers to: what Confluent's sink takes for its
/// repetitions.
pub(super) fn parent_wait(config: &Config) -> Duration {
    let retries = config.optional_integer("max.retries").unwrap_or(10);
    let pause = config.integer(RETRY_BACKOFF).unsigned_abs();
    Duration::from_millis(retries.unsigned_abs().saturating_mul(pause))
}

/// The most records of a transaction.
pub(super) fn batch_size(config: &Config) -> usize {
    match config.optional_integer("batch.size") {
        Some(size) if size > 0 => usize::try_from(size).unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}
