//! JSON with its schema beside it.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

fn field(name: &str, schema: Value) -> Value {
    let mut field = schema;
    field["field"] = json!(name);
    field
}

fn logical(name: &str, of: &str) -> Value {
    let name = format!("org.apache.kafka.connect.data.{name}");
    json!({ "type": of, "name": name, "version": 1, "optional": true })
}

fn schema() -> Value {
    let mut price = logical("Decimal", "bytes");
    price["parameters"] = json!({ "scale": "2" });
    let plain = |kind: &str| json!({ "type": kind, "optional": true });
    let text = plain("string");
    json!({
        "type": "struct", "name": "Item", "optional": false,
        "fields": [
            field("n", json!({ "type": "int32", "optional": false })),
            field("price", price),
            field("day", logical("Date", "int32")),
            field("time", logical("Time", "int32")),
            field("at", logical("Timestamp", "int64")),
            field("small", plain("int8")),
            field("single", plain("float")),
            field("flag", plain("boolean")),
            field("data", plain("bytes")),
            field("tags", json!({ "type": "array", "items": text, "optional": true })),
            field("labels", json!({ "type": "map", "keys": { "type": "string" },
                                    "values": { "type": "int64" }, "optional": true })),
            field("nested", json!({ "type": "struct", "optional": true,
                                    "fields": [field("a", plain("int64"))] })),
            field("grade", json!({ "type": "string", "optional": true, "default": "B" })),
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_beside_the_payload_is_used() -> Result<()> {
    let pipeline = Pipeline::shared("json_schema", 1).await?;
    let table = "CREATE TABLE items (n int, price numeric(10,2), day date, time time,
                 at timestamptz, small smallint, single real, flag boolean, data bytea,
                 tags text[], labels jsonb, nested jsonb, grade text)";
    pipeline.database.execute(table).await?;
    let schemas = [
        ("table.name.format", "items"),
        ("value.converter.schemas.enable", "true"),
    ];
    pipeline.deploy(&schemas).await?;

    // -12345.67 as bytes of two's complement: ED 29 79.
    let full = json!({
        "n": 1, "price": "7Sl5", "day": 20_094, "time": 52_200_123, "at": 1_736_173_800_123_i64,
        "small": -128, "single": 0.1, "flag": true, "data": "AP8=", "tags": ["a", null],
        "labels": { "k": 5 }, "nested": { "a": 7 }, "grade": "A",
    });
    let enveloped = |payload: Value| json!({ "schema": schema(), "payload": payload });
    let too_large = Record::json(&enveloped(json!({ "n": 3, "small": 128 })));
    let missing = Record::json(&enveloped(json!({ "price": null })));
    let plain = Record::json(&json!({ "n": 5 }));
    let surplus = Record::json(&json!({ "schema": schema(), "payload": { "n": 6 }, "more": 1 }));
    let bad = [too_large, missing, plain, surplus];
    pipeline.produce([Record::json(&enveloped(full))]).await?;
    pipeline.produce(bad.clone()).await?;
    pipeline
        .produce([Record::json(&enveloped(json!({ "n": 2 })))])
        .await?;
    pipeline.drained().await?;

    let full = json!({
        "n": "1", "price": "-12345.67", "day": "2025-01-06", "time": "14:30:00.123",
        "at": "2025-01-06T14:30:00.123+00:00", "small": "-128", "single": "0.1", "flag": "true",
        "data": "\\x00ff", "tags": r#"["a", null]"#, "labels": r#"{"k": 5}"#,
        "nested": r#"{"a": 7}"#, "grade": "A",
    });
    let least = json!({
        "n": "2", "price": null, "day": null, "time": null, "at": null, "small": null,
        "single": null, "flag": null, "data": null, "tags": null, "labels": null, "nested": null,
        "grade": "B",
    });
    assert_eq!(
        pipeline.rows("SELECT * FROM items ORDER BY n").await?,
        [full, least]
    );

    let envelope = "requires \"schema\" and \"payload\" fields";
    let reasons = ["small", "n", envelope, envelope];
    let refused = (1..)
        .zip(bad)
        .zip(reasons)
        .map(|((offset, record), why)| Refused {
            record,
            at: (0, offset),
            reason: Reason::value_converter(JSON, why),
        });
    pipeline.assert_refused(&refused.collect::<Vec<_>>()).await
}
