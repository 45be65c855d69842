//! The declarations of the options that have an effect.

use connect_api::{ConfigDef, ConfigKey, ConfigType, Importance, Validator};

use super::accepted::accepted;
use crate::put::encode::Zone;

/// The options in the order in which they are shown.
pub(crate) fn config_def() -> ConfigDef {
    let mut keys = connection();
    keys.extend(writes());
    keys.extend(data_mapping());
    keys.extend(columns());
    keys.extend(delivery());
    keys.extend(accepted());
    ConfigDef::new(keys)
}

pub(super) fn one_of(options: &'static [&'static str]) -> Validator {
    Validator::OneOfIgnoreCase(options.iter().map(|option| (*option).into()).collect())
}

fn only_always(value: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("always") {
        return Ok(());
    }
    Err("Only always is supported: names are taken as they are".to_owned())
}

fn connection() -> Vec<ConfigKey> {
    let keys =
        vec![
        ConfigKey::required(
            "connection.url",
            ConfigType::String,
            "Where the database is: jdbc:postgresql://host:port/database or \
             postgres://host:port/database, with parameters such as sslmode and currentSchema.",
        )
        .validator(Validator::Check(|text| crate::url::parse(text).map(drop)))
        .importance(Importance::High),
        ConfigKey::nullable(
            "connection.user",
            ConfigType::String,
            "The role to connect as. It goes before a user in the URL.",
        )
        .importance(Importance::High),
        ConfigKey::nullable(
            "connection.password",
            ConfigType::Password,
            "The password of the role. It goes before a password in the URL.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            "connection.timeout.ms",
            ConfigType::Int,
            "10000",
            "How long one attempt to connect may take.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "socket.timeout.ms",
            ConfigType::Int,
            "300000",
            "How long a transaction may take before the connection counts as lost. What became of \
             the transaction is then found out by another one.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "statement.timeout.ms",
            ConfigType::Int,
            "0",
            "How long a statement may take before the server cancels it and the batch is written \
             in smaller parts. 0: as the server is set.",
        )
        .validator(Validator::AtLeast(0)),
        ConfigKey::new(
            "lock.timeout.ms",
            ConfigType::Int,
            "10000",
            "How long a statement may wait for a lock before the transaction is repeated.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "synchronous.commit",
            ConfigType::String,
            "on",
            "The synchronous_commit of the transactions. Exactly once holds with each of them: \
             rows and offsets that a crash takes back are taken back together.",
        )
        .validator(one_of(&["on", "off", "local", "remote_write", "remote_apply"])),
    ];
    keys.into_iter()
        .map(|key| key.group("Connection"))
        .collect()
}

fn writes() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::new(
            "insert.mode",
            ConfigType::String,
            "insert",
            "insert appends rows; insert_ignore leaves out rows that are there already, by their key \
             or, with pk.mode=none, by any unique index; upsert updates the rows whose key is \
             there; update leaves out rows whose key is not there.",
        )
        .validator(one_of(&["insert", "insert_ignore", "upsert", "update"]))
        .importance(Importance::High),
        ConfigKey::new(
            "upsert.condition",
            ConfigType::String,
            "",
            "When upsert and update may change a row that is there: a column, such as a version or \
             a time, that must be greater in the record than in the row. >= before the column: or \
             equal. Empty: always.",
        )
        .validator(Validator::Check(super::condition)),
        ConfigKey::new(
            "upsert.nulls",
            ConfigType::String,
            "write",
            "What a null does to a row that upsert and update find: write sets the column to null, \
             keep leaves it as it is. A field that the record does not have always leaves its \
             column as it is.",
        )
        .validator(one_of(&["write", "keep"])),
        ConfigKey::new(
            "delete.enabled",
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
             Without a value it is repeated without end.",
        )
        .validator(Validator::AtLeast(0)),
    ];
    keys.into_iter().map(|key| key.group("Writes")).collect()
}

fn data_mapping() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::new(
            "table.name.format",
            ConfigType::String,
            "${topic}",
            "The table, with an optional schema: ${topic} stands for the topic.",
        )
        .validator(Validator::NonEmpty),
        ConfigKey::new(
            "table.name.dots",
            ConfigType::String,
            "schema",
            "What a dot in a topic is in the table's name: schema lets it part schema and table; \
             underscore is how Debezium's sink names tables, and the default of its class.",
        )
        .validator(one_of(&["schema", "underscore"]))
        .importance(Importance::Low),
        ConfigKey::new(
            "table.name.normalize",
            ConfigType::Boolean,
            "false",
            "Whether each character of the table's name besides letters of ASCII, digits and _ \
             becomes _.",
        )
        .importance(Importance::Low),
        ConfigKey::new(
            "topics.to.tables.mapping",
            ConfigType::List,
            "",
            "topic:table pairs. When there are any, a topic without one fails the task.",
        ),
        ConfigKey::new(
            "pk.mode",
            ConfigType::String,
            "none",
            "Where the primary key comes from: none, kafka (topic, partition and offset), \
             record_key, record_value or record_header.",
        )
        .validator(one_of(&[
            "none",
            "kafka",
            "record_key",
            "record_value",
            "record_header",
        ]))
        .importance(Importance::High),
        ConfigKey::new(
            "pk.fields",
            ConfigType::List,
            "",
            "The fields of the primary key; empty for all fields of the key or of the value. With \
             pk.mode=kafka the three columns, with a primitive key the one column.",
        ),
    ];
    keys.into_iter()
        .map(|key| key.group("Data Mapping"))
        .collect()
}

fn columns() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::new(
            "fields.whitelist",
            ConfigType::List,
            "",
            "The fields of the value that are written besides the primary key, by their very names \
             or as topic:field; empty for all.",
        ),
        ConfigKey::new(
            "field.exclude.list",
            ConfigType::List,
            "",
            "The fields of the value that are not written, unless they are in the primary key, by \
             their very names or as topic:field. It excludes fields.whitelist.",
        ),
        ConfigKey::new(
            "unknown.fields",
            ConfigType::String,
            "error",
            "What a field without a column is: an error, or ignored. As an error it fails the task \
             where the record has a schema, and makes the record errant where it has none.",
        )
        .validator(one_of(&["error", "ignore"])),
        ConfigKey::new(
            "auto.create",
            ConfigType::Boolean,
            "false",
            "Whether a missing table is created from the schema of its first record. Structs and \
             maps become jsonb, arrays of scalars arrays, Timestamp becomes timestamptz. Records \
             without a schema do not tell the types of columns: for them the table must be there.",
        ),
        ConfigKey::new(
            "auto.evolve",
            ConfigType::Boolean,
            "false",
            "Whether columns are added for fields that are optional or have a default, and lose \
             NOT NULL where the field is optional. Nothing is ever dropped or renamed.",
        ),
        ConfigKey::new(
            "auto.evolve.widen",
            ConfigType::Boolean,
            "false",
            "Whether auto.evolve also changes the type of a column to a wider one of the schema: \
             of smallint, integer and bigint, of real and double precision, and of varchar to the \
             length that Debezium propagates. Postgres writes the whole table anew for a number.",
        ),
        ConfigKey::new(
            "timestamp.epoch.unit",
            ConfigType::String,
            "milliseconds",
            "What an integer counts since 1970-01-01 UTC where the column is a timestamptz, a \
             timestamp or a date: seconds, milliseconds (as Kafka Connect does), microseconds or \
             nanoseconds. A date takes only midnights. error: such columns take no integers. It \
             holds for schemaless integers and INT64; Debezium's types have their own units.",
        )
        .validator(one_of(&[
            "seconds",
            "milliseconds",
            "microseconds",
            "nanoseconds",
            "error",
        ])),
        ConfigKey::new(
            "timestamp.excess.digits",
            ConfigType::String,
            "error",
            "What becomes of digits of a second that a column does not keep, such as those of \
             nanoseconds: they make the record errant, or truncate cuts them off.",
        )
        .validator(one_of(&["error", "truncate"])),
        ConfigKey::new(
            "numeric.excess.digits",
            ConfigType::String,
            "error",
            "What becomes of digits after the point that a numeric does not keep, in decimals and \
             in texts: they make the record errant, or round rounds them, halves away from zero, \
             as Postgres does for the JDBC sinks. Floats are always rounded, as their last digits \
             are not exact. Digits before the point are never lost.",
        )
        .validator(one_of(&["error", "round"])),
        ConfigKey::new(
            "nul.characters",
            ConfigType::String,
            "error",
            "What becomes of NUL characters, which Postgres's texts cannot hold, in text, varchar, \
             char, citext, name, hstore and jsonb, and in arrays of them: they make the record \
             errant, strip leaves them out, replace puts U+FFFD in their place. A json column keeps \
             \\u0000 as it is.",
        )
        .validator(one_of(&["error", "strip", "replace"])),
        ConfigKey::new(
            "replace.null.with.default",
            ConfigType::Boolean,
            "true",
            "Whether a null is written as the default of the field's schema, where it has one.",
        ),
        ConfigKey::new(
            "quote.sql.identifiers",
            ConfigType::String,
            "always",
            "Names are always quoted.",
        )
        .validator(Validator::Check(only_always)),
        ConfigKey::new(
            "db.timezone",
            ConfigType::String,
            "UTC",
            "What clocks columns without a time zone show: a timestamp, a time and a date receive \
             points in time (Timestamp, integers, texts with an offset; Time, as of 1970-01-01; \
             Date, as midnight in UTC, see date.timezone) as they are in this zone. An hour that \
             the clocks repeat is there twice. What is no point in time stays as it is: texts \
             without an offset, Debezium's types. A timestamptz and a timetz do not depend on it. A \
             name of the IANA database or an offset such as +05:30.",
        )
        .validator(Validator::Check(|name| Zone::named(name).map(drop))),
        ConfigKey::new(
            "date.timezone",
            ConfigType::String,
            "DB_TIMEZONE",
            "The same for a date alone: DB_TIMEZONE, as the JDBC sinks have it, makes a Date the day \
             before where db.timezone is west of Greenwich; UTC leaves it as it is.",
        )
        .validator(one_of(&["DB_TIMEZONE", "UTC"])),
    ];
    keys.into_iter()
        .map(|key| key.group("Data Mapping"))
        .collect()
}

fn delivery() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::new(
            "delivery.guarantee",
            ConfigType::String,
            "exactly_once",
            "exactly_once keeps the offsets in the table ferrule.offsets of the same database; \
             at_least_once leaves them to Kafka, and a batch may be written twice after a failure.",
        )
        .validator(one_of(&["exactly_once", "at_least_once"])),
        ConfigKey::new(
            "errors.deadletterqueue.table.name",
            ConfigType::String,
            "",
            "The table that errant records are written to, by the transaction that moves their \
             offsets: each is there exactly once. It is created when it is missing. Empty: none. \
             It needs errors.tolerance=all, and goes together with a dead letter topic.",
        ),
    ];
    keys.into_iter().map(|key| key.group("Delivery")).collect()
}
