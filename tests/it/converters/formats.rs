//! JSON Schema and Protobuf through a real registry, read into Postgres and written by the Kafka
//! sink.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::wait::wait_until;
use serde_json::{Value, json};

const JSON_SCHEMA: &str = "io.confluent.connect.json.JsonSchemaConverter";
const PROTOBUF: &str = "io.confluent.connect.protobuf.ProtobufConverter";
const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";
const PLAIN_JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), payload].concat()
}

/// The meter of a config from the wild, as a program writes it whose schemas tell Connect's types.
fn meter() -> Value {
    let nullable = |index: u32, kind: &str, connect: &str| {
        json!({ "connect.index": index,
                "oneOf": [{ "type": "null" }, { "type": kind, "connect.type": connect }] })
    };
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Meter", "type": "object", "required": ["subject"],
        "properties": {
            "subject": { "type": "string", "connect.index": 0 },
            "used": nullable(1, "number", "float64"),
            "n": nullable(2, "integer", "int64"),
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn json_with_a_registered_schema_is_read() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("json_sr", 1).await?;
    let subject = format!("{}-value", pipeline.name);
    let request = json!({ "schema": meter().to_string(), "schemaType": "JSON" });
    let id = registry.register_request(&subject, &request).await?;
    let url = registry.url();
    let settings = [
        ("table.name.format", "meters"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "subject"),
        ("auto.create", "true"),
        ("value.converter", JSON_SCHEMA),
        ("value.converter.schema.registry.url", &*url),
    ];
    pipeline.deploy(&settings).await?;
    let meter = json!({ "subject": "c1", "used": 12.5, "n": 9_007_199_254_740_993_i64 });
    let plain = Record::json(&json!({ "subject": "c2" }));
    let good = Record::of(framed(id, meter.to_string().as_bytes()));
    pipeline.produce([good, plain.clone()]).await?;
    pipeline.drained().await?;
    let rows = pipeline
        .rows("SELECT subject, used::text, n::text FROM meters")
        .await?;
    let expect = json!({ "subject": "c1", "used": "12.5", "n": "9007199254740993" });
    assert_eq!(rows, [expect]);
    let refused = Refused {
        record: plain,
        at: (0, 1),
        reason: Reason::value_converter(JSON_SCHEMA, "Unknown magic byte!"),
    };
    pipeline.assert_refused(&[refused]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn framed_bytes_that_json_is_to_read_name_the_registry() -> Result<()> {
    let pipeline = Pipeline::shared("json_framed", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE meters (subject text)")
        .await?;
    let settings = [
        ("table.name.format", "meters"),
        ("value.converter", PLAIN_JSON),
        ("value.converter.schemas.enable", "false"),
    ];
    pipeline.deploy(&settings).await?;
    let record = Record::of(framed(1, br#"{"subject":"c1"}"#));
    pipeline.produce([record.clone()]).await?;
    pipeline.drained().await?;
    let refused = Refused {
        record,
        at: (0, 0),
        reason: Reason::value_converter(PLAIN_JSON, "the magic byte of the Schema Registry"),
    };
    pipeline
        .assert_refused(&[refused])
        .await
        .context("its reason")
}

const COMMON: &str = r#"syntax = "proto3";
package fleet.common;
message Position { double lat = 1; double lon = 2; }
"#;

/// The message that is read stands within another one, behind a first one.
const TRIP: &str = r#"syntax = "proto3";
package fleet;
import "google/protobuf/timestamp.proto";
import "fleet/common.proto";
message Other { string x = 1; }
message Fleet {
  message Trip {
    int64 id = 1;
    google.protobuf.Timestamp at = 2;
    fleet.common.Position start = 3;
    repeated string tags = 4;
    map<string, int32> counts = 5;
    State state = 6;
    oneof by { string driver = 7; int32 robot = 8; }
    optional int32 seats = 9;
    enum State { UNKNOWN = 0; RUNNING = 1; }
  }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_is_read_with_what_it_imports() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("protobuf_sr", 1).await?;
    let common = format!("{}-common", pipeline.name);
    let request = json!({ "schema": COMMON, "schemaType": "PROTOBUF" });
    registry.register_request(&common, &request).await?;
    let reference = json!({ "name": "fleet/common.proto", "subject": common, "version": 1 });
    let request = json!({ "schema": TRIP, "schemaType": "PROTOBUF", "references": [reference] });
    let subject = format!("{}-value", pipeline.name);
    let id = registry.register_request(&subject, &request).await?;
    let table = "CREATE TABLE trips (id bigint, at timestamptz, start jsonb, tags text[],
                 counts jsonb, state text, by_0 jsonb, seats int)";
    pipeline.database.execute(table).await?;
    let url = registry.url();
    let settings = [
        ("table.name.format", "trips"),
        ("value.converter", PROTOBUF),
        ("value.converter.schema.registry.url", &*url),
    ];
    pipeline.deploy(&settings).await?;
    // Indexes [1, 0]: the second message of the text, and the first one within it.
    let full = [
        &[4, 2, 0][..],
        &[8, 7, 18, 4, 8, 1, 16, 0, 26, 9, 9],
        &1.5_f64.to_le_bytes(),
        b"\x22\x01a\x22\x01b\x2a\x05\x0a\x01k\x10\x05\x30\x01\x40\x09\x48\x03",
    ]
    .concat();
    let least = [4, 2, 0, 8, 8];
    let bad = Record::of(framed(id, &[4, 2, 0, 8]));
    let good = [framed(id, &full), framed(id, &least)].map(Record::of);
    pipeline.produce(good).await?;
    pipeline.produce([bad.clone()]).await?;
    pipeline.drained().await?;
    let rows = "SELECT id, at, start, tags, counts, state, by_0, seats FROM trips ORDER BY id";
    let full = json!({
        "id": "7", "at": "1970-01-01T00:00:01+00:00", "start": r#"{"lat": 1.5, "lon": 0.0}"#,
        "tags": r#"["a", "b"]"#, "counts": r#"{"k": 5}"#, "state": "RUNNING",
        "by_0": r#"{"robot": 9, "driver": null}"#, "seats": "3",
    });
    let least = json!({
        "id": "8", "at": null, "start": null, "tags": "[]", "counts": "{}", "state": "UNKNOWN",
        "by_0": null, "seats": null,
    });
    assert_eq!(pipeline.rows(rows).await?, [full, least]);
    let refused = Refused {
        record: bad,
        at: (0, 2),
        reason: Reason::value_converter(PROTOBUF, "the bytes end within the value"),
    };
    pipeline.assert_refused(&[refused]).await
}

/// A row with a schema, as JsonConverter reads it.
fn order() -> Value {
    let field = |name: &str, mut schema: Value| {
        schema["field"] = json!(name);
        schema
    };
    let price = json!({ "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal",
                        "version": 1, "parameters": { "scale": "2" } });
    let at = json!({ "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp",
                     "version": 1, "optional": true });
    let line = json!({ "type": "struct", "name": "shop.Line",
                       "fields": [field("sku", json!({ "type": "string" }))] });
    let schema = json!({
        "type": "struct", "name": "shop.Order", "optional": false,
        "fields": [
            field("id", json!({ "type": "int32" })), field("small", json!({ "type": "int8" })),
            field("price", price), field("at", at),
            field("lines", json!({ "type": "array", "items": line })),
        ],
    });
    let payload = json!({ "id": 7, "small": -3, "price": "BNI=", "at": 1_700_000_000_123_i64,
                          "lines": [{ "sku": "x" }] });
    json!({ "schema": schema, "payload": payload })
}

/// What the Kafka sink writes by a converter, and the text of its schema in the registry.
async fn written(stem: &str, converter: &str) -> Result<(Vec<u8>, String)> {
    let registry = TestRegistry::shared().await?;
    let way = Pipeline::shared(stem, 1).await?;
    let (kafka, out) = (TestKafka::shared().await?, format!("{}-out", way.name));
    kafka.create_topic(&out, 1).await?;
    let config = json!({
        "connector.class": "FerruleKafkaSink",
        "topics": way.name,
        "topic.name.format": "${topic}-out",
        "key.converter": STRINGS,
        "value.converter": PLAIN_JSON,
        "value.converter.schemas.enable": "true",
        "output.value.converter": converter,
        "output.value.converter.schema.registry.url": registry.url(),
    });
    way.produce([Record::json(&order())]).await?;
    way.rest()
        .create(&json!({ "name": way.name, "config": config }))
        .await?;
    let mut found = Vec::new();
    wait_until(
        Duration::from_secs(30),
        "the record to be written",
        async || {
            found = kafka.read(&out).await?;
            Ok(!found.is_empty())
        },
    )
    .await?;
    let bytes = found[0].value.clone().context("a record without a value")?;
    let id = bytes.get(1..5).and_then(|id| id.try_into().ok());
    let id = u32::from_be_bytes(id.context("no frame")?);
    Ok((bytes, registry.schema(id).await?))
}

/// What the sink makes of such a record, under the schema that is registered.
async fn read_back(stem: &str, converter: &str, bytes: Vec<u8>) -> Result<Vec<Value>> {
    let reading = Pipeline::shared(stem, 1).await?;
    let table = "CREATE TABLE orders (id int, small smallint, price numeric(10,2),
                 at timestamptz, lines jsonb)";
    reading.database.execute(table).await?;
    let url = TestRegistry::shared().await?.url();
    let settings = [
        ("table.name.format", "orders"),
        ("value.converter", converter),
        ("value.converter.schema.registry.url", &*url),
    ];
    reading.deploy(&settings).await?;
    reading.produce([Record::of(bytes)]).await?;
    reading.drained().await?;
    reading.assert_refused(&[]).await?;
    reading.rows("SELECT * FROM orders").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_registered_and_read_again() -> Result<()> {
    let expect = json!({ "id": "7", "small": "-3", "price": "12.34",
                         "at": "2023-11-14T22:13:20.123+00:00", "lines": r#"[{"sku": "x"}]"# });
    let (bytes, schema) = written("json_written", JSON_SCHEMA).await?;
    let json: Value = serde_json::from_str(&schema)?;
    assert_eq!(json["title"], "shop.Order", "{schema}");
    let rows = read_back("json_again", JSON_SCHEMA, bytes).await?;
    assert_eq!(rows, std::slice::from_ref(&expect));
    let (bytes, schema) = written("protobuf_written", PROTOBUF).await?;
    assert!(schema.contains("message Order"), "{schema}");
    let rows = read_back("protobuf_again", PROTOBUF, bytes).await?;
    assert_eq!(rows, [expect]);
    Ok(())
}
