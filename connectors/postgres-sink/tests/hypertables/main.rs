//! The sink against hypertables: `make timescale`, on a server that has TimescaleDB.
//!
//! Cargo runs this target only by its name, so that `cargo test` needs no TimescaleDB and skips
//! nothing.

#[expect(dead_code, reason = "the tests of the sink use what is not used here")]
#[path = "../sink/fixture.rs"]
mod fixture;

use std::sync::Arc;

use anyhow::{Result, ensure};
use connect_api::{Datum, Field, Kind, RecordBatch, Schema, SinkTask, Struct, Value};
use harness_postgres::postgres::TestDatabase;

use fixture::{Maker, Reports, batch, opened, put, row, rows, stored, task};

const TABLE: &str = "CREATE TABLE events (n int NOT NULL, at timestamptz NOT NULL, v text, \
    UNIQUE (n, at)); SELECT create_hypertable('events', 'at')";
const COMPRESSED: &str = "ALTER TABLE events SET (timescaledb.compress, \
    timescaledb.compress_segmentby = 'n'); SELECT compress_chunk(c) FROM show_chunks('events') c";
const KEYED: [(&str, &str); 2] = [("pk.mode", "record_value"), ("pk.fields", "n,at")];

async fn database(statements: &str) -> Result<TestDatabase> {
    let database = fixture::database("").await?;
    let known = database.count("pg_extension WHERE extname = 'timescaledb'");
    ensure!(known.await? == 1, "run it by `make timescale`");
    database.execute(statements).await?;
    Ok(database)
}

fn options<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&KEYED[..], more].concat()
}

/// Objects of a number and a month of 2024.
fn given(first: i64, rows: &[(i64, u8, &str)]) -> Result<RecordBatch> {
    let objects = rows.iter().map(|(n, month, v)| {
        format!(r#"{{"n":{n},"at":"2024-{month:02}-01T00:00:00Z","v":"{v}"}}"#)
    });
    let objects: Vec<_> = objects.collect();
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    Maker::default().batch(0, first, &objects)
}

async fn all(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT concat_ws(' ', n, extract(month FROM at), v) FROM events ORDER BY n, at";
    rows(database, query).await
}

/// The offsets that were reported of a batch, once it has landed.
async fn put_until(task: &mut dyn SinkTask, given: RecordBatch) -> Result<Vec<i64>> {
    let mut reports = Reports::default();
    fixture::put_until(task, &[given], &mut reports).await?;
    Ok(reports.offsets())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_writes_to_plain_and_to_compressed_chunks() -> Result<()> {
    for compressed in ["", COMPRESSED] {
        for (mode, expect) in [
            ("insert", &["1 1 old", "2 2 old", "3 3 new", "4 1 new"][..]),
            (
                "insert_ignore",
                &["1 1 old", "2 2 old", "3 3 new", "4 1 new"],
            ),
            ("upsert", &["1 1 new", "2 2 old", "3 3 new", "4 1 new"]),
            ("update", &["1 1 new", "2 2 old"]),
        ] {
            let database = database(TABLE).await?;
            let old =
                "INSERT INTO events VALUES (1, '2024-01-01', 'old'), (2, '2024-02-01', 'old')";
            database.execute(old).await?;
            database.execute(compressed).await?;
            let mut task = task(&database, &options(&[("insert.mode", mode)]))?;
            opened(&mut *task, &[0]).await?;
            let given = given(0, &[(1, 1, "new"), (3, 3, "new"), (4, 1, "new")])?;
            let refused = put_until(&mut *task, given).await?;
            assert_eq!(all(&database).await?, expect, "{mode} {compressed}");
            let duplicates: &[i64] = if mode == "insert" { &[0] } else { &[] };
            assert_eq!(refused, duplicates, "{mode} {compressed}");
            assert_eq!(stored(&database, 0).await?, Some(3));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_compressed_is_deleted() -> Result<()> {
    let database = database(TABLE).await?;
    let old = "INSERT INTO events VALUES (1, '2024-01-01', 'old'), (2, '2024-01-01', 'old')";
    database.execute(old).await?;
    database.execute(COMPRESSED).await?;
    let keyed = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("delete.enabled", "true"),
    ];
    let mut task = task(&database, &keyed)?;
    opened(&mut *task, &[0]).await?;
    let fields = vec![
        Field::new("n", Schema::new(Kind::Int32)),
        Field::new("at", Schema::new(Kind::Timestamp)),
    ];
    let values = vec![Value::Int(1), Value::Timestamp(1_704_067_200_000_000)];
    let key = Struct::new(Schema::new(Kind::Struct(fields)).into(), values);
    let mut record = fixture::record(0, 0, Datum::NULL);
    record.record.key = Datum::row(key);
    put(&mut *task, &[batch(0, 0, vec![record])?]).await?;
    assert_eq!(all(&database).await?, ["2 1 old"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_partitioning_column_says_what_to_do() -> Result<()> {
    let database = database(TABLE).await?;
    let only_n = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "n"),
    ];
    let mut task = task(&database, &only_n)?;
    opened(&mut *task, &[0]).await?;
    let refused = put(&mut *task, &[given(0, &[(1, 1, "a")])?]).await;
    let text = refused.expect_err("no such index").to_string();
    let hint = "a hypertable must have its partitioning columns: add them to pk.fields";
    assert!(text.contains(hint), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chunk_refuses_is_found_and_the_rest_lands() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("ALTER TABLE events ADD CONSTRAINT known CHECK (v <> 'bad')")
        .await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let values = [
        (1, 1, "a"),
        (2, 2, "bad"),
        (3, 3, "c"),
        (4, 1, "bad"),
        (5, 2, "e"),
    ];
    let refused = put_until(&mut *task, given(0, &values)?).await?;
    assert_eq!(refused, [1, 3]);
    assert_eq!(all(&database).await?, ["1 1 a", "3 3 c", "5 2 e"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_evolve_changes_what_timescaledb_lets_it() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("INSERT INTO events VALUES (1, '2024-01-01', 'old')")
        .await?;
    database.execute(COMPRESSED).await?;
    let evolves = [("auto.evolve", "true"), ("auto.evolve.widen", "true")];
    let mut task = task(&database, &evolves)?;
    opened(&mut *task, &[0]).await?;
    // Neither may the time be null, nor may a column of a compressed chunk become wider.
    let with_default = Schema {
        default: Some(Value::from("x")),
        ..Schema::new(Kind::String)
    };
    let fields = vec![
        Field::new("n", Schema::new(Kind::Int64)),
        Field::new("at", Schema::optional(Kind::Timestamp)),
        Field::new("extra", Schema::optional(Kind::Int32)),
        Field::new("tag", with_default),
    ];
    let schema = Arc::new(Schema::new(Kind::Struct(fields)));
    let row = |offset: i64, n: i64, at: Value| {
        let values = vec![Value::Int(n), at, Value::Int(7), Value::from("t")];
        row(0, offset, Struct::new(Arc::clone(&schema), values))
    };
    let at = Value::Timestamp(1_704_067_200_000_000);
    let records = vec![
        row(0, 2, at.clone()),
        row(1, 3, Value::Null),
        row(2, i64::MAX, at.clone()),
        row(3, 4, at),
    ];
    let refused = put_until(&mut *task, batch(0, 0, records)?).await?;
    assert_eq!(refused, [1, 2]);
    let query = "SELECT concat_ws(' ', n, v, extra, tag) FROM events ORDER BY n";
    assert_eq!(rows(&database, query).await?, ["1 old x", "2 7 t", "4 7 t"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_compressed_rows_for_a_transaction_are_written_in_parts() -> Result<()> {
    let database = database(TABLE).await?;
    let old = "INSERT INTO events SELECT n, '2024-01-01'::timestamptz + d * interval '1 s', 'old' \
               FROM generate_series(1, 40) n, generate_series(0, 9) d";
    database.execute(old).await?;
    database.execute(COMPRESSED).await?;
    let name = database.name();
    let limit = "timescaledb.max_tuples_decompressed_per_dml_transaction = 100";
    database
        .execute(&format!("ALTER DATABASE {name} SET {limit}"))
        .await?;
    let mut task = task(&database, &options(&[("insert.mode", "upsert")]))?;
    opened(&mut *task, &[0]).await?;
    let values: Vec<_> = (1..=40).map(|n| (n, 1, "new")).collect();
    let refused = put_until(&mut *task, given(0, &values)?).await?;
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(database.count("events WHERE v = 'new'").await?, 40);
    assert_eq!(database.count("events").await?, 400);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_make_the_same_chunks_at_once_lose_and_double_nothing() -> Result<()> {
    let database = database(TABLE).await?;
    let mut workers = Vec::new();
    for number in 0..3 {
        let mut task = task(&database, &[])?;
        opened(&mut *task, &[number]).await?;
        workers.push(tokio::spawn(async move {
            let mut maker = Maker::default();
            for round in 0..10_i64 {
                // Each batch has records of four new chunks, in another order for each task.
                let mut days: Vec<_> = (0..4_i64).map(|chunk| (round * 4 + chunk) * 7).collect();
                days.rotate_left(number as usize);
                let records = (round * 4..).zip(days).map(|(offset, day)| {
                    let millis = 1_704_067_200_000 + day * 86_400_000;
                    let object = format!(
                        r#"{{"n":{},"at":{millis}}}"#,
                        i64::from(number) * 100 + offset
                    );
                    maker.record(number, offset, &object)
                });
                let records: Result<Vec<_>> = records.collect();
                let refused = put_until(&mut *task, batch(number, round * 4, records?)?).await?;
                ensure!(refused.is_empty(), "{refused:?}");
            }
            anyhow::Ok(())
        }));
    }
    for worker in workers {
        worker.await??;
    }
    assert_eq!(database.count("events").await?, 120);
    let chunks = "timescaledb_information.chunks WHERE hypertable_name = 'events'";
    assert!(database.count(chunks).await? >= 40);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_the_example_systems_are_made_and_take_rows() -> Result<()> {
    let database = database("").await?;
    for file in [
        "001_ferrule.sql",
        "002_track_activity_log.sql",
        "003_telescope_data_raw.sql",
        "004_iot_measurements.sql",
        "005_fleet.sql",
        "006_user_activity_metrics.sql",
        "007_ferrule_state.sql",
    ] {
        // And once more, as the worker and people may do.
        database.apply(file).await?;
        database.apply(file).await?;
    }
    let known = "timescaledb_information.hypertables WHERE hypertable_name = 'iot_measurements'";
    assert_eq!(database.count(known).await?, 1);
    let iot = [
        ("table.name.format", "iot_measurements"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        (
            "pk.fields",
            "timestamp,device_id,connector_mode,component_type,pin_position",
        ),
    ];
    let mut task = task(&database, &iot)?;
    opened(&mut *task, &[0]).await?;
    let object = |day: u8, value: u8| {
        format!(
            r#"{{"timestamp":"2025-01-{day:02}T00:00:00Z","device_id":"d","connector_mode":"m",
            "component_type":"c","pin_position":"-1","value":{value}}}"#
        )
    };
    let objects = [object(1, 1), object(20, 2), object(1, 3)];
    let objects: Vec<_> = objects.iter().map(String::as_str).collect();
    put(&mut *task, &[Maker::default().batch(0, 0, &objects)?]).await?;
    let query = "SELECT concat_ws(' ', timestamp::date, value) FROM iot_measurements ORDER BY 1";
    assert_eq!(
        rows(&database, query).await?,
        ["2025-01-01 3", "2025-01-20 2"]
    );
    Ok(())
}

/// The tables and policies of the example system, as its files make them.
async fn measurements() -> Result<TestDatabase> {
    let database = database("").await?;
    // Each may be run again.
    for _ in 0..2 {
        database.apply("004_iot_measurements.sql").await?;
        database.apply("004b_timescale_policies.sql").await?;
    }
    Ok(database)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_of_the_measurements_are_set_up() -> Result<()> {
    let database = measurements().await?;
    let query = "SELECT time_interval::text FROM timescaledb_information.dimensions \
                 WHERE hypertable_name = 'iot_measurements'";
    assert_eq!(rows(&database, query).await?, ["1 day"]);
    let license = rows(&database, "SELECT current_setting('timescaledb.license')").await?;
    let aggregates = "SELECT view_name::text FROM timescaledb_information.continuous_aggregates \
                      ORDER BY 1";
    let aggregates = rows(&database, aggregates).await?;
    if license == ["apache"] {
        // The rest is told to be missing, and chunks of a day are there all the same.
        assert_eq!(aggregates, [""; 0]);
        return Ok(());
    }
    let names = ["iot_measurements_daily", "iot_measurements_hourly"];
    assert_eq!(aggregates, names);
    let jobs = "SELECT proc_name::text FROM timescaledb_information.jobs \
                WHERE proc_name IN ('policy_compression', 'policy_retention', \
                'policy_refresh_continuous_aggregate') ORDER BY 1";
    let expected = [
        "policy_compression",
        "policy_refresh_continuous_aggregate",
        "policy_refresh_continuous_aggregate",
        "policy_retention",
    ];
    assert_eq!(rows(&database, jobs).await?, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_sum_up_what_the_sink_writes_also_into_compressed_chunks() -> Result<()> {
    let database = measurements().await?;
    let license = rows(&database, "SELECT current_setting('timescaledb.license')").await?;
    if license == ["apache"] {
        return Ok(());
    }
    let options = [
        ("table.name.format", "iot_measurements"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        (
            "pk.fields",
            "timestamp,device_id,connector_mode,component_type,pin_position",
        ),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let message = |minute: u8, value: u8| {
        format!(
            r#"{{"timestamp":"2024-03-01T10:{minute:02}:00Z","device_id":"d","unit":"V","topic":"",
                "connector_mode":"m","component_type":"c","pin_position":"1","value":{value}}}"#
        )
    };
    let first = [message(0, 1), message(30, 2)];
    let first: Vec<_> = first.iter().map(String::as_str).collect();
    put(&mut *task, &[Maker::default().batch(0, 0, &first)?]).await?;
    let compress = "SELECT compress_chunk(c) FROM show_chunks('iot_measurements') c";
    database.execute(compress).await?;
    // A late one, and one that is there already.
    let later = [message(45, 6), message(30, 4)];
    let later: Vec<_> = later.iter().map(String::as_str).collect();
    let refused = put_until(&mut *task, Maker::default().batch(0, 2, &later)?).await?;
    assert_eq!(refused, [0; 0]);
    for view in ["iot_measurements_hourly", "iot_measurements_daily"] {
        let refresh = format!("CALL refresh_continuous_aggregate('{view}', NULL, NULL)");
        database.execute(&refresh).await?;
        let sums = format!(
            "SELECT concat_ws(' ', measurements, value_count, min_value, max_value, \
             round(avg_value::numeric, 3)) FROM {view}"
        );
        assert_eq!(rows(&database, &sums).await?, ["3 3 1 6 3.667"], "{view}");
    }
    Ok(())
}
