//! Bytes that no converter can read.

use anyhow::Result;
use harness::avro::Avro;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";

const SCHEMA: &str = r#"{"type": "record", "name": "Item", "fields": [
    {"name": "n", "type": "int"},
    {"name": "name", "type": ["null", "string"]}
]}"#;

/// Produces each bad record between two good ones, and checks that all that is good landed and all
/// that is bad was refused.
async fn check(
    pipeline: &Pipeline,
    good: impl Fn(i32) -> Record,
    bad: Vec<(Record, Reason)>,
) -> Result<()> {
    let mut produced = vec![good(0)];
    let mut expected = Vec::new();
    for (n, (record, reason)) in (1..).zip(bad) {
        let record = record
            .header("trace-id", format!("id {n}"))
            .header("empty", "");
        expected.push(Refused {
            record: record.clone(),
            at: (0, i64::try_from(produced.len())?),
            reason,
        });
        produced.extend([record, good(n)]);
    }
    let (all, refused) = (produced.len(), expected.len());
    pipeline.produce(produced).await?;
    pipeline.drained().await?;

    let landed = pipeline
        .database
        .texts("SELECT n::text FROM items ORDER BY items.n")
        .await?;
    let numbers: Vec<_> = (0..all - refused).map(|n| Some(n.to_string())).collect();
    assert_eq!(landed, numbers);
    pipeline.assert_refused(&expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused() -> Result<()> {
    let pipeline = Pipeline::shared("bytes_json", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int, name text)")
        .await?;
    pipeline.deploy(&[("table.name.format", "items")]).await?;

    let good = |n: i32| Record::of(format!(r#"{{"n": {n}, "name": "item {n}"}}"#)).key("k");
    let bad = |bytes: &[u8]| {
        (
            Record::of(bytes).key("key"),
            Reason::value_converter(JSON, ""),
        )
    };
    let cases = vec![
        bad(b"not json"),
        bad(br#"{"n": 1, "name": "cut"#),
        bad(br#"{"n": 1, "name": "#),
        bad(br#"{"n": 1 "name": "x"}"#),
        bad(b"{\"n\": 1, \"name\": \"\xff\xfe\"}"),
        bad(b"\xff\xfe\x00\x01"),
        bad(b"\x00\x00\x00\x00\x01\x02"),
        (
            good(-1).key(b"\xc3\x28".as_slice()),
            Reason::key_converter(STRING, "invalid UTF-8"),
        ),
    ];
    check(&pipeline, good, cases).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_avro_is_refused() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("bytes_avro", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int, name text)")
        .await?;
    let id = registry
        .register(&format!("{}-value", pipeline.name), SCHEMA)
        .await?;
    pipeline
        .deploy(&[
            ("table.name.format", "items"),
            ("value.converter", AVRO),
            ("value.converter.schema.registry.url", &registry.url()),
        ])
        .await?;

    let good = |n: i32| Record::of(Avro::framed(id).long(n.into()).long(1).text("item"));
    let bytes = |n: i64| Vec::from(Avro::framed(id).long(n).long(1).text("item"));
    let bad = |bytes: &[u8], why| (Record::of(bytes), Reason::value_converter(AVRO, why));
    let mut other_magic = bytes(1);
    other_magic[0] = 1;
    let unknown = 900_000_001;
    let cases = vec![
        bad(&other_magic, "magic"),
        bad(b"{\"n\": 1}", "magic"),
        bad(b"", ""),
        bad(&[0, 0, 0], ""),
        bad(
            &Vec::from(Avro::framed(unknown).long(1)),
            &unknown.to_string(),
        ),
        bad(&bytes(1)[..8], ""),
        bad(&Vec::from(Avro::framed(id)), ""),
        bad(
            &Vec::from(Avro::framed(id).long(1).long(7).text("item")),
            "",
        ),
        bad(
            &Vec::from(Avro::framed(id).long(1).long(1).bytes(b"\xff\xfe")),
            "",
        ),
        bad(&Vec::from(Avro::framed(id).long(1 << 40).long(0)), ""),
    ];
    check(&pipeline, good, cases).await
}
