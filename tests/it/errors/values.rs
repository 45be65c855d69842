//! Records that can be read, and that the table does not take.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

const TABLE: &str = "CREATE TABLE items (
    n int PRIMARY KEY, name varchar(10) NOT NULL, amount numeric(6,2), small smallint,
    at timestamptz, uid uuid, note text, props jsonb, tags text[],
    kind text CHECK (kind <> 'bad'), code text UNIQUE)";

/// A value with some fields changed, and what its dead letter says.
fn misfit(fields: Value, why: &str) -> (Record, Reason) {
    let mut value = json!({ "n": -1, "name": "misfit" });
    if let (Some(value), Value::Object(fields)) = (value.as_object_mut(), fields) {
        value.extend(fields);
    }
    (Record::json(&value), Reason::put(why))
}

/// What the sink sees when it encodes the record.
fn seen_by_the_sink() -> Vec<(Record, Reason)> {
    vec![
        misfit(
            json!({ "name": "12345678901" }),
            "column name of type character varying(10)",
        ),
        misfit(
            json!({ "name": null }),
            "column name of type character varying(10)",
        ),
        misfit(
            json!({ "name": 5 }),
            "column name of type character varying(10)",
        ),
        misfit(
            json!({ "amount": 10_000 }),
            "column amount of type numeric(6,2)",
        ),
        misfit(
            json!({ "amount": -123_456.5 }),
            "column amount of type numeric(6,2)",
        ),
        misfit(
            json!({ "amount": "twelve" }),
            "column amount of type numeric(6,2)",
        ),
        misfit(json!({ "small": 32_768 }), "column small of type smallint"),
        misfit(json!({ "n": 1.5 }), "column n of type integer"),
        misfit(
            json!({ "n": 3_000_000_000_i64 }),
            "column n of type integer",
        ),
        misfit(json!({ "n": null }), "column n of type integer"),
        misfit(
            json!({ "at": "the other day" }),
            "column at of type timestamp with time zone",
        ),
        misfit(
            json!({ "at": "2025-02-30T00:00:00Z" }),
            "column at of type timestamp",
        ),
        misfit(json!({ "uid": "none" }), "column uid of type uuid"),
        misfit(json!({ "note": "a\u{0}b" }), "column note of type text"),
        misfit(
            json!({ "props": { "x": "\u{0}" } }),
            "column props of type jsonb",
        ),
        (
            Record::of(r#"{"n": -1, "name": "x", "props": {"x": "\ud800"}}"#),
            Reason::put("column props of type jsonb"),
        ),
        misfit(json!({ "tags": ["a", 5] }), "column tags of type text[]"),
        misfit(json!({ "tags": { "a": 5 } }), "column tags of type text[]"),
        misfit(json!({ "surplus": 1 }), "surplus"),
        (
            Record::json(&json!({ "n": -1 })),
            Reason::put("column name"),
        ),
        (Record::json(&json!([1, 2])), Reason::put("")),
        (Record::json(&json!("text")), Reason::put("")),
        (Record::json(&Value::Null), Reason::put("")),
        (Record::tombstone(), Reason::put("delete.enabled")),
    ]
}

fn incompressible(length: usize) -> String {
    let mut state = 1_u32;
    let digits = (0..length).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + (state >> 24) as u8 % 90)
    });
    digits.collect()
}

/// What Postgres alone can see.
fn seen_by_postgres() -> Vec<(Record, Reason)> {
    let raw = |value: &str, why: &str| (Record::of(value), Reason::put(why));
    vec![
        misfit(json!({ "kind": "bad" }), "23514"),
        misfit(json!({ "n": 0 }), "23505"),
        misfit(json!({ "code": "code 0" }), "23505"),
        // Too long for the index: nothing in it repeats, so that it cannot be compressed.
        misfit(json!({ "code": incompressible(9000) }), "54000"),
        raw(
            r#"{"n": -1, "name": "x", "props": {"x": 1e200000}}"#,
            "22003",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused() -> Result<()> {
    check("values", seen_by_the_sink()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_refuses_is_refused() -> Result<()> {
    check("constraints", seen_by_postgres()).await
}

async fn check(stem: &str, bad: Vec<(Record, Reason)>) -> Result<()> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline.database.execute(TABLE).await?;
    let good = |n: usize| {
        let code = format!("code {n}");
        Record::json(&json!({ "n": n, "name": "good", "amount": 9999.99, "code": code }))
    };
    let mut produced = vec![good(0)];
    let mut expected = Vec::new();
    for (index, (record, reason)) in bad.into_iter().enumerate() {
        let record = record
            .key(format!("key {index}"))
            .header("trace-id", vec![0, 0xff]);
        let at = (0, i64::try_from(produced.len())?);
        expected.push(Refused {
            record: record.clone(),
            at,
            reason,
        });
        produced.extend([record, good(index + 1)]);
    }
    // All are there before the connector is, so that they come in one batch.
    pipeline.produce(produced).await?;
    pipeline.deploy(&[("table.name.format", "items")]).await?;
    pipeline.drained().await?;

    let rows = pipeline
        .rows("SELECT n, name, amount, kind, code FROM items ORDER BY n")
        .await?;
    let landed = (0..=expected.len()).map(|n| {
        json!({ "n": n.to_string(), "name": "good", "amount": "9999.99", "kind": null,
                "code": format!("code {n}") })
    });
    assert_eq!(rows, landed.collect::<Vec<_>>());
    pipeline.assert_refused(&expected).await
}
