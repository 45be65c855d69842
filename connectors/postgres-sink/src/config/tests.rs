//! Configs of the JDBC sinks, and configs that are refused.

use connect_api::{Connector as _, Properties};

use super::*;
use crate::PostgresSinkConnector;

const URL: (&str, &str) = ("connection.url", "jdbc:postgresql://db/x");

fn properties(pairs: &[(&str, &str)]) -> Properties {
    let pairs = [&URL].into_iter().chain(pairs);
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
    let properties = normalise(&properties(pairs));
    let mut values = config_def().validate(&properties);
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
            ("schema.evolution", "basic"),
            ("collection.name.format", "t"),
            ("flush.retry.delay.ms", "1000"),
            ("connection.pool.max_size", "32"),
            ("quote.identifiers", "true"),
        ],
        &[
            ("connector.class", DEBEZIUM),
            ("schema.evolution", "validate-only"),
            ("collection.name.format", "${source.schema}_${source.table}"),
            ("truncate.enabled", "true"),
            (
                "table.naming.strategy",
                "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy",
            ),
        ],
        &[
            ("connection.loginTimeout", "15"),
            ("connection.shiny", "1"),
            ("batch.size", "3000"),
            ("auto.create", "true"),
            ("auto.evolve", "true"),
            ("max.retries", "10"),
            ("retry.backoff.ms", "3000"),
            ("connection.attempts", "3"),
            ("connection.backoff.ms", "10000"),
            ("dialect.name", "PostgreSqlDatabaseDialect"),
            ("table.types", "TABLE,PARTITIONED TABLE"),
            ("date.timezone", "DB_TIMEZONE"),
            ("timestamp.fields.list", ""),
            ("db.timezone", "Europe/Paris"),
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

/// Properties, and the option that is refused for them with the beginning of the reason.
type Refused = (&'static [(&'static str, &'static str)], &'static str);

/// Values that no config may have.
const WRONG_BY_THEMSELVES: &[Refused] = &[
    (
        &[("table.types", "TABLE,VIEW")],
        "table.types: Invalid value TABLE,VIEW",
    ),
    (
        &[("timestamp.fields.list", "at")],
        "timestamp.fields.list: Invalid value at",
    ),
    (
        &[("quote.identifiers", "no")],
        "quote.sql.identifiers: Invalid value no",
    ),
    (
        &[("schema.evolution", "advanced")],
        "schema.evolution: Invalid value advanced",
    ),
    (
        &[("collection.name.format", "${table}")],
        "table.name.format: Invalid value ${table}",
    ),
    (
        &[("collection.naming.strategy", "com.example.Mine")],
        "collection.naming.strategy: Invalid value com.example.Mine",
    ),
    (
        &[("column.naming.style", "kebab")],
        "column.naming.style: Invalid value kebab",
    ),
    (
        &[("timestamp.epoch.unit", "hours")],
        "timestamp.epoch.unit: Invalid value hours",
    ),
    (
        &[("quote.sql.identifiers", "sometimes")],
        "quote.sql.identifiers: Invalid value sometimes",
    ),
    (
        &[("db.timezone", "Europe/Pariss")],
        "db.timezone: Invalid value Europe/Pariss for configuration db.timezone: No time zone is \
         called Europe/Pariss",
    ),
    (
        &[("database.time_zone", "Europe/Paris")],
        "use.time.zone: Invalid value Europe/Paris for configuration use.time.zone: Only UTC",
    ),
    (
        &[("connection.sslShiny", "1")],
        "connection.url: Invalid value",
    ),
    (
        &[("connection.sslmode", "maybe")],
        "connection.url: Invalid value",
    ),
    (
        &[("upsert.condition", "a < b")],
        "upsert.condition: Invalid value a < b",
    ),
    (
        &[("insert.mode", "merge")],
        "insert.mode: Invalid value merge",
    ),
];

/// Options that contradict each other.
const WRONG_TOGETHER: &[Refused] = &[
    (
        &[("delete.enabled", "true")],
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
        &[("schema.evolution", "basic"), ("unknown.fields", "ignore")],
        "unknown.fields: Fields without a column cannot be both",
    ),
    (
        &[("upsert.condition", "version"), ("pk.mode", "kafka")],
        "upsert.condition: Only insert.mode upsert and update",
    ),
    (
        &[("upsert.nulls", "keep")],
        "upsert.nulls: Only insert.mode upsert and update",
    ),
    (
        &[("field.include.list", "a"), ("field.exclude.list", "b")],
        "field.exclude.list: \"fields.whitelist\" (Debezium's",
    ),
    (
        &[("collection.naming.style", "snake_case")],
        "collection.naming.style: It counts only where",
    ),
    (
        &[("column.naming.prefix", "c_")],
        "column.naming.prefix: It counts only where",
    ),
    (
        &[("table.name.format", "${source.table}")],
        "table.name.format: Only change events have a source",
    ),
    (
        &[("truncate.enabled", "true")],
        "truncate.enabled: Only change events truncate",
    ),
    (
        &[("errors.deadletterqueue.table.name", "letters")],
        "errors.deadletterqueue.table.name: A dead letter table takes",
    ),
];

#[test]
fn what_the_sink_does_not_do_is_refused() {
    for (pairs, expect) in WRONG_BY_THEMSELVES.iter().chain(WRONG_TOGETHER) {
        let errors = errors(pairs);
        assert!(
            errors.iter().any(|e| e.starts_with(expect)),
            "{pairs:?}: {errors:?}"
        );
    }
}

#[test]
fn an_option_that_is_wrong_by_itself_takes_part_in_no_rule() {
    for (pairs, expect) in [
        (
            &[("insert.mode", "merge"), ("upsert.condition", "version")] as &[_],
            "insert.mode: Invalid value merge",
        ),
        (
            &[("pk.mode", "key"), ("delete.enabled", "true")],
            "pk.mode: Invalid value key",
        ),
        (
            &[("pk.fields", "a"), ("pk.mode", "key")],
            "pk.mode: Invalid value key",
        ),
    ] {
        let errors = errors(pairs);
        assert_eq!(errors.len(), 1, "{pairs:?}: {errors:?}");
        assert!(errors[0].starts_with(expect), "{pairs:?}: {errors:?}");
    }
    // The others are checked nonetheless.
    let errors = errors(&[("connection.url", "x"), ("delete.enabled", "true")]);
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn lists_choose_fields_by_name_or_by_topic_and_name() -> Result<()> {
    let resolve = |pairs: &[(&str, &str)]| {
        let config = config_def().parse(&normalise(&properties(pairs)))?;
        PostgresSinkConfig::resolve(&config).map(|config| config.fields)
    };
    let fields = resolve(&[("fields.whitelist", "a,t:b")])?;
    assert!(fields.allow("t", "a") && fields.allow("t", "b") && fields.allow("u", "a"));
    assert!(!fields.allow("u", "b") && !fields.allow("t", "c"));
    let fields = resolve(&[("field.include.list", " t : b ,a.*")])?;
    assert!(fields.allow("t", "b") && fields.allow("t", "a.*"));
    assert!(!fields.allow("t", "ab"), "names are no expressions");
    let fields = resolve(&[("field.exclude.list", "t:b")])?;
    assert!(fields.allow("t", "a") && fields.allow("u", "b") && !fields.allow("t", "b"));
    Ok(())
}

#[test]
fn a_topic_has_its_table() -> Result<()> {
    let resolve = |pairs: &[(&str, &str)]| {
        let config = config_def().parse(&normalise(&properties(pairs)))?;
        PostgresSinkConfig::resolve(&config)
    };
    assert_eq!(resolve(&[])?.tables.table("a.b", None)?, "a.b");
    let formatted = resolve(&[("table.name.format", "raw.${topic}_x")])?;
    assert_eq!(formatted.tables.table("t", None)?, "raw.t_x");
    let mapped = resolve(&[("topics.to.tables.mapping", "a:x, b:y")])?;
    assert_eq!(mapped.tables.table("b", None)?, "y");
    assert!(mapped.tables.table("c", None).is_err());
    let class = ("connector.class", DEBEZIUM);
    assert_eq!(resolve(&[class])?.tables.table("a.B-c", None)?, "a_b-c");
    let quoted = resolve(&[class, ("quote.identifiers", "true")])?;
    assert_eq!(quoted.tables.table("a.B-c", None)?, "a_B-c");
    let strategy = (
        "collection.naming.strategy",
        "io.debezium.connector.jdbc.naming.CustomCollectionNamingStrategy",
    );
    let style = ("collection.naming.style", "snake_case");
    let affixes = [
        ("collection.naming.prefix", "T_"),
        ("collection.naming.suffix", "_x"),
    ];
    for (topic, expect) in [
        ("server.schema.UserProfile", "T_user_profile_x"),
        ("schema.UserProfile", "T_user_profile_x"),
        ("UserProfile", "T_user_profile_x"),
    ] {
        let custom = resolve(&[strategy, style, affixes[0], affixes[1]])?;
        assert_eq!(custom.tables.table(topic, None)?, expect);
    }
    let normalized = resolve(&[("table.name.normalize", "true")])?;
    assert_eq!(normalized.tables.table("a.b-c", None)?, "a_b_c");
    Ok(())
}

#[test]
fn schema_evolution_is_shown_as_it_was_given() {
    for (given, creates) in [("basic", "true"), (" Basic", "true"), ("none", "false")] {
        let own = normalise(&properties(&[("schema.evolution", given)]));
        assert_eq!(own["schema.evolution"], given);
        assert_eq!(
            (&*own["auto.create"], &*own["auto.evolve"]),
            (creates, creates)
        );
    }
}

#[test]
fn tasks_of_debeziums_class_are_numbered() {
    for (class, ids) in [
        (DEBEZIUM, [Some("0"), Some("1")]),
        ("FerrulePostgresSink", [None; 2]),
    ] {
        let given = properties(&[("connector.class", class)]);
        let tasks = PostgresSinkConnector::new()
            .task_configs(&given, 2)
            .unwrap();
        let seen: Vec<_> = tasks
            .iter()
            .map(|task| task.get("task.id").map(String::as_str))
            .collect();
        assert_eq!(seen, ids, "{class}");
    }
}
