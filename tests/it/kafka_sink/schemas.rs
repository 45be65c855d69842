//! Values with their schemas: as Avro through the registry, and in JSON.

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::worker::TestWorker;
use reqwest::Method;
use serde_json::{Value, json};

use super::Way;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const TOLERANT: &[(&str, &str)] = &[
    ("value.converter", JSON),
    ("value.converter.schemas.enable", "true"),
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.replication.factor", "1"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

fn field(name: &str, kind: &str, optional: bool) -> Value {
    json!({ "field": name, "type": kind, "optional": optional })
}

/// A record of JSON with its schema.
fn record(fields: &[Value], payload: &Value) -> Record {
    let schema = json!({ "type": "struct", "name": "demo.Reading", "fields": fields });
    Record::json(&json!({ "schema": schema, "payload": payload })).key("k")
}

fn readings() -> Vec<Record> {
    let at = json!({
        "field": "at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp",
        "version": 1,
    });
    let tags = json!({ "field": "tags", "type": "array", "items": { "type": "string" } });
    let fields = [
        field("id", "int32", false),
        field("name", "string", true),
        field("value", "double", false),
        at,
        tags,
    ];
    let payload = |id: i64, name: Value| {
        json!({ "id": id, "name": name, "value": 1.5, "at": 1_700_000_000_123_i64,
                "tags": ["a", "b"] })
    };
    vec![
        record(&fields, &payload(1, json!("x"))),
        record(&fields, &payload(2, Value::Null)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_is_registered_and_read_back() -> Result<()> {
    let way = Way::new("k2k-avro", 1, &[]).await?;
    let registry = TestRegistry::shared().await?;
    let worker = TestWorker::shared().await?;
    let (url, letters) = (registry.url(), format!("{}-dlq", way.name));
    let settings = [
        ("output.key.converter", AVRO),
        ("output.key.converter.schema.registry.url", url.as_str()),
        ("output.value.converter", AVRO),
        ("output.value.converter.schema.registry.url", &url),
        ("errors.deadletterqueue.topic.name", &letters),
    ];
    let settings = [TOLERANT, &settings].concat();
    way.deploy(worker.rest(), &settings).await?;
    way.kafka.produce(&way.name, readings()).await?;
    way.kafka
        .produce(&way.name, [Record::tombstone().key("gone")])
        .await?;
    way.done().await?;
    // The registry does not take a field of another type, and the record is errant.
    let subject = format!("{}-value", way.out);
    registry.demand(&subject, "BACKWARD").await?;
    let other = [field("id", "string", false)];
    let other = record(&other, &json!({ "id": "text" }));
    way.kafka.produce(&way.name, [other]).await?;
    way.done().await?;
    let written = way.written().await?;
    ensure!(written.len() == 3, "{} records", written.len());
    ensure!(written[2].value.is_none(), "the tombstone has a value");
    let subjects = registry.subjects().await?;
    for part in ["key", "value"] {
        let subject = format!("{}-{part}", way.out);
        ensure!(subjects.contains(&subject), "{subject}: {subjects:?}");
    }
    let dead = way.kafka.read(&letters).await?;
    ensure!(dead.len() == 1, "{} dead letters", dead.len());
    let why = dead[0].header("__connect.errors.exception.message");
    let why = why.unwrap_or_default();
    ensure!(why.contains("incompatible"), "{why}");

    // Another connector reads it, with the same converters.
    let reader = Pipeline::shared("k2k_avro_read", 1).await?;
    let table = "CREATE TABLE readings (id int, name text, value float8, at timestamp, \
                 tags text[])";
    reader.database.execute(table).await?;
    reader
        .deploy(&[
            ("topics", &way.out),
            ("table.name.format", "readings"),
            ("value.converter", AVRO),
            ("value.converter.schema.registry.url", &url),
            ("key.converter", AVRO),
            ("key.converter.schema.registry.url", &url),
        ])
        .await?;
    let rows = "SELECT format('%s %s %s %s %s', id, name, value, at, tags) \
                FROM readings ORDER BY id";
    let expected = [
        "1 x 1.5 2023-11-14 22:13:20.123 {a,b}",
        "2  1.5 2023-11-14 22:13:20.123 {a,b}",
    ];
    harness::wait::wait_until(super::LIMIT, "the rows", async || {
        let found = reader.database.texts(rows).await?;
        let found: Vec<String> = found.into_iter().flatten().collect();
        ensure!(found == expected, "{found:?}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_has_is_used_and_no_more() -> Result<()> {
    let way = Way::new("k2k-lookup", 1, &[]).await?;
    let registry = TestRegistry::shared().await?;
    let (url, letters) = (registry.url(), format!("{}-dlq", way.name));
    let settings = [
        ("output.value.converter", AVRO),
        ("output.value.converter.schema.registry.url", url.as_str()),
        ("output.value.converter.auto.register.schemas", "false"),
        ("errors.deadletterqueue.topic.name", &letters),
    ];
    let settings = [TOLERANT, &settings].concat();
    way.deploy(TestWorker::shared().await?.rest(), &settings)
        .await?;
    let one = [field("id", "int32", false)];
    let schema = json!({
        "type": "record", "name": "Reading", "namespace": "demo",
        "fields": [{ "name": "id", "type": "int" }],
    });
    let id = registry
        .register(&format!("{}-value", way.out), &schema.to_string())
        .await?;
    way.kafka
        .produce(&way.name, [record(&one, &json!({ "id": 7 }))])
        .await?;
    way.kafka.produce(&way.name, readings()).await?;
    way.done().await?;
    let written = way.written().await?;
    ensure!(written.len() == 1, "{} records", written.len());
    let value = written[0].value.as_deref().context("no value")?;
    ensure!(
        value[..5] == [&[0][..], &id.to_be_bytes()].concat(),
        "{value:?}"
    );
    ensure!(value[5..] == [14], "{value:?}");
    let dead = way.kafka.read(&letters).await?;
    ensure!(dead.len() == 2, "{} dead letters", dead.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_its_schema_where_that_is_asked_for() -> Result<()> {
    let way = Way::new("k2k-envelope", 1, &[]).await?;
    let letters = format!("{}-dlq", way.name);
    let settings = [
        ("output.value.converter", JSON),
        ("output.value.converter.schemas.enable", "true"),
        ("errors.deadletterqueue.topic.name", letters.as_str()),
    ];
    let settings = [TOLERANT, &settings].concat();
    way.deploy(TestWorker::shared().await?.rest(), &settings)
        .await?;
    way.kafka.produce(&way.name, readings()).await?;
    way.done().await?;
    let written = way.written().await?;
    ensure!(written.len() == 2, "{} records", written.len());
    let value: Value = serde_json::from_str(&written[0].text())?;
    let given: Value = serde_json::from_slice(readings()[0].value.as_deref().unwrap_or_default())?;
    ensure!(value["payload"] == given["payload"], "{value}");
    ensure!(value["schema"]["name"] == "demo.Reading", "{value}");
    let at = &value["schema"]["fields"][3];
    ensure!(
        at["name"] == "org.apache.kafka.connect.data.Timestamp",
        "{at}"
    );
    ensure!(at["type"] == "int64" && at["version"] == 1, "{at}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_needs_a_registry() -> Result<()> {
    TestKafka::shared().await?;
    let worker = TestWorker::shared().await?;
    let config = json!({
        "connector.class": "FerruleKafkaSink", "name": "x", "topics": "t",
        "output.value.converter": AVRO,
    });
    let path = "/connector-plugins/FerruleKafkaSink/config/validate";
    let (_, body) = worker
        .rest()
        .request(Method::PUT, path, Some(&config))
        .await?;
    ensure!(body["error_count"] == 1, "{body}");
    let configs = body["configs"].as_array().context("no configs")?;
    let wrong = configs.iter().find(|it| it["value"]["errors"] != json!([]));
    let name = "output.value.converter.schema.registry.url";
    ensure!(
        wrong.is_some_and(|it| it["value"]["name"] == name),
        "{wrong:?}"
    );
    Ok(())
}
