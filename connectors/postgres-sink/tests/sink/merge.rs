//! Upsert, update and delete.

use anyhow::Result;
use connect_api::{Datum, ErrorKind, SinkRecord, Value};

use crate::fixture::{Maker, Reports, batch, database, opened, put, rows, stored, task};

const TABLE: &str = "CREATE TABLE events (k int PRIMARY KEY, v text, w text DEFAULT 'none')";
const UPSERT: [(&str, &str); 3] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_value"),
    ("pk.fields", "k"),
];
const KEYED: [(&str, &str); 4] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_key"),
    ("pk.fields", "k"),
    ("delete.enabled", "true"),
];

/// A record with a primitive key; without an object it deletes.
fn keyed(maker: &mut Maker, offset: i64, key: i64, object: Option<&str>) -> Result<SinkRecord> {
    let mut record = maker.record(0, offset, object.unwrap_or("{}"))?;
    record.record.key = Datum::schemaless(Value::Int(key));
    if object.is_none() {
        record.record.value = Datum::NULL;
    }
    Ok(record)
}

async fn all(database: &harness_postgres::postgres::TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT concat_ws(' ', k, coalesce(v, '-'), coalesce(w, '-')) FROM events \
                 ORDER BY k";
    rows(database, query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_write_of_a_key_wins_and_absent_fields_stay() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("INSERT INTO events VALUES (1, 'old', 'kept')")
        .await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0, 1]).await?;
    let mut maker = Maker::default();
    let first = maker.batch(
        0,
        0,
        &[
            r#"{"k":1,"v":"a"}"#,
            r#"{"k":2,"v":"b"}"#,
            r#"{"k":1,"v":"c"}"#,
            r#"{"k":3,"w":"d"}"#,
            r#"{"k":2,"w":"e"}"#,
            r#"{"k":3,"v":"f"}"#,
            r#"{"k":4}"#,
            r#"{"v":"no key"}"#,
            r#"{"k":null,"v":"no key"}"#,
        ],
    )?;
    let mut reports = Reports::default();
    task.put(&[first], &mut reports).await?;
    assert_eq!(
        all(&database).await?,
        ["1 c kept", "2 b e", "3 f d", "4 - none"]
    );
    assert_eq!(reports.offsets(), [7, 8]);
    put(
        &mut *task,
        &[maker.batch(0, 9, &[r#"{"k":4,"v":"g"}"#, r#"{"k":4}"#])?],
    )
    .await?;
    assert_eq!(
        all(&database).await?,
        ["1 c kept", "2 b e", "3 f d", "4 g none"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_and_writes_of_a_key_keep_their_order() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("INSERT INTO events VALUES (1, 'old', 'old'), (2, 'old', 'old'), (3, 'old', 'x')")
        .await?;
    let mut task = task(&database, &KEYED)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let records = vec![
        // Written anew: nothing of the old row may shine through.
        keyed(&mut maker, 0, 1, None)?,
        keyed(&mut maker, 1, 1, Some(r#"{"v":"new"}"#))?,
        // Written, then deleted.
        keyed(&mut maker, 2, 2, Some(r#"{"v":"new"}"#))?,
        keyed(&mut maker, 3, 2, None)?,
        // Deleted twice, then written twice.
        keyed(&mut maker, 4, 3, None)?,
        keyed(&mut maker, 5, 3, None)?,
        keyed(&mut maker, 6, 3, Some(r#"{"v":"newer"}"#))?,
        keyed(&mut maker, 7, 3, Some(r#"{"v":"newest"}"#))?,
        // Never there.
        keyed(&mut maker, 8, 4, None)?,
    ];
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    assert_eq!(all(&database).await?, ["1 new none", "3 newest none"]);
    assert_eq!(stored(&database, 0).await?, Some(9));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_keep_their_order_among_inserts() -> Result<()> {
    let database = database(TABLE).await?;
    let options = [
        ("pk.mode", "record_key"),
        ("pk.fields", "k"),
        ("delete.enabled", "true"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let records = vec![
        keyed(&mut maker, 0, 1, Some(r#"{"v":"a"}"#))?,
        keyed(&mut maker, 1, 1, None)?,
        keyed(&mut maker, 2, 1, Some(r#"{"v":"b"}"#))?,
        keyed(&mut maker, 3, 2, Some(r#"{"v":"c"}"#))?,
        keyed(&mut maker, 4, 2, None)?,
    ];
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    assert_eq!(all(&database).await?, ["1 b none"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn update_leaves_out_rows_that_are_not_there() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("INSERT INTO events VALUES (1, 'old', 'kept')")
        .await?;
    let mut options = UPSERT;
    options[0].1 = "update";
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let objects = [
        r#"{"k":1,"v":"a"}"#,
        r#"{"k":2,"v":"b"}"#,
        r#"{"k":1,"v":"c"}"#,
    ];
    put(&mut *task, &[maker.batch(0, 0, &objects)?]).await?;
    assert_eq!(all(&database).await?, ["1 c kept"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_an_upsert_cannot_write_is_found() -> Result<()> {
    let database =
        database("CREATE TABLE events (k numeric PRIMARY KEY, v text CHECK (v <> 'bad'), w text)")
            .await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for (offset, v) in (0..20).zip(["a", "b", "bad", "c"].iter().cycle()) {
        records.push(maker.record(0, offset, &format!(r#"{{"k":{offset},"v":"{v}"}}"#))?);
    }
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    assert_eq!(reports.offsets(), [2, 6, 10, 14, 18]);
    assert_eq!(database.count("events").await?, 15);
    assert_eq!(stored(&database, 0).await?, Some(20));
    // 1 and 1.0 are one key, but not the same bytes.
    put(
        &mut *task,
        &[maker.batch(0, 20, &[r#"{"k":1,"v":"x"}"#, r#"{"k":1.0,"v":"y"}"#])?],
    )
    .await?;
    assert_eq!(
        rows(&database, "SELECT v FROM events WHERE k = 1").await?,
        ["y"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_without_a_unique_index_fails_the_task() -> Result<()> {
    let database = database("CREATE TABLE events (k int, v text)").await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0]).await?;
    let given = Maker::default().batch(0, 0, &[r#"{"k":1,"v":"a"}"#])?;
    let error = task
        .put(&[given], &mut Reports::default())
        .await
        .expect_err("no index");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("42P10"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_shapes_than_staging_tables_land() -> Result<()> {
    let columns: Vec<_> = (0..80).map(|n| format!("c{n} int")).collect();
    let table = format!(
        "CREATE TABLE events (k int PRIMARY KEY, {})",
        columns.join(", ")
    );
    let database = database(&table).await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    for round in 0..3_i64 {
        let mut records = Vec::new();
        for n in 0..80 {
            let object = format!(r#"{{"k":{},"c{n}":{round}}}"#, n % 7);
            records.push(maker.record(0, round * 80 + n, &object)?);
        }
        put(&mut *task, &[batch(0, round * 80, records)?]).await?;
    }
    assert_eq!(
        rows(&database, "SELECT sum(c3)::text FROM events").await?,
        ["2"]
    );
    assert_eq!(database.count("events").await?, 7);
    Ok(())
}
