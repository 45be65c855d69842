//! `docs/compatibility.md` lists the keys of the three JDBC sinks with what they mean here, as they
//! are declared.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use connect_api::{ConfigKey, Properties};

use super::{config_def, normalise};

const START: &str = "<!-- keys -->\n";
const END: &str = "<!-- end of keys -->\n";

/// The options of Confluent's sink (10.8), beside those of Kafka Connect.
const CONFLUENT: &str = "connection.url connection.user connection.password connection.attempts \
    connection.backoff.ms dialect.name jdbc.credentials.provider.class insert.mode batch.size \
    delete.enabled table.types table.name.format pk.mode pk.fields fields.whitelist db.timezone \
    date.timezone timestamp.fields.list timestamp.precision.mode date.calendar.system auto.create \
    auto.evolve quote.sql.identifiers mssql.use.merge.holdlock max.retries retry.backoff.ms \
    replace.null.with.default trim.sensitive.log";
/// Those of Aiven's (6.10).
const AIVEN: &str = "connection.url connection.user connection.password connection.attempts \
    connection.backoff.ms dialect.name insert.mode batch.size delete.enabled table.name.format \
    table.name.normalize topics.to.tables.mapping sql.quote.identifiers pk.mode pk.fields \
    fields.whitelist db.timezone auto.create auto.evolve max.retries retry.backoff.ms";
/// Those of Debezium's (3.5), with the former names that it takes.
const DEBEZIUM: &str = "connection.url connection.username connection.password \
    connection.provider connection.pool.min_size connection.pool.max_size \
    connection.pool.acquire_increment connection.pool.timeout connection.restart.on.errors \
    use.time.zone database.time_zone insert.mode delete.enabled truncate.enabled \
    collection.name.format table.name.format collection.naming.strategy table.naming.strategy \
    collection.naming.style collection.naming.prefix collection.naming.suffix \
    column.naming.strategy column.naming.style column.naming.prefix column.naming.suffix \
    primary.key.mode primary.key.fields schema.evolution quote.identifiers field.include.list \
    field.exclude.list batch.size use.reduction.buffer flush.max.retries flush.retry.delay.ms \
    dialect.postgres.postgis.schema dialect.postgres.unnest.insert.enabled \
    dialect.sqlserver.identity.insert cloud.events.schema.name.pattern";

/// The declarations that a key becomes.
fn declared(key: &str) -> Vec<ConfigKey> {
    let def = config_def();
    let own = |name: &str| def.keys().iter().find(|known| known.name == name).cloned();
    // Debezium's word for two options.
    if key == "schema.evolution" {
        return own(key).into_iter().collect();
    }
    let given = Properties::from([(key.to_owned(), String::new())]);
    normalise(&given)
        .keys()
        .filter_map(|name| own(name))
        .collect()
}

fn table() -> Result<String, String> {
    let vendors = [CONFLUENT, AIVEN, DEBEZIUM].map(|keys| keys.split_whitespace());
    let mut all: Vec<&str> = vendors.iter().cloned().flatten().collect();
    all.sort_unstable();
    all.dedup();
    let mut text = String::from(
        "\n| key | Confluent | Aiven | Debezium | here | what it does |\n|---|---|---|---|---|---|\n",
    );
    for key in all {
        let declared = declared(key);
        let [own] = &declared[..] else {
            return Err(format!("{key} has no one meaning"));
        };
        let has = vendors
            .clone()
            .map(|mut keys| match keys.any(|known| known == key) {
                true => "yes",
                false => "",
            });
        let name = match own.name == key {
            true => "the same".to_owned(),
            false => format!("`{}`", own.name),
        };
        let [confluent, aiven, debezium] = has;
        // Writing to a String never fails.
        let _ = writeln!(
            text,
            "| `{key}` | {confluent} | {aiven} | {debezium} | {name} | {} |",
            own.doc.replace('|', "\\|")
        );
    }
    text.push('\n');
    Ok(text)
}

#[test]
fn each_key_of_the_jdbc_sinks_has_a_meaning_that_is_listed() {
    let path = Path::new("../../docs/compatibility.md");
    let page = fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = table().unwrap();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, format!("{before}{START}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        listed, table,
        "the page differs from the options: UPDATE_README=1 cargo test -p postgres-sink keys"
    );
}
