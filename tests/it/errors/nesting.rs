//! Records that nest without end: what reads them must not run out of stack, for that would end
//! the worker and all its connectors.

use anyhow::Result;
use harness::avro::Avro;
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::worker::{TestWorker, WorkerConfig};

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
const FLATTEN: &str = "org.apache.kafka.connect.transforms.Flatten$Value";
/// Levels; a level of JSON takes two bytes.
const DEPTH: usize = 400_000;

async fn worker() -> Result<TestWorker> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    TestWorker::start(config.set("offset.flush.interval.ms", "100")).await
}

fn nested(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(DEPTH), close.repeat(DEPTH))
}

/// Checks that the good record landed and the bad one was refused, and that the worker lives.
async fn check(
    pipeline: &Pipeline,
    bad: Record,
    good: Record,
    reason: Option<Reason>,
) -> Result<()> {
    pipeline.produce([bad.clone(), good]).await?;
    pipeline.drained().await?;
    assert_eq!(pipeline.database.count("items WHERE n = 1").await?, 1);
    let refused = reason.map(|reason| Refused {
        record: bad,
        at: (0, 0),
        reason,
    });
    pipeline
        .assert_refused(&refused.into_iter().collect::<Vec<_>>())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_json_is_refused() -> Result<()> {
    let worker = worker().await?;
    let good = Record::of(r#"{"n": 1, "props": {"a": [1]}}"#);
    for (open, close) in [("[", "]"), (r#"{"":"#, "}")] {
        let pipeline = Pipeline::on(&worker, "deep_json", 1).await?;
        pipeline
            .database
            .execute("CREATE TABLE items (n int, props jsonb)")
            .await?;
        pipeline.deploy(&[("table.name.format", "items")]).await?;
        let levels = if open == "[" { DEPTH } else { DEPTH / 3 };
        let props = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        let bad = Record::of(format!(r#"{{"n": 2, "props": {props}}}"#));
        check(&pipeline, bad, good.clone(), Some(Reason::put("54001"))).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_refuses_deep_json() -> Result<()> {
    let worker = worker().await?;
    let pipeline = Pipeline::on(&worker, "deep_flat", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int)")
        .await?;
    let flatten = [
        ("table.name.format", "items"),
        ("transforms", "flat"),
        ("transforms.flat.type", FLATTEN),
    ];
    pipeline.deploy(&flatten).await?;
    let levels = DEPTH / 3;
    let deep = format!("{}1{}", r#"{"":"#.repeat(levels), "}".repeat(levels));
    let bad = Record::of(format!(r#"{{"n": 2, "deep": {deep}}}"#));
    let reason = Reason::transform(FLATTEN, "");
    check(&pipeline, bad, Record::of(r#"{"n": 1}"#), Some(reason)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_too_deep_within_itself_is_refused() -> Result<()> {
    let schema = r#"{"type": "record", "name": "Node", "fields": [
        {"name": "n", "type": "int"},
        {"name": "next", "type": ["null", "Node"], "default": null}]}"#;
    let worker = worker().await?;
    let pipeline = Pipeline::on(&worker, "deep_avro", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int, next jsonb)")
        .await?;
    let registry = TestRegistry::shared().await?;
    let id = registry
        .register(&format!("{}-value", pipeline.name), schema)
        .await?;
    let avro = [
        ("table.name.format", "items"),
        ("value.converter", AVRO),
        ("value.converter.schema.registry.url", &*registry.url()),
    ];
    pipeline.deploy(&avro).await?;
    // A type may hold itself, but few bytes of data must not fill the stack.
    let records = [
        Record::of(
            Avro::framed(id)
                .fixed(&[2, 2].repeat(DEPTH))
                .long(2)
                .long(0),
        ),
        Record::of(Avro::framed(id).long(1).long(0)),
    ];
    pipeline.produce(records.clone()).await?;
    pipeline.drained().await?;
    assert_eq!(pipeline.database.count("items").await?, 1);
    let [deep, _] = records;
    let reason = Reason::value_converter(AVRO, "nested too deeply within themselves");
    let refused = Refused {
        record: deep,
        at: (0, 0),
        reason,
    };
    pipeline.assert_refused(&[refused]).await
}

/// A header's value is read as what it looks like, and is text where it looks like nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_deep_header_is_text() -> Result<()> {
    let worker = worker().await?;
    let pipeline = Pipeline::on(&worker, "deep_header", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int)")
        .await?;
    pipeline.deploy(&[("table.name.format", "items")]).await?;
    let deep = Record::of(r#"{"n": 2}"#).header("deep", nested("[", "]"));
    let map = Record::of(r#"{"n": 3}"#).header("deep", "{1:".repeat(DEPTH / 2));
    pipeline.produce([deep]).await?;
    check(&pipeline, map, Record::of(r#"{"n": 1}"#), None).await
}
