//! Options of the JDBC sinks that have no effect here: a config that names them works unchanged,
//! unless it asks for what this sink does not do.

use connect_api::{ConfigKey, ConfigType, Importance, Validator};

use super::zone::Zone;

/// A text that must be one of those that ask for nothing else than what this sink does.
type Check = fn(&str) -> Result<(), String>;

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = without_effect();
    keys.extend(one_sided());
    keys.into_iter()
        .map(|key| key.importance(Importance::Low).group("Compatibility"))
        .collect()
}

fn without_effect() -> Vec<ConfigKey> {
    use ConfigType::{Boolean, Class, Int, Long, String};
    const RETRIES: &str = "No effect: a batch is repeated until the database is back, or until \
                           max.retries; the worker sets the pace.";
    const POOL: &str = "No effect: each task has one connection.";
    let keys = [
        ("connection.attempts", Int, RETRIES),
        ("connection.backoff.ms", Long, RETRIES),
        (
            "connection.restart.on.errors",
            Boolean,
            "No effect: a lost connection is always replaced.",
        ),
        ("connection.pool.min_size", Int, POOL),
        ("connection.pool.max_size", Int, POOL),
        ("connection.pool.timeout", Long, POOL),
        ("connection.pool.acquire_increment", Int, POOL),
        ("connection.provider", Class, POOL),
        (
            "dialect.postgres.postgis.schema",
            String,
            "No effect: geometries go by the types of the columns.",
        ),
        (
            "dialect.sqlserver.identity.insert",
            Boolean,
            "No effect: it is for another database.",
        ),
        (
            "cloud.events.schema.name.pattern",
            String,
            "No effect: CloudEvents are not read, and errant.",
        ),
        (
            "use.reduction.buffer",
            Boolean,
            "No effect: the last write of a key always wins within a batch.",
        ),
        (
            "dialect.postgres.unnest.insert.enabled",
            Boolean,
            "No effect: rows go in by COPY.",
        ),
        (
            "trim.sensitive.log",
            Boolean,
            "No effect: values of records never reach the log.",
        ),
        (
            "mssql.use.merge.holdlock",
            Boolean,
            "No effect: it is for another database.",
        ),
    ];
    keys.into_iter()
        .map(|(name, kind, doc)| ConfigKey::nullable(name, kind, doc))
        .collect()
}

fn one_sided() -> Vec<ConfigKey> {
    let checked = |name, default, check: Check, doc| {
        ConfigKey::new(name, ConfigType::String, default, doc).validator(Validator::Check(check))
    };
    vec![
        checked(
            "table.types",
            "TABLE",
            only_tables,
            "TABLE and PARTITIONED TABLE: both are always taken. Rows cannot be copied into views.",
        ),
        ConfigKey::new(
            "dialect.name",
            ConfigType::String,
            "",
            "Empty or PostgreSqlDatabaseDialect.",
        )
        .validator(one_of(&["", "PostgreSqlDatabaseDialect"])),
        ConfigKey::nullable(
            "jdbc.credentials.provider.class",
            ConfigType::Class,
            "Only Confluent's default, which takes connection.user and connection.password.",
        )
        .validator(one_of(&[
            "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider",
        ])),
        checked(
            "use.time.zone",
            "UTC",
            only_utc,
            "Only UTC: Debezium's sink gives such a zone to timestamps without one, where the \
             others take them for points in time. See db.timezone.",
        ),
        ConfigKey::new(
            "date.calendar.system",
            ConfigType::String,
            "PROLEPTIC_GREGORIAN",
            "Only PROLEPTIC_GREGORIAN, which is Postgres's own calendar.",
        )
        .validator(one_of(&["PROLEPTIC_GREGORIAN"])),
        ConfigKey::new(
            "timestamp.precision.mode",
            ConfigType::String,
            "microseconds",
            "Only microseconds, which are Postgres's own precision.",
        )
        .validator(one_of(&["microseconds"])),
        checked(
            "timestamp.fields.list",
            "",
            only_empty,
            "Only empty: a column that is a timestamp takes integers by timestamp.epoch.unit.",
        ),
        ConfigKey::new(
            "schema.evolution",
            ConfigType::String,
            "none",
            "Debezium's. basic is auto.create and auto.evolve together. none, and validate-only, \
             change nothing: a table that does not go with a record's schema makes it errant.",
        )
        .validator(one_of(&["none", "basic", "validate-only", "validate_only"])),
    ]
}

/// Words that nothing reads: each asks for what this sink does anyway.
fn one_of(words: &'static [&'static str]) -> Validator {
    Validator::OneOfIgnoreCase(words.iter().map(|word| (*word).into()).collect())
}

fn only_tables(value: &str) -> Result<(), String> {
    let mut kinds = value.split(',').map(str::trim);
    let known = |kind: &str| {
        kind.eq_ignore_ascii_case("TABLE") || kind.eq_ignore_ascii_case("PARTITIONED TABLE")
    };
    if kinds.all(known) {
        return Ok(());
    }
    Err("Only TABLE and PARTITIONED TABLE are supported".to_owned())
}

fn only_utc(value: &str) -> Result<(), String> {
    match Zone::named(value)? {
        None => Ok(()),
        Some(_) => Err("Only UTC is supported".to_owned()),
    }
}

fn only_empty(value: &str) -> Result<(), String> {
    if value.trim().is_empty() {
        return Ok(());
    }
    Err("Only empty is supported".to_owned())
}
