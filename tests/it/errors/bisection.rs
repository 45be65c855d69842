//! A few bad records among many good ones, which only Postgres can tell apart.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::json;

const RECORDS: i64 = 400;

fn record(n: i64) -> Record {
    // The code of every two hundredth record is that of the one before.
    let code = if n % 200 == 199 { n - 1 } else { n };
    Record::json(&json!({ "n": n, "code": format!("code {code}") }))
}

/// The SQLSTATE that Postgres refuses a record with.
fn refusal(n: i64) -> Option<&'static str> {
    match n {
        _ if n % 97 == 13 => Some("23514"),
        _ if n % 200 == 199 => Some("23505"),
        _ => None,
    }
}

async fn check(stem: &str, table: &str, settings: &[(&str, &str)]) -> Result<()> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline.database.execute(table).await?;
    // All are there before the connector is, so that they come in few batches.
    pipeline.produce((0..RECORDS).map(record)).await?;
    let all = [&[("table.name.format", "items")], settings].concat();
    pipeline.deploy(&all).await?;
    pipeline.drained().await?;

    let landed = pipeline
        .database
        .texts("SELECT n::text FROM items ORDER BY written")
        .await?;
    let good = (0..RECORDS)
        .filter(|n| refusal(*n).is_none())
        .map(|n| Some(n.to_string()));
    assert_eq!(
        landed,
        good.collect::<Vec<_>>(),
        "all that is good, in its order"
    );
    let refused = (0..RECORDS).filter_map(|n| {
        let reason = Reason::put(refusal(n)?);
        Some(Refused {
            record: record(n),
            at: (0, n),
            reason,
        })
    });
    pipeline.assert_refused(&refused.collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_are_taken_apart_in_order() -> Result<()> {
    let table = "CREATE TABLE items (written bigserial, n int CHECK (n % 97 <> 13),
                 code text UNIQUE)";
    check("bisect_insert", table, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn upserts_are_taken_apart_in_order() -> Result<()> {
    let table = "CREATE TABLE items (written bigserial, n int PRIMARY KEY CHECK (n % 97 <> 13),
                 code text UNIQUE)";
    let upsert = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "n"),
    ];
    check("bisect_upsert", table, &upsert).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_checked_at_commit_is_found_too() -> Result<()> {
    let table = "CREATE TABLE items (written bigserial, n int CHECK (n % 97 <> 13),
                 code text UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    check("bisect_deferred", table, &[]).await
}
