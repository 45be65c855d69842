//! Insert mode: columns, defaults, tables, and what is refused.

use anyhow::Result;
use connect_api::{ErrorKind, Field, Kind, Schema, Struct, Value};

use crate::fixture::{
    Maker, Reports, TOPIC, batch, database, opened, partition, put, record, row, rows, stored, task,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int NOT NULL, t varchar(5), \
                     made timestamptz NOT NULL DEFAULT '2020-01-01Z')";

#[tokio::test(flavor = "multi_thread")]
async fn the_activity_events_of_shark_land() -> Result<()> {
    let database = database("").await?;
    database.apply("002_track_activity_log.sql").await?;
    let mut task = task(&database, &[("table.name.format", "track_activity_log")])?;
    opened(&mut *task, &[0]).await?;
    let event = r#"{"track_id":"t-1","domain":"AIR","event_type":"updated","activity_type":null,
        "kb_object_id":7,"mode_s":"ABC123","mmsi":null,"event_timestamp":"2024-05-01T12:00:00.25Z",
        "latitude":41.2753071,"longitude":-8.61,"properties":{"a":[1,2.5,"x"]},
        "associated_track_ids":["t-2","t\"3",null],"associated_kb_ids":[1,-2]}"#;
    put(&mut *task, &[Maker::default().batch(0, 0, &[event])?]).await?;
    let landed = rows(
        &database,
        "SELECT row_to_json(t)::text FROM track_activity_log t",
    )
    .await?;
    let landed: serde_json::Value = serde_json::from_str(&landed[0])?;
    let expect = serde_json::json!({
        "id": 1, "track_id": "t-1", "domain": "AIR", "event_type": "updated",
        "activity_type": null, "kb_object_id": 7, "mode_s": "ABC123", "mmsi": null,
        "event_timestamp": "2024-05-01T12:00:00.25+00:00", "latitude": 41.2753071,
        "longitude": -8.6100000, "properties": {"a": [1, 2.5, "x"]},
        "associated_track_ids": ["t-2", "t\"3", null], "associated_kb_ids": [1, -2],
    });
    assert_eq!(landed, expect);
    assert_eq!(stored(&database, 0).await?, Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_field_takes_the_default_and_order_is_kept() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        r#"{"n":1}"#,
        r#"{"t":"a","n":2}"#,
        r#"{"n":3,"made":"2021-01-01"}"#,
        r#"{"N":4}"#,
    ];
    put(&mut *task, &[Maker::default().batch(0, 0, &objects)?]).await?;
    let query = "SELECT concat_ws(' ', n, t, extract(year FROM made)) FROM events ORDER BY id";
    assert_eq!(
        rows(&database, query).await?,
        ["1 2020", "2 a 2020", "3 2021", "4 2020"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_reported_and_the_rest_lands() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        r#"{"n":1}"#,
        r#"{"n":2,"t":"secret"}"#,
        r#"{"n":"secret"}"#,
        r#"{"n":3000000000}"#,
        r#"{"t":"x"}"#,
        r#"{"n":5,"more":"secret"}"#,
        r#"{"n":6,"made":"secret"}"#,
        r#"{"n":7,"t":"a\u0000"}"#,
        r#"{"n":8}"#,
    ];
    let mut reports = Reports::default();
    let given = Maker::default().batch(0, 0, &objects)?;
    task.put(&[given], &mut reports).await?;
    assert_eq!(
        rows(&database, "SELECT n::text FROM events ORDER BY id").await?,
        ["1", "8"]
    );
    assert_eq!(stored(&database, 0).await?, Some(9));
    let texts: Vec<_> = reports
        .errors
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "record at offset 1 of events-0: column t of type character varying(5) cannot take a \
             text of 6 characters",
            "record at offset 2 of events-0: column n of type integer cannot take a value of type \
             string",
            "record at offset 3 of events-0: column n of type integer cannot hold a number of \
             that size",
            "record at offset 4 of events-0: column n of type integer cannot be null",
            "record at offset 5 of events-0: table events is missing fields (more) and \
             auto-evolution is disabled; unknown.fields=ignore leaves them out",
            "record at offset 6 of events-0: column made of type timestamp with time zone cannot \
             take a text that is not an ISO 8601 timestamp",
            "record at offset 7 of events-0: column t of type character varying(5) cannot take a \
             text with a NUL character: nul.characters strips or replaces it",
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_refuses_is_found_and_the_rest_lands_in_order() -> Result<()> {
    let database = database(
        "CREATE TABLE events (id bigserial, n int UNIQUE CHECK (n <> 13), at bigint); \
         INSERT INTO events (n) VALUES (40)",
    )
    .await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0, 1]).await?;
    let objects: Vec<_> = (0..50).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    let mut maker = Maker::default();
    let batches = [
        maker.batch(1, 0, &[r#"{"n":100}"#])?,
        maker.batch(0, 0, &objects)?,
    ];
    let mut reports = Reports::default();
    task.put(&batches, &mut reports).await?;
    assert_eq!(reports.offsets(), [13, 40]);
    assert_eq!(
        reports.errors[0].1,
        "record at offset 13 of events-0: cannot write to Postgres: Postgres reports 23514 \
         (check_violation), table events, constraint events_n_check"
    );
    let query = "SELECT n::text FROM events WHERE n <> 100 AND id > 1 ORDER BY id";
    let expect: Vec<_> = (0..50)
        .filter(|n| ![13, 40].contains(n))
        .map(|n| n.to_string())
        .collect();
    assert_eq!(rows(&database, query).await?, expect);
    assert_eq!(
        (stored(&database, 0).await?, stored(&database, 1).await?),
        (Some(50), Some(1))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_offset_land_together() -> Result<()> {
    let database = database("CREATE TABLE events (n int UNIQUE)").await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for (offset, n) in [(0, 1), (1, 2), (1, 2), (1, 3), (1, 1), (2, 4)] {
        records.push(maker.record(0, offset, &format!(r#"{{"n":{n}}}"#))?);
    }
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    assert_eq!(reports.offsets(), [1, 1]);
    assert_eq!(
        rows(&database, "SELECT n::text FROM events").await?,
        ["1", "2", "3", "4"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tolerance_nothing_behind_the_error_lands() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut reports = Reports {
        refuses: true,
        ..Reports::default()
    };
    let given = Maker::default().batch(0, 0, &[r#"{"n":1}"#, r#"{"n":"x"}"#, r#"{"n":2}"#])?;
    let error = task
        .put(&[given], &mut reports)
        .await
        .expect_err("a record is refused");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(database.count("events").await?, 0);
    assert_eq!(stored(&database, 0).await?, Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_cannot_keep_the_promise_are_refused() -> Result<()> {
    let database = database(
        "CREATE UNLOGGED TABLE events (n int); CREATE TABLE t (n int, m money); \
         CREATE VIEW v AS SELECT 1 AS n",
    )
    .await?;
    let mut maker = Maker::default();
    for (table, object, expect) in [
        ("events", r#"{"n":1}"#, "is UNLOGGED"),
        ("v", r#"{"n":1}"#, "is a view"),
        (
            "missing",
            r#"{"n":1}"#,
            "table missing is missing and auto-creation is disabled",
        ),
        (
            "t",
            r#"{"m":1}"#,
            "column m is of type money, which is not supported",
        ),
    ] {
        let mut task = task(&database, &[("table.name.format", table)])?;
        opened(&mut *task, &[0]).await?;
        let given = maker.batch(0, 0, &[object])?;
        let error = put(&mut *task, &[given]).await.expect_err(table);
        assert!(error.to_string().contains(expect), "{table}: {error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_becomes_unlogged_is_noticed_by_the_next_transaction() -> Result<()> {
    let database = database("CREATE TABLE events (n int)").await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    put(&mut *task, &[maker.batch(0, 0, &[r#"{"n":1}"#])?]).await?;
    database.execute("ALTER TABLE events SET UNLOGGED").await?;
    let given = maker.batch(0, 1, &[r#"{"n":2}"#])?;
    let error = put(&mut *task, std::slice::from_ref(&given)).await;
    let error = error.expect_err("an unlogged table");
    assert!(error.to_string().contains("is UNLOGGED"), "{error}");
    assert_eq!(stored(&database, 0).await?, Some(1));
    assert_eq!(database.count("events").await?, 1);
    database.execute("ALTER TABLE events SET LOGGED").await?;
    put(&mut *task, &[given]).await?;
    assert_eq!(database.count("events").await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_of_a_schema_is_the_records_error_or_ignored() -> Result<()> {
    let database = database("CREATE SCHEMA raw; CREATE TABLE raw.\"Events x\" (n int)").await?;
    let fields = vec![
        Field::new("n", Schema::new(Kind::Int32)),
        Field::new("extra", Schema::optional(Kind::String)),
    ];
    let schema = std::sync::Arc::new(Schema::new(Kind::Struct(fields)));
    let given = Struct::new(schema, vec![Value::Int(1), Value::from("x")]);
    let given = batch(0, 0, vec![row(0, 0, given)])?;
    let table = ("table.name.format", "raw.Events x");
    let mut strict = task(&database, &[table])?;
    opened(&mut *strict, &[0]).await?;
    let mut reports = Reports::default();
    strict
        .put(std::slice::from_ref(&given), &mut reports)
        .await?;
    assert_eq!(reports.offsets(), [0]);
    assert!(
        reports.errors[0].1.contains("(extra STRING)"),
        "{:?}",
        reports.errors
    );
    strict.stop().await;
    database.execute("DELETE FROM ferrule.offsets").await?;

    let mut lenient = task(&database, &[table, ("unknown.fields", "ignore")])?;
    opened(&mut *lenient, &[0]).await?;
    put(&mut *lenient, &[given]).await?;
    assert_eq!(
        rows(&database, "SELECT n::text FROM raw.\"Events x\"").await?,
        ["1"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_goes_to_its_table_and_brings_its_position() -> Result<()> {
    let database = database(
        "CREATE TABLE a (__connect_topic text, __connect_partition int, __connect_offset bigint, \
         n int); CREATE TABLE events (n int, __connect_topic text, __connect_partition int, \
         __connect_offset bigint)",
    )
    .await?;
    let options = [("pk.mode", "kafka"), ("insert.mode", "insert")];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[3]).await?;
    let mut maker = Maker::default();
    let mut routed = maker.record(3, 5, r#"{"n":1}"#)?;
    routed.record.topic = "a".into();
    let stays = maker.record(3, 6, r#"{"n":2}"#)?;
    put(&mut *task, &[batch(3, 0, vec![routed, stays])?]).await?;
    for (table, expect) in [("a", "a 3 5 1"), ("events", "events 3 6 2")] {
        let query = format!(
            "SELECT concat_ws(' ', __connect_topic, __connect_partition, __connect_offset, n) \
             FROM {table}"
        );
        assert_eq!(rows(&database, &query).await?, [expect]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_row_is_an_errant_record() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let plain = connect_api::Datum::schemaless(Value::from("text"));
    let records = vec![record(0, 0, connect_api::Datum::NULL), record(0, 1, plain)];
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    assert_eq!(reports.offsets(), [0, 1]);
    assert_eq!(stored(&database, 0).await?, Some(2));
    assert_eq!(partition(0).to_string(), format!("{TOPIC}-0"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_is_read_again() -> Result<()> {
    let database = database("CREATE TABLE events (n int)").await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    put(&mut *task, &[maker.batch(0, 0, &[r#"{"n":1}"#])?]).await?;
    let mut at = 1;
    // The last is as wide as the one before, and would take its bytes for another number.
    for change in [
        "ALTER TABLE events ALTER n TYPE bigint",
        "ALTER TABLE events ALTER n TYPE float8",
        "ALTER TABLE events RENAME n TO m; ALTER TABLE events ADD n int; UPDATE events SET n = m",
        "ALTER TABLE events RENAME TO old; CREATE TABLE events AS SELECT n FROM old",
    ] {
        database.execute(change).await?;
        let objects = [
            format!(r#"{{"n":{}}}"#, at + 1),
            format!(r#"{{"n":{}}}"#, at + 2),
        ];
        let objects = [objects[0].as_str(), objects[1].as_str()];
        put(&mut *task, &[maker.batch(0, at, &objects)?]).await?;
        at += 2;
    }
    let expect: Vec<_> = (1..=9).map(|n| n.to_string()).collect();
    assert_eq!(
        rows(&database, "SELECT n::text FROM events ORDER BY n").await?,
        expect
    );
    Ok(())
}
