//! What becomes of rows that are there: ignored duplicates, newer records, kept values.

use anyhow::Result;
use connect_api::{Datum, ErrorKind, RecordBatch, Value};
use harness_postgres::postgres::TestDatabase;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::fixture::{Maker, Reports, batch, database, opened, put, rows, stored, task};

const TABLE: &str = "CREATE TABLE events (k int PRIMARY KEY, version int, v text, w text)";
const KEY: [(&str, &str); 2] = [("pk.mode", "record_value"), ("pk.fields", "k")];

async fn all(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT concat_ws(' ', k, coalesce(version::text, '-'), coalesce(v, '-'), \
                 coalesce(w, '-')) FROM events ORDER BY k";
    rows(database, query).await
}

/// Puts objects in one batch into a table with some rows.
async fn after(
    options: &[(&str, &str)],
    there: &str,
    objects: &[&str],
) -> Result<(Vec<String>, Vec<i64>)> {
    let database = database(&format!("{TABLE}; {there}")).await?;
    let options: Vec<_> = KEY.iter().chain(options).copied().collect();
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let given = Maker::default().batch(0, 0, objects)?;
    let mut reports = Reports::default();
    task.put(&[given], &mut reports).await?;
    assert_eq!(stored(&database, 0).await?, Some(objects.len() as i64));
    Ok((all(&database).await?, reports.offsets()))
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_are_the_rows_that_are_there() -> Result<()> {
    let there = "INSERT INTO events VALUES (1, 1, 'old', 'old')";
    let objects = [
        r#"{"k":1,"v":"a"}"#,
        r#"{"k":2,"v":"b"}"#,
        r#"{"k":2,"v":"c"}"#,
        r#"{"v":"no key"}"#,
        r#"{"k":3,"w":"d"}"#,
    ];
    let ignore = [("insert.mode", "insert_ignore")];
    let (rows, refused) = after(&ignore, there, &objects).await?;
    assert_eq!(rows, ["1 1 old old", "2 - b -", "3 - - d"]);
    assert_eq!(refused, [3]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_any_unique_index_tells_what_is_there() -> Result<()> {
    let database = database(&format!("{TABLE}; CREATE UNIQUE INDEX ON events (v)")).await?;
    let mut task = task(&database, &[("insert.mode", "insert_ignore")])?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        r#"{"k":1,"v":"a"}"#,
        r#"{"k":1,"v":"b"}"#,
        r#"{"k":2,"v":"a"}"#,
        r#"{"k":3,"v":"c"}"#,
    ];
    let mut maker = Maker::default();
    put(&mut *task, &[maker.batch(0, 0, &objects)?]).await?;
    put(&mut *task, &[maker.batch(0, 4, &objects)?]).await?;
    assert_eq!(all(&database).await?, ["1 - a -", "3 - c -"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_keep_their_order_among_ignored_inserts() -> Result<()> {
    let database = database(&format!("{TABLE}; INSERT INTO events VALUES (1, 1)")).await?;
    let options = [
        ("insert.mode", "insert_ignore"),
        ("pk.mode", "record_key"),
        ("pk.fields", "k"),
        ("delete.enabled", "true"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for (offset, version) in (0..).zip([Some(2), None, Some(3), Some(4)]) {
        let object = version.map_or("{}".to_owned(), |n| format!(r#"{{"version":{n}}}"#));
        let mut record = maker.record(0, offset, &object)?;
        record.record.key = Datum::schemaless(Value::Int(1));
        if version.is_none() {
            record.record.value = Datum::NULL;
        }
        records.push(record);
    }
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    assert_eq!(all(&database).await?, ["1 3 - -"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_newer_records_change_a_row() -> Result<()> {
    let there = "INSERT INTO events VALUES (1, 5, 'old', 'old'), (2, 5, 'old', 'old'), \
                 (3, NULL, 'old', 'old')";
    let objects = [
        // Older, and newer.
        r#"{"k":1,"version":4,"v":"a"}"#,
        r#"{"k":2,"version":7,"v":"b"}"#,
        r#"{"k":2,"version":6,"v":"c"}"#,
        r#"{"k":2,"version":7,"v":"d"}"#,
        // Any is newer than none.
        r#"{"k":3,"version":0,"v":"e"}"#,
        // New.
        r#"{"k":4,"version":2,"v":"f"}"#,
        r#"{"k":4,"version":1,"v":"g"}"#,
        // Not comparable.
        r#"{"k":5,"version":null,"v":"h"}"#,
        r#"{"k":5,"v":"h"}"#,
    ];
    let newer = [("insert.mode", "upsert"), ("upsert.condition", "version")];
    let (rows, refused) = after(&newer, there, &objects).await?;
    assert_eq!(rows, ["1 5 old old", "2 7 b old", "3 0 e old", "4 2 f -"]);
    assert_eq!(refused, [7, 8]);
    let newer = [
        ("insert.mode", "upsert"),
        ("upsert.condition", ">= version"),
    ];
    let (rows, _) = after(&newer, there, &objects).await?;
    assert_eq!(rows, ["1 5 old old", "2 7 d old", "3 0 e old", "4 2 f -"]);
    let newer = [("insert.mode", "update"), ("upsert.condition", "version")];
    let (rows, _) = after(&newer, there, &objects).await?;
    assert_eq!(rows, ["1 5 old old", "2 7 b old", "3 0 e old"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_without_its_column_fails_the_task() -> Result<()> {
    let database = database(TABLE).await?;
    let options = [
        ("insert.mode", "upsert"),
        ("upsert.condition", "revision"),
        KEY[0],
        KEY[1],
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let given = Maker::default().batch(0, 0, &[r#"{"k":1,"version":4}"#])?;
    let refused = task.put(&[given], &mut Reports::default()).await;
    let error = refused.expect_err("there is no such column");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .contains("no column revision of upsert.condition"),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_value_outlives_a_null() -> Result<()> {
    let there = "INSERT INTO events VALUES (1, 1, 'old', 'old')";
    let objects = [
        r#"{"k":1,"version":2,"v":null,"w":"new"}"#,
        // Within a batch too.
        r#"{"k":2,"version":1,"v":"a","w":null}"#,
        r#"{"k":2,"version":null,"v":null,"w":"b"}"#,
        r#"{"k":2,"version":2,"v":null,"w":null}"#,
        r#"{"k":3,"version":1,"v":null,"w":null}"#,
    ];
    let keep = [("insert.mode", "upsert"), ("upsert.nulls", "keep")];
    let (rows, _) = after(&keep, there, &objects).await?;
    assert_eq!(rows, ["1 2 old new", "2 2 a b", "3 1 - -"]);
    let keep = [("insert.mode", "update"), ("upsert.nulls", "keep")];
    let (rows, _) = after(&keep, there, &objects).await?;
    assert_eq!(rows, ["1 2 old new"]);
    let write = [("insert.mode", "upsert")];
    let (rows, _) = after(&write, there, &objects).await?;
    assert_eq!(rows, ["1 2 - new", "2 2 - -", "3 1 - -"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_inserted_but_not_changed() -> Result<()> {
    let table = "CREATE TABLE events (k int PRIMARY KEY, id int GENERATED ALWAYS AS IDENTITY, \
                 twice int GENERATED ALWAYS AS (k * 2) STORED, v text)";
    for mode in ["upsert", "update", "insert", "insert_ignore"] {
        let there = "INSERT INTO events (k, id, v) OVERRIDING SYSTEM VALUE VALUES (1, 10, 'old')";
        let database = database(&format!("{table}; {there}")).await?;
        let options = [("insert.mode", mode), KEY[0], KEY[1]];
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let mut maker = Maker::default();
        let mut objects = vec![
            r#"{"k":2,"id":20,"v":"new"}"#,
            r#"{"k":1,"id":30,"v":"new"}"#,
        ];
        if mode == "insert" {
            objects.pop();
        }
        put(&mut *task, &[maker.batch(0, 0, &objects)?]).await?;
        let found = rows(
            &database,
            "SELECT concat_ws(' ', k, id, twice, v) FROM events ORDER BY k",
        )
        .await?;
        let first = match mode {
            "upsert" | "update" => "1 10 2 new",
            _ => "1 10 2 old",
        };
        let expect: &[&str] = match mode {
            "update" => &[first],
            _ => &[first, "2 20 4 new"],
        };
        assert_eq!(found, expect, "{mode}");
        // What Postgres computes cannot be given.
        let next = objects.len() as i64;
        let given = maker.batch(0, next, &[r#"{"k":3,"twice":1}"#])?;
        let refused = task.put(&[given], &mut Reports::default()).await;
        let error = refused.expect_err("it is generated");
        assert!(
            error.to_string().contains("column twice is generated"),
            "{error}"
        );
    }
    Ok(())
}

/// One record after another, as they would be without batches.
fn expected(records: &[(i64, i64, Option<i64>)], or_equal: bool, keeps: bool) -> Vec<String> {
    let mut rows: std::collections::BTreeMap<i64, (i64, Option<i64>)> = Default::default();
    for &(key, version, value) in records {
        match rows.get_mut(&key) {
            None => {
                rows.insert(key, (version, value));
            }
            Some((there, kept)) if version > *there || (or_equal && version == *there) => {
                *there = version;
                *kept = if keeps { value.or(*kept) } else { value };
            }
            Some(_) => {}
        }
    }
    let shown = rows.into_iter().map(|(key, (version, value))| {
        let value = value.map_or("-".to_owned(), |value| value.to_string());
        format!("{key} {version} {value} -")
    });
    shown.collect()
}

/// Batches that are written at once leave what single records would.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_leaves_what_its_records_would_one_by_one() -> Result<()> {
    let strategy = prop::collection::vec((0..4_i64, 0..5_i64, prop::option::of(0..9_i64)), 1..40);
    let cases: Vec<_> = {
        let mut runner = TestRunner::default();
        (0..12)
            .map(|_| Ok(strategy.new_tree(&mut runner)?.current()))
            .collect::<std::result::Result<_, proptest::test_runner::Reason>>()
            .map_err(|why| anyhow::anyhow!("{why}"))?
    };
    for (number, records) in cases.iter().enumerate() {
        let (or_equal, keeps) = (number % 2 == 0, number % 4 < 2);
        let options = [
            ("insert.mode", "upsert"),
            (
                "upsert.condition",
                if or_equal { ">=version" } else { "version" },
            ),
            ("upsert.nulls", if keeps { "keep" } else { "write" }),
            KEY[0],
            KEY[1],
        ];
        let database = database(TABLE).await?;
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let objects: Vec<_> = records
            .iter()
            .map(|(key, version, value)| {
                let value = value.map_or("null".to_owned(), |value| format!("\"{value}\""));
                format!(r#"{{"k":{key},"version":{version},"v":{value}}}"#)
            })
            .collect();
        let objects: Vec<_> = objects.iter().map(String::as_str).collect();
        let mut maker = Maker::default();
        let half = objects.len() / 2;
        let mut given: Vec<RecordBatch> = Vec::new();
        if half > 0 {
            given.push(maker.batch(0, 0, &objects[..half])?);
        }
        given.push(maker.batch(0, half as i64, &objects[half..])?);
        for batch in given {
            put(&mut *task, &[batch]).await?;
        }
        let wanted = expected(records, or_equal, keeps);
        assert_eq!(all(&database).await?, wanted, "{options:?} {records:?}");
    }
    Ok(())
}
