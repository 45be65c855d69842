//! Configs and inputs of people who move from the JDBC sinks of Kafka Connect, whole: each with the
//! rows that its config asks for. `field_cases/cases.json` has the configs and the very bytes.

mod accepted;
mod parents;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::names;
use harness::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use harness::record::{Received, Record};
use harness::wait::wait_until;
use harness::worker::TestWorker;
use serde_json::{Map, Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// A case of the file.
struct Case {
    config: Map<String, Value>,
    ddl: String,
    records: Vec<(String, Record)>,
    query: String,
    rows: Vec<String>,
}

impl Case {
    fn named(name: &str) -> Result<Self> {
        let cases: Vec<Value> = serde_json::from_str(include_str!("field_cases/cases.json"))?;
        let case = cases.iter().find(|case| case["name"] == name);
        let case = case.with_context(|| format!("a case {name}"))?;
        let text =
            |value: &Value| Ok::<_, anyhow::Error>(value.as_str().context("a text")?.to_owned());
        let records = case["records"].as_array().context("records")?;
        let rows = case["rows"].as_array().context("rows")?;
        Ok(Self {
            config: case["config"].as_object().context("a config")?.clone(),
            ddl: text(&case["ddl"])?,
            records: records.iter().map(record).collect::<Result<_>>()?,
            query: text(&case["query"])?,
            rows: rows.iter().map(text).collect::<Result<_>>()?,
        })
    }

    /// The same with other settings; null takes one away.
    fn with(mut self, settings: &Value) -> Self {
        for (key, value) in settings.as_object().into_iter().flatten() {
            match value {
                Value::Null => self.config.remove(key),
                value => self.config.insert(key.clone(), value.clone()),
            };
        }
        self
    }

    /// Puts the records into their topics.
    async fn produce(&self) -> Result<()> {
        let kafka = TestKafka::shared().await?;
        let topics = self.config["topics"].as_str().context("topics")?;
        for topic in topics.split(',') {
            kafka.create_topic(topic, 1).await?;
        }
        for (topic, record) in &self.records {
            kafka.produce(topic, [record.clone()]).await?;
        }
        Ok(())
    }

    /// Creates the connector, with a database of its own, and waits for the rows.
    async fn run(&self) -> Result<Running> {
        let running = Running::start(self).await?;
        running.has(&self.query, &self.rows).await?;
        Ok(running)
    }
}

/// A connector with the database that it writes to.
struct Running {
    name: String,
    rest: ConnectClient,
    database: TestDatabase,
}

impl Running {
    async fn start(case: &Case) -> Result<Self> {
        let database = TestPostgres::shared().await?.database("field").await?;
        if !case.ddl.is_empty() {
            database.execute(&case.ddl).await?;
        }
        let rest = TestWorker::shared().await?.rest().clone();
        let name = names::unique("field");
        let mut config = filled(&case.config, &database);
        let letters = "errors.deadletterqueue.topic.name";
        if config.contains_key(letters) {
            config.insert(letters.to_owned(), json!(format!("{name}-dlq")));
        }
        rest.create(&json!({ "name": name, "config": config }))
            .await?;
        Ok(Self {
            name,
            rest,
            database,
        })
    }

    /// Waits until a query has these rows, of columns parted by ` | `, and the task runs.
    async fn has(&self, query: &str, rows: &[String]) -> Result<()> {
        let wanted = format!("the rows of {}", self.name);
        wait_until(LIMIT, &wanted, async || {
            if let Some(trace) = self.rest.trace(&self.name).await? {
                anyhow::bail!("the task failed: {trace}");
            }
            let found = lines(&self.database, query).await?;
            ensure!(found == rows, "{found:?}");
            Ok(true)
        })
        .await?;
        self.rest.wait_for_state(&self.name, "RUNNING").await
    }

    /// No record was refused.
    async fn has_no_letters(&self) -> Result<()> {
        let read = TestKafka::shared()
            .await?
            .read(&format!("{}-dlq", self.name))
            .await;
        let letters = read.unwrap_or_default();
        let texts: Vec<_> = letters.iter().map(Received::text).collect();
        ensure!(texts.is_empty(), "dead letters: {texts:?}");
        Ok(())
    }
}

/// The rows of a query, which is run in the time zone UTC.
async fn lines(database: &TestDatabase, query: &str) -> Result<Vec<String>> {
    let query = query.trim_end_matches(';');
    let text = format!(
        "SELECT (SELECT string_agg(coalesce(value #>> '{{}}', 'NULL'), ' | ' ORDER BY at) \
         FROM json_each(row_to_json(q)) WITH ORDINALITY AS f (name, value, at)) FROM ({query}) AS q"
    );
    let mut connection = database.pool().acquire().await?;
    sqlx::query("SET TimeZone = 'UTC'")
        .execute(&mut *connection)
        .await?;
    let rows: Result<Vec<Option<String>>, _> =
        sqlx::query_scalar(&text).fetch_all(&mut *connection).await;
    // The table may be yet to come.
    Ok(rows.unwrap_or_default().into_iter().flatten().collect())
}

fn filled(config: &Map<String, Value>, database: &TestDatabase) -> Map<String, Value> {
    let text = Value::Object(config.clone()).to_string();
    let text = text
        .replace("{{PG_HOST}}", "127.0.0.1")
        .replace("{{PG_PORT}}", &database.port().to_string())
        .replace("{{PG_DB}}", database.name())
        .replace("{{PG_USER}}", USER)
        .replace("{{PG_PASSWORD}}", PASSWORD);
    serde_json::from_str(&text).unwrap_or_default()
}

/// A record and its topic.
fn record(given: &Value) -> Result<(String, Record)> {
    let topic = given["topic"].as_str().context("a topic")?.to_owned();
    let mut record = Record {
        key: bytes(&given["key"], &given["key_format"])?,
        value: bytes(&given["value"], &given["value_format"])?,
        ..Record::default()
    };
    for header in given["headers"].as_array().into_iter().flatten() {
        let text = |at: &str| header[at].as_str().context("a header");
        record = record.header(text("key")?, text("value")?);
    }
    Ok((topic, record))
}

fn bytes(given: &Value, format: &Value) -> Result<Option<Vec<u8>>> {
    let Some(text) = given.as_str() else {
        return Ok(None);
    };
    if format != "hex" {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    let pairs = text.as_bytes().chunks(2);
    let read = pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    read.collect::<Result<_>>().map(Some)
}

/// Cases whose right result is what the config says, without more ado.
#[tokio::test(flavor = "multi_thread")]
async fn composite_keys_flattened_structs_and_routed_regions() -> Result<()> {
    for name in ["uuids", "nested", "regions", "dotted"] {
        let case = Case::named(name)?;
        case.produce().await?;
        let running = case.run().await.with_context(|| name.to_owned())?;
        running.has_no_letters().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_time_are_kept_wherever_they_stand_in_a_batch() -> Result<()> {
    let mut case = Case::named("infinity")?;
    case.produce().await?;
    case.run().await?.has_no_letters().await?;
    case.records.reverse();
    for (topic, _) in &mut case.records {
        topic.push_str("_reversed");
    }
    let case = case.with(&json!({
        "topics": "infinity_terms_reversed",
        "collection.name.format": "infinity_terms",
    }));
    case.produce().await?;
    case.run().await?.has_no_letters().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_value_that_was_not_sent_stays() -> Result<()> {
    let mut case = Case::named("unsent")?;
    let later = case.records.split_off(1);
    case.produce().await?;
    let running = Running::start(&case).await?;
    let first = ["1 | draft | {\"pages\": 900} | long memo".to_owned()];
    running.has(&case.query, &first).await?;
    let kafka = TestKafka::shared().await?;
    for (topic, record) in later {
        kafka.produce(&topic, [record]).await?;
    }
    running.has(&case.query, &case.rows).await?;
    running.has_no_letters().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_an_old_config_drops_are_dropped() -> Result<()> {
    let case = Case::named("dropped")?;
    case.produce().await?;
    case.run().await?;
    let keeps = case.with(&json!({
        "transforms": "keep",
        "transforms.drop.type": null,
        "transforms.drop.blacklist": null,
        "transforms.keep.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
        "transforms.keep.whitelist": "id,name",
    }));
    keeps.run().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_change_events_become_rows() -> Result<()> {
    for name in ["events", "sources"] {
        let case = Case::named(name)?;
        case.produce().await?;
        let running = case.run().await.with_context(|| name.to_owned())?;
        let columns = "SELECT count(*) FROM information_schema.columns \
                       WHERE table_schema = 'public' \
                       AND column_name IN ('after', 'before', 'source', 'op')";
        assert_eq!(lines(&running.database, columns).await?, ["0"]);
        let odd = "SELECT count(*) FROM pg_class WHERE relname LIKE '%{%'";
        assert_eq!(lines(&running.database, odd).await?, ["0"]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unquoted_names_are_folded() -> Result<()> {
    let case = Case::named("folded")?;
    case.produce().await?;
    case.run().await?;
    let confluents = case.with(&json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "connection.username": null,
        "connection.user": "{{PG_USER}}",
        "primary.key.mode": null,
        "primary.key.fields": null,
        "schema.evolution": null,
        "pk.mode": "record_key",
        "pk.fields": "ID",
        "quote.sql.identifiers": "never",
    }));
    confluents.run().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_are_left_over_in_a_url_do_no_harm() -> Result<()> {
    Case::named("leftovers")?.produce().await?;
    let url = "jdbc:postgresql://{{PG_HOST}}:{{PG_PORT}}/{{PG_DB}}";
    for parameters in [
        "useSSL=false",
        "preferQueryMode=simple&prepareThreshold=0",
        "autosave=conservative&characterEncoding=utf8",
        "stringtype=unspecified&ApplicationName=old&tcpKeepAlive=true",
    ] {
        let url = json!({ "connection.url": format!("{url}?{parameters}") });
        let case = Case::named("leftovers")?.with(&url);
        case.run().await.context(parameters)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_in_json_is_a_primary_key() -> Result<()> {
    let case = Case::named("headers")?;
    case.produce().await?;
    case.run().await?;
    let mut simple = case.with(&json!({
        "header.converter": "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    }));
    // Of a text alone it keeps the quotes.
    simple.rows = ["\"A-17\" | 3", "\"B-02\" | 2"].map(str::to_owned).to_vec();
    simple.run().await?;
    Ok(())
}
