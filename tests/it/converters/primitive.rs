//! Keys and values that are no structs: text, bytes, numbers.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::json;

const HOIST: [(&str, &str); 4] = [
    ("table.name.format", "items"),
    ("transforms", "hoist"),
    (
        "transforms.hoist.type",
        "org.apache.kafka.connect.transforms.HoistField$Value",
    ),
    ("transforms.hoist.field", "payload"),
];
const BY_KEY: [(&str, &str); 3] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_key"),
    ("pk.fields", "id"),
];

#[tokio::test(flavor = "multi_thread")]
async fn bytes_stay_what_they_are() -> Result<()> {
    let pipeline = Pipeline::shared("byte_array", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (id text PRIMARY KEY, payload bytea)")
        .await?;
    let converter = "org.apache.kafka.connect.converters.ByteArrayConverter";
    let all = [&HOIST, BY_KEY.as_slice(), &[("value.converter", converter)]].concat();
    pipeline.deploy(&all).await?;
    let bytes: Vec<u8> = (0..=u8::MAX).rev().collect();
    let records = [
        Record::of(bytes.clone()).key("all ü"),
        Record::of("first").key("twice"),
        Record::of("").key("twice"),
    ];
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        json!({ "id": "all ü", "payload": format!("\\x{hex}") }),
        json!({ "id": "twice", "payload": "\\x" }),
    ];
    assert_eq!(
        pipeline.rows("SELECT * FROM items ORDER BY id").await?,
        expected
    );
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_checked_to_be_text() -> Result<()> {
    let pipeline = Pipeline::shared("string", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (id bigint PRIMARY KEY, payload text)")
        .await?;
    let (text, long) = (
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.converters.LongConverter",
    );
    let converters = [("value.converter", text), ("key.converter", long)];
    pipeline
        .deploy(&[&HOIST, BY_KEY.as_slice(), &converters].concat())
        .await?;
    let record = |id: i64, text: &[u8]| Record::of(text).key(id.to_be_bytes());
    let no_text = record(2, b"cut \xc3");
    let no_number = Record::of("four").key("4");
    let no_key = Record::of("none");
    let records = [
        record(1, "{\"no\": json, ü}".as_bytes()),
        no_text.clone(),
        no_number.clone(),
        no_key.clone(),
        record(-5, b"last"),
    ];
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    let expected = [
        json!({ "id": "-5", "payload": "last" }),
        json!({ "id": "1", "payload": "{\"no\": json, ü}" }),
    ];
    assert_eq!(
        pipeline.rows("SELECT * FROM items ORDER BY id").await?,
        expected
    );
    let refused = |record, offset, reason| Refused {
        record,
        at: (0, offset),
        reason,
    };
    let expected = [
        refused(
            no_text,
            1,
            Reason::value_converter(text, "invalid UTF-8 after 4 bytes"),
        ),
        refused(no_number, 2, Reason::key_converter(long, "1 bytes")),
        refused(no_key, 3, Reason::put("pk.mode=record_key")),
    ];
    pipeline.assert_refused(&expected).await
}
