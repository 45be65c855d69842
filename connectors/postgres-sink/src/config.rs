//! The options: declared once, in the words of the JDBC sinks, and resolved for a task.

mod resolved;

use connect_api::{
    ConfigDef, ConfigKey, ConfigType, ConfigValue, Importance, Properties, Validator,
};

pub(crate) use resolved::{Delivery, InsertMode, PkMode, PostgresSinkConfig, UnknownFields};

/// The options in the order in which they are shown.
pub(crate) fn config_def() -> ConfigDef {
    let mut keys = connection();
    keys.extend(writes());
    keys.extend(data_mapping());
    keys.extend(columns());
    keys.extend(delivery());
    ConfigDef::new(keys)
}

fn one_of(options: &'static [&'static str]) -> Validator {
    Validator::OneOfIgnoreCase(options.iter().map(|option| (*option).into()).collect())
}

/// For an option of the JDBC sinks of which this sink has only one side: anything else is refused
/// rather than passed over.
fn only_false(value: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("false") {
        return Ok(());
    }
    Err("Only false is supported: create and alter the table yourself".to_owned())
}

fn only_utc(value: &str) -> Result<(), String> {
    match value {
        "UTC" | "Z" | "GMT" | "Etc/UTC" => Ok(()),
        _ => Err("Only UTC is supported".to_owned()),
    }
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
            "insert appends rows; upsert updates the rows whose key is there; update leaves out \
             rows whose key is not there.",
        )
        .validator(one_of(&["insert", "upsert", "update"]))
        .importance(Importance::High),
        ConfigKey::new(
            "delete.enabled",
            ConfigType::Boolean,
            "false",
            "Whether a null value deletes the row of its key. It needs pk.mode=record_key.",
        ),
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
            "The fields of the value that are written besides the primary key; empty for all.",
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
            "Whether a missing table is created. Only false is supported.",
        )
        .validator(Validator::Check(only_false)),
        ConfigKey::new(
            "auto.evolve",
            ConfigType::Boolean,
            "false",
            "Whether missing columns are added. Only false is supported.",
        )
        .validator(Validator::Check(only_false)),
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
            "The time zone of texts without one and of columns without one. Only UTC is supported.",
        )
        .validator(Validator::Check(only_utc)),
    ];
    keys.into_iter()
        .map(|key| key.group("Data Mapping"))
        .collect()
}

fn delivery() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "delivery.guarantee",
            ConfigType::String,
            "exactly_once",
            "exactly_once keeps the offsets in the table ferrule.offsets of the same database; \
             at_least_once leaves them to Kafka, and a batch may be written twice after a failure.",
        )
        .validator(one_of(&["exactly_once", "at_least_once"]))
        .group("Delivery"),
    ]
}

/// The same properties in Confluent's spelling, which is this sink's own.
pub(crate) fn normalise(properties: &Properties) -> Properties {
    let mut own = properties.clone();
    for (theirs, ours) in [
        ("connection.username", "connection.user"),
        ("collection.name.format", "table.name.format"),
        ("primary.key.mode", "pk.mode"),
        ("primary.key.fields", "pk.fields"),
        ("field.include.list", "fields.whitelist"),
        ("flush.max.retries", "max.retries"),
        ("database.time_zone", "db.timezone"),
        ("use.time.zone", "db.timezone"),
        ("sql.quote.identifiers", "quote.sql.identifiers"),
    ] {
        if let Some(value) = own.remove(theirs) {
            own.entry(ours.to_owned()).or_insert(value);
        }
    }
    // Aiven's spelling of the quoting is a boolean.
    if let Some(quoting) = own.get_mut("quote.sql.identifiers") {
        match quoting.as_str() {
            "true" => *quoting = "always".to_owned(),
            "false" => *quoting = "never".to_owned(),
            _ => {}
        }
    }
    if let Some(evolution) = own.remove("schema.evolution") {
        let value = if evolution.eq_ignore_ascii_case("basic") {
            "true"
        } else {
            "false"
        };
        for key in ["auto.create", "auto.evolve"] {
            own.entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
    // Several rows in one INSERT were Aiven's way to be fast.
    if let Some(mode) = own.get_mut("insert.mode")
        && mode.eq_ignore_ascii_case("multi")
    {
        *mode = "insert".to_owned();
    }
    own
}

/// Adds what no single option can tell, in Confluent's words.
pub(crate) fn validate(properties: &Properties, values: &mut [ConfigValue]) {
    let properties = normalise(properties);
    let given = |key: &str, default: &str| {
        let value = properties.get(key).map_or(default, |value| value.trim());
        value.to_lowercase()
    };
    let pk_mode = given("pk.mode", "none");
    let insert_mode = given("insert.mode", "insert");
    let fields = given("pk.fields", "");
    let count = fields
        .split(',')
        .filter(|field| !field.trim().is_empty())
        .count();
    let mut refuse = |key: &str, why: &str| {
        for value in values.iter_mut().filter(|value| value.name == key) {
            value.errors.push(why.to_owned());
        }
    };
    if given("delete.enabled", "false") == "true" && pk_mode != "record_key" {
        for key in ["pk.mode", "delete.enabled"] {
            refuse(key, "Deletes are only supported for pk.mode record_key");
        }
    }
    if insert_mode != "insert" && pk_mode == "none" {
        let mode = insert_mode.to_uppercase();
        let why = format!(
            "Write in {mode} mode requires key field names to be known, check the primary key \
             configuration"
        );
        refuse("pk.mode", &why);
    }
    match (pk_mode.as_str(), count) {
        ("none", 1..) => refuse(
            "pk.fields",
            "Primary key fields must be empty for pk.mode none",
        ),
        ("kafka", 1 | 2 | 4..) => refuse(
            "pk.fields",
            "Primary key fields must be the three columns of topic, partition and offset, or \
             empty, for pk.mode kafka",
        ),
        ("record_header", 0) => refuse(
            "pk.fields",
            "Primary key fields must name the headers for pk.mode record_header",
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: (&str, &str) = ("connection.url", "jdbc:postgresql://db/x");

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        let pairs = pairs.iter().chain([&URL]);
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
        let properties = properties(pairs);
        let mut values = config_def().validate(&normalise(&properties));
        validate(&properties, &mut values);
        let wrong = values.into_iter().flat_map(|value| {
            let name = value.name;
            value
                .errors
                .into_iter()
                .map(move |error| format!("{name}: {error}"))
        });
        wrong.collect()
    }

    #[test]
    fn the_configs_of_the_jdbc_sinks_are_valid() {
        for pairs in [
            &[] as &[_],
            &[
                ("insert.mode", "UPSERT"),
                ("pk.mode", "record_key"),
                ("delete.enabled", "true"),
            ],
            &[("insert.mode", "multi"), ("sql.quote.identifiers", "true")],
            &[
                ("connection.username", "u"),
                ("primary.key.mode", "record_value"),
                ("primary.key.fields", "id"),
                ("insert.mode", "upsert"),
                ("schema.evolution", "none"),
                ("collection.name.format", "t"),
            ],
        ] {
            assert_eq!(errors(pairs), [] as [String; 0], "{pairs:?}");
            let own = normalise(&properties(pairs));
            let parsed = config_def().parse(&own).map(|config| {
                PostgresSinkConfig::resolve(&config)
                    .map(drop)
                    .map_err(|e| e.to_string())
            });
            assert_eq!(parsed.map_err(|e| e.to_string()), Ok(Ok(())), "{pairs:?}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (pairs, expect) in [
            (
                &[("delete.enabled", "true")] as &[_],
                "pk.mode: Deletes are only supported for pk.mode record_key",
            ),
            (
                &[("insert.mode", "upsert")],
                "pk.mode: Write in UPSERT mode requires key field",
            ),
            (
                &[("pk.mode", "kafka"), ("pk.fields", "a,b")],
                "pk.fields: Primary key fields must",
            ),
            (
                &[("pk.fields", "a")],
                "pk.fields: Primary key fields must be empty",
            ),
            (
                &[("auto.create", "true")],
                "auto.create: Invalid value true",
            ),
            (
                &[("schema.evolution", "basic")],
                "auto.evolve: Invalid value true",
            ),
            (
                &[("quote.sql.identifiers", "never")],
                "quote.sql.identifiers: Invalid value never",
            ),
            (
                &[("db.timezone", "Europe/Paris")],
                "db.timezone: Invalid value",
            ),
            (
                &[("insert.mode", "merge")],
                "insert.mode: Invalid value merge",
            ),
        ] {
            let errors = errors(pairs);
            assert!(
                errors.iter().any(|e| e.starts_with(expect)),
                "{pairs:?}: {errors:?}"
            );
        }
    }

    #[test]
    fn a_topic_has_its_table() -> connect_api::Result<()> {
        let resolve = |pairs: &[(&str, &str)]| {
            let config = config_def().parse(&properties(pairs))?;
            PostgresSinkConfig::resolve(&config)
        };
        assert_eq!(resolve(&[])?.tables.table("a.b")?, "a.b");
        let formatted = resolve(&[("table.name.format", "raw.${topic}_x")])?;
        assert_eq!(formatted.tables.table("t")?, "raw.t_x");
        let mapped = resolve(&[("topics.to.tables.mapping", "a:x, b:y")])?;
        assert_eq!(mapped.tables.table("b")?, "y");
        assert!(mapped.tables.table("c").is_err());
        Ok(())
    }
}
