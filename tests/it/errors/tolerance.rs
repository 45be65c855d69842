//! errors.tolerance=none: the task fails, nothing is passed over, and a restart goes on.

use anyhow::{Context, Result};
use harness::letter::{DATA_EXCEPTION, Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use reqwest::{Method, StatusCode};
use serde_json::json;

const RECORDS: i64 = 60;
const BAD: i64 = 37;

fn good(n: i64) -> Record {
    Record::json(&json!({ "n": n }))
}

async fn numbers(pipeline: &Pipeline) -> Result<Vec<i64>> {
    let rows = pipeline
        .database
        .texts("SELECT n::text FROM items ORDER BY written")
        .await?;
    rows.into_iter()
        .map(|n| Ok(n.context("a null")?.parse()?))
        .collect()
}

/// Fails a task with the record at [`BAD`], and checks all that must hold then. Returns how far
/// the table has come.
async fn failed(pipeline: &Pipeline, bad: Record, reason: Reason) -> Result<i64> {
    let records = (0..RECORDS).map(|n| if n == BAD { bad.clone() } else { good(n) });
    pipeline.produce(records).await?;
    pipeline
        .create(&[("table.name.format", "items"), ("errors.tolerance", "none")])
        .await?;
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "FAILED")
        .await?;

    let trace = pipeline.trace().await?.context("no trace")?;
    let lines: Vec<&str> = trace.lines().collect();
    let exception = "org.apache.kafka.connect.errors.ConnectException: ";
    let first = format!("{exception}Exiting WorkerSinkTask due to unrecoverable exception.");
    assert_eq!(lines[0], first);
    assert!(lines[1].starts_with("\tat "), "{trace}");
    let cause = format!("Caused by: {exception}Tolerance exceeded in error handler");
    assert!(
        lines[2..].iter().any(|line| line.starts_with(&cause)),
        "{trace}"
    );
    let place = [
        reason.stage,
        reason.class,
        &pipeline.name,
        &format!("offset {BAD}"),
    ];
    for part in place
        .iter()
        .chain(&[DATA_EXCEPTION, reason.message.as_str()])
    {
        assert!(trace.contains(part), "{part} is missing: {trace}");
    }

    let landed = numbers(pipeline).await?;
    let come = i64::try_from(landed.len())?;
    assert_eq!(landed, (0..come).collect::<Vec<_>>(), "a prefix, in order");
    let stored = pipeline.stored().await?.get(&0).copied().unwrap_or(0);
    assert_eq!(stored, come, "the offset is where the rows are");
    let committed = pipeline.committed().await?.get(&0).copied().unwrap_or(0);
    assert!(
        committed <= come,
        "the group is told of no more than is durable"
    );
    pipeline
        .assert_refused(&[Refused {
            record: bad,
            at: (0, BAD),
            reason,
        }])
        .await?;
    Ok(come)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_when_the_table_takes_the_record() -> Result<()> {
    let pipeline = Pipeline::shared("none_put", 1).await?;
    let table = format!(
        "CREATE TABLE items (written bigserial, n int,
                         CONSTRAINT small CHECK (n <> {BAD}))"
    );
    pipeline.database.execute(&table).await?;
    let come = failed(&pipeline, good(BAD), Reason::put("23514")).await?;
    assert_eq!(come, BAD, "all before the record has landed");

    let path = format!("/connectors/{}/tasks/0/restart", pipeline.name);
    let restart = async || pipeline.rest().request(Method::POST, &path, None).await;
    pipeline
        .database
        .execute("ALTER TABLE items DROP CONSTRAINT small")
        .await?;
    let (status, body) = restart().await?;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "RUNNING")
        .await?;
    pipeline.drained().await?;
    assert_eq!(numbers(&pipeline).await?, (0..RECORDS).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_config_passes_over_what_cannot_be_read() -> Result<()> {
    let pipeline = Pipeline::shared("none_convert", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (written bigserial, n int)")
        .await?;
    let class = "org.apache.kafka.connect.json.JsonConverter";
    let bad = Record::of("{\"n\": ").key("key").header("trace-id", "1");
    let reason = Reason::value_converter(class, "");
    let come = failed(&pipeline, bad.clone(), reason).await?;
    assert_eq!(come, BAD, "all before the record has landed");

    let path = format!("/connectors/{}/config", pipeline.name);
    let config = pipeline.config(&[("table.name.format", "items")]);
    let (status, body) = pipeline
        .rest()
        .request(Method::PUT, &path, Some(&config))
        .await?;
    assert_eq!(status, StatusCode::OK, "{body}");
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "RUNNING")
        .await?;
    pipeline.drained().await?;
    let landed: Vec<_> = (0..RECORDS).filter(|n| *n != BAD).collect();
    assert_eq!(numbers(&pipeline).await?, landed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_front_of_a_record_that_cannot_be_transformed_lands() -> Result<()> {
    const CAST: &str = "org.apache.kafka.connect.transforms.Cast$Value";
    let pipeline = Pipeline::shared("none_transform", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (written bigserial, n int, a int, b int)")
        .await?;
    // The first transform sees the batch before the second does, and the later record with it:
    // the task is to fail with the earlier one all the same.
    let settings = [
        ("table.name.format", "items"),
        ("errors.tolerance", "none"),
        ("transforms", "early,late"),
        ("transforms.early.type", CAST),
        ("transforms.early.spec", "a:int32"),
        ("transforms.late.type", CAST),
        ("transforms.late.spec", "b:int32"),
    ];
    let records = (0..RECORDS).map(|n| match n {
        BAD => Record::json(&json!({ "n": n, "a": 1, "b": "none" })),
        50 => Record::json(&json!({ "n": n, "a": "none", "b": 1 })),
        _ => good(n),
    });
    pipeline.produce(records).await?;
    pipeline.create(&settings).await?;
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "FAILED")
        .await?;
    let trace = pipeline.trace().await?.context("no trace")?;
    let at = format!(
        "TRANSFORMATION (class {CAST}), {}-0 at offset {BAD}",
        pipeline.name
    );
    assert!(trace.contains(&at), "{trace}");
    assert_eq!(numbers(&pipeline).await?, (0..BAD).collect::<Vec<_>>());
    let stored = pipeline.stored().await?;
    assert_eq!(
        stored.get(&0),
        Some(&BAD),
        "the offset is where the rows are"
    );
    Ok(())
}
