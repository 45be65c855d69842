//! The options: declared once, in the words of the JDBC sinks, and resolved for a task.

mod accepted;
mod keys;
#[cfg(test)]
mod readme;
mod resolved;

use connect_api::{ConfigValue, Properties};

pub(crate) use keys::config_def;
pub(crate) use resolved::{
    Delivery, EpochUnit, InsertMode, PkMode, PostgresSinkConfig, UnknownFields,
};

/// The class of Debezium's sink, whose defaults are not all Confluent's.
pub(crate) const DEBEZIUM: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";

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
        ("database.time_zone", "use.time.zone"),
        ("sql.quote.identifiers", "quote.sql.identifiers"),
        ("quote.identifiers", "quote.sql.identifiers"),
        ("flush.retry.delay.ms", "retry.backoff.ms"),
    ] {
        if let Some(value) = own.remove(theirs) {
            own.entry(ours.to_owned()).or_insert(value);
        }
    }
    pass_through(&mut own);
    // Debezium's sink never takes a topic's dots for those of a schema and a table.
    if own.get("connector.class").map(String::as_str) == Some(DEBEZIUM) {
        let dots = own.entry("table.name.dots".to_owned());
        dots.or_insert_with(|| "underscore".to_owned());
    }
    // Aiven's and Debezium's spelling of the quoting is a boolean.
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

/// Confluent's sink gives options `connection.<name>` that it does not know to the driver: here they
/// become parameters of the URL, which refuses what it does not know. An option such as
/// `connection.sslmode` must not go unheard.
fn pass_through(own: &mut Properties) {
    let def = config_def();
    let is_declared = |key: &str| def.keys().iter().any(|declared| declared.name == key);
    let unknown: Vec<String> = own
        .keys()
        .filter(|key| key.starts_with("connection.") && !is_declared(key))
        .cloned()
        .collect();
    for key in unknown {
        let (Some(value), Some(url)) = (own.remove(&key), own.get_mut("connection.url")) else {
            continue;
        };
        let name = key.trim_start_matches("connection.");
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let mark = if url.contains('?') { '&' } else { '?' };
        url.push_str(&format!("{mark}{name}={value}"));
    }
}

/// `upsert.condition`: whether equal is enough, and the column.
pub(crate) fn newer(text: &str) -> (bool, &str) {
    let text = text.trim();
    match text.strip_prefix(">=") {
        Some(column) => (true, column.trim()),
        None => (false, text.strip_prefix('>').unwrap_or(text).trim()),
    }
}

fn condition(text: &str) -> Result<(), String> {
    let (_, column) = newer(text);
    let is_name = !column.contains(|c: char| c.is_whitespace() || "<>=()".contains(c));
    if text.trim().is_empty() || (is_name && !column.is_empty()) {
        return Ok(());
    }
    Err("Must be a column, or >= and a column".to_owned())
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
    if matches!(insert_mode.as_str(), "upsert" | "update") && pk_mode == "none" {
        let mode = insert_mode.to_uppercase();
        let why = format!(
            "Write in {mode} mode requires key field names to be known, check the primary key \
             configuration"
        );
        refuse("pk.mode", &why);
    }
    if given("auto.evolve", "false") == "true" && given("unknown.fields", "error") == "ignore" {
        refuse(
            "unknown.fields",
            "Fields without a column cannot be both ignored and added by auto.evolve",
        );
    }
    if !matches!(insert_mode.as_str(), "upsert" | "update") {
        for (key, default) in [("upsert.condition", ""), ("upsert.nulls", "write")] {
            if given(key, default) != default {
                refuse(
                    key,
                    "Only insert.mode upsert and update look at rows that are there",
                );
            }
        }
    }
    if !given("fields.whitelist", "").is_empty() && !given("field.exclude.list", "").is_empty() {
        refuse(
            "field.exclude.list",
            "\"fields.whitelist\" (Debezium's field.include.list) is already specified",
        );
    }
    let letters = "errors.deadletterqueue.table.name";
    if !given(letters, "").is_empty() && given("errors.tolerance", "none") != "all" {
        refuse(
            letters,
            "A dead letter table takes what is passed over: set errors.tolerance=all",
        );
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
                ("schema.evolution", "basic"),
                ("collection.name.format", "t"),
                ("flush.retry.delay.ms", "1000"),
                ("connection.pool.max_size", "32"),
                ("quote.identifiers", "true"),
            ],
            &[
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
                &[("schema.evolution", "basic"), ("unknown.fields", "ignore")],
                "unknown.fields: Fields without a column cannot be both",
            ),
            (
                &[("table.types", "TABLE,VIEW")],
                "table.types: Invalid value TABLE,VIEW",
            ),
            (
                &[("timestamp.fields.list", "at")],
                "timestamp.fields.list: Invalid value at",
            ),
            (
                &[("truncate.enabled", "true")],
                "truncate.enabled: Invalid value true",
            ),
            (
                &[("quote.identifiers", "false")],
                "quote.sql.identifiers: Invalid value never",
            ),
            (
                &[("timestamp.epoch.unit", "hours")],
                "timestamp.epoch.unit: Invalid value hours",
            ),
            (
                &[("quote.sql.identifiers", "never")],
                "quote.sql.identifiers: Invalid value never",
            ),
            (
                &[("db.timezone", "Europe/Pariss")],
                "db.timezone: Invalid value Europe/Pariss for configuration db.timezone: No time \
                 zone is called Europe/Pariss",
            ),
            (
                &[("database.time_zone", "Europe/Paris")],
                "use.time.zone: Invalid value Europe/Paris for configuration use.time.zone: Only \
                 UTC",
            ),
            (
                &[("upsert.condition", "version"), ("pk.mode", "kafka")],
                "upsert.condition: Only insert.mode upsert and update",
            ),
            (
                &[("connection.shiny", "1")],
                "connection.url: Invalid value",
            ),
            (
                &[("connection.sslmode", "maybe")],
                "connection.url: Invalid value",
            ),
            (
                &[("upsert.nulls", "keep")],
                "upsert.nulls: Only insert.mode upsert and update",
            ),
            (
                &[("upsert.condition", "a < b")],
                "upsert.condition: Invalid value a < b",
            ),
            (
                &[("field.include.list", "a"), ("field.exclude.list", "b")],
                "field.exclude.list: \"fields.whitelist\" (Debezium's",
            ),
            (
                &[("errors.deadletterqueue.table.name", "letters")],
                "errors.deadletterqueue.table.name: A dead letter table takes",
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
    fn lists_choose_fields_by_name_or_by_topic_and_name() -> connect_api::Result<()> {
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
    fn a_topic_has_its_table() -> connect_api::Result<()> {
        let resolve = |pairs: &[(&str, &str)]| {
            let config = config_def().parse(&normalise(&properties(pairs)))?;
            PostgresSinkConfig::resolve(&config)
        };
        assert_eq!(resolve(&[])?.tables.table("a.b")?, "a.b");
        let formatted = resolve(&[("table.name.format", "raw.${topic}_x")])?;
        assert_eq!(formatted.tables.table("t")?, "raw.t_x");
        let mapped = resolve(&[("topics.to.tables.mapping", "a:x, b:y")])?;
        assert_eq!(mapped.tables.table("b")?, "y");
        assert!(mapped.tables.table("c").is_err());
        let class = ("connector.class", DEBEZIUM);
        assert_eq!(resolve(&[class])?.tables.table("a.b-c")?, "a_b-c");
        let normalized = resolve(&[("table.name.normalize", "true")])?;
        assert_eq!(normalized.tables.table("a.b-c")?, "a_b_c");
        Ok(())
    }
}
