//! The spellings of Confluent's, Aiven's and Debezium's sinks, brought to one.

use connect_api::{Choice, Properties};

use super::InsertMode;

/// The class of Debezium's sink, whose defaults are not all Confluent's.
pub(crate) const DEBEZIUM: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";

/// What other sinks call options, and what Confluent's does.
const NAMES: &[(&str, &str)] = &[
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
    ("table.naming.strategy", "collection.naming.strategy"),
];

/// What Debezium's sink does where its config does not say.
const DEBEZIUM_DEFAULTS: &[(&str, &str)] = &[
    // It never takes a topic's dots for those of a schema and a table.
    ("table.name.dots", "underscore"),
    ("quote.sql.identifiers", "never"),
    ("change.events", "debezium"),
];

/// Whether a config is one of Debezium's sink.
pub(crate) fn is_debezium(properties: &Properties) -> bool {
    let class = properties.get("connector.class");
    class.is_some_and(|class| class.trim() == DEBEZIUM)
}

/// The same properties in Confluent's spelling, which is this sink's own.
pub(crate) fn normalise(properties: &Properties) -> Properties {
    let mut own = properties.clone();
    for (theirs, ours) in NAMES {
        if let Some(value) = own.remove(*theirs) {
            own.entry((*ours).to_owned()).or_insert(value);
        }
    }
    pass_through(&mut own);
    if is_debezium(&own) {
        for (key, value) in DEBEZIUM_DEFAULTS {
            let option = own.entry((*key).to_owned());
            option.or_insert_with(|| (*value).to_owned());
        }
    }
    // Aiven's and Debezium's spelling of the quoting is a boolean.
    if let Some(quoting) = own.get_mut("quote.sql.identifiers") {
        match quoting.trim().to_ascii_lowercase().as_str() {
            "true" => *quoting = "always".to_owned(),
            "false" => *quoting = "never".to_owned(),
            _ => {}
        }
    }
    if let Some(evolution) = own.get("schema.evolution") {
        // Of another word its declaration says what is wrong with it.
        let is_basic = evolution.trim().eq_ignore_ascii_case("basic");
        for key in ["auto.create", "auto.evolve"] {
            own.entry(key.to_owned())
                .or_insert_with(|| is_basic.to_string());
        }
    }
    // Several rows in one INSERT were Aiven's way to be fast.
    if let Some(mode) = own.get_mut("insert.mode")
        && mode.eq_ignore_ascii_case("multi")
    {
        *mode = InsertMode::Insert.word().to_owned();
    }
    own
}

/// Confluent's sink gives options `connection.<name>` that it does not know to the driver: here
/// they become parameters of the URL, which refuses what it does not know. An option such as
/// `connection.sslmode` must not go unheard.
fn pass_through(own: &mut Properties) {
    let def = super::config_def();
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
