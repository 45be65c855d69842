//! `db.timezone`: what columns without a time zone hold of points in time.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{Datum, Field, Kind, Schema, Struct, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{Maker, batch, database, nested, opened, put, row, rows, task};
use crate::types::{one, put_rows};

const SECOND: i64 = 1_000_000;
const PARIS: (&str, &str) = ("db.timezone", "Europe/Paris");
const NEW_YORK: (&str, &str) = ("db.timezone", "America/New_York");

/// 2024-03-31T01:00:00Z: clocks of Paris go from 02:00 to 03:00.
const GAP: i64 = 1_711_846_800 * SECOND;
/// 2024-10-27T01:00:00Z: clocks of Paris go from 03:00 to 02:00.
const OVERLAP: i64 = 1_729_990_800 * SECOND;

/// A row of one field with a schema.
fn typed(schema: Schema, value: Value) -> Datum {
    let schema = Kind::Struct(vec![Field::new("c", schema)]);
    Datum::row(Struct::new(Arc::new(Schema::new(schema)), vec![value]))
}

/// Rows of a column, with what it holds then.
type Cases = Vec<(Datum, &'static str)>;

async fn check(column: &str, options: &[(&str, &str)], cases: Cases) -> Result<()> {
    let database = database("").await?;
    let given = cases.iter().map(|(row, _)| row.clone()).collect();
    let outcomes = put_rows(&database, column, options, given).await?;
    for ((row, expect), outcome) in cases.iter().zip(outcomes) {
        match outcome {
            Ok(text) => assert_eq!(text, *expect, "{column} with {options:?}: {row:?}"),
            Err(text) => assert!(text.contains(expect), "{column}, {row:?}: {text}"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_shows_points_in_time_as_the_clocks_of_its_zone_do() -> Result<()> {
    let debezium = |name: &str| Schema::new(Kind::Int64).named(format!("io.debezium.time.{name}"));
    let stamp = |micros: i64| one(Value::Timestamp(micros));
    let text = |text: &str| one(Value::from(text));
    let cases = vec![
        (stamp(0), "1970-01-01 01:00:00"),
        // There is no second between these.
        (stamp(GAP - 1), "2024-03-31 01:59:59.999999"),
        (stamp(GAP), "2024-03-31 03:00:00"),
        // An hour apart, and nothing tells them apart.
        (stamp(OVERLAP - 1), "2024-10-27 02:59:59.999999"),
        (stamp(OVERLAP), "2024-10-27 02:00:00"),
        (stamp(OVERLAP - 3600 * SECOND), "2024-10-27 02:00:00"),
        (
            typed(Schema::new(Kind::Timestamp), Value::Timestamp(GAP)),
            "2024-03-31 03:00:00",
        ),
        // Before there were zones.
        (stamp(-4_000_000_000 * SECOND), "1843-03-31 17:02:41"),
        (one(Value::Int(GAP / 1000)), "2024-03-31 03:00:00"),
        (
            typed(Schema::new(Kind::Int64), Value::Int(GAP / 1000)),
            "2024-03-31 03:00:00",
        ),
        (text("2024-07-14T12:00:00Z"), "2024-07-14 14:00:00"),
        (text("2024-07-14T12:00:00-04:00"), "2024-07-14 18:00:00"),
        // These are no points in time.
        (text("2024-03-31 02:30:00"), "2024-03-31 02:30:00"),
        (text("2024-07-14"), "2024-07-14 00:00:00"),
        (
            typed(debezium("MicroTimestamp"), Value::Int(GAP)),
            "2024-03-31 01:00:00",
        ),
        (
            typed(debezium("Timestamp"), Value::Int(GAP / 1000)),
            "2024-03-31 01:00:00",
        ),
        (stamp(i64::MAX), "that far away"),
        (stamp(i64::MIN), "that far away"),
    ];
    check("timestamp", &[PARIS], cases).await?;
    let cases = vec![
        (stamp(GAP), "2024-03-31 01:00:00+00"),
        (one(Value::Int(GAP / 1000)), "2024-03-31 01:00:00+00"),
        (text("2024-03-31 02:30:00"), "2024-03-31 02:30:00+00"),
    ];
    check("timestamptz", &[PARIS], cases).await?;
    let array = one(nested("[1711846800000, null]"));
    check(
        "timestamp[]",
        &[PARIS],
        vec![(array, "{\"2024-03-31 03:00:00\",NULL}")],
    )
    .await?;
    let offset = ("db.timezone", "-09:30");
    check(
        "timestamp",
        &[offset],
        vec![(stamp(0), "1969-12-31 14:30:00")],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_is_a_midnight_of_utc_and_a_time_one_of_the_first_day() -> Result<()> {
    let debezium = |name: &str| Schema::new(Kind::Int32).named(format!("io.debezium.time.{name}"));
    let date = |days: i32| one(Value::Date(days));
    let midnight = |millis: i64| one(Value::Int(millis));
    let cases = vec![
        (date(1), "1970-01-01"),
        (date(19_782), "2024-02-28"),
        (midnight(1_709_182_800_000), "2024-02-29"),
        (midnight(1_709_164_800_000), "not midnight in the time zone"),
        (one(Value::from("2024-02-29")), "2024-02-29"),
        (typed(debezium("Date"), Value::Int(19_782)), "2024-02-29"),
        (date(i32::MAX), "that far away"),
    ];
    check("date", &[NEW_YORK], cases).await?;
    let cases = vec![(date(1), "1970-01-02")];
    check("date", &[PARIS], cases).await?;
    let cases = vec![
        (date(1), "1970-01-02"),
        (midnight(1_709_164_800_000), "2024-02-29"),
    ];
    check("date", &[NEW_YORK, ("date.timezone", "UTC")], cases).await?;
    let time = |seconds: i64| one(Value::Time(seconds * SECOND));
    let cases = vec![
        (time(0), "19:00:00"),
        (time(18_000), "00:00:00"),
        (time(86_400), "19:00:00"),
        (time(-1), "more than a day"),
        (time(86_401), "more than a day"),
        (one(Value::from("12:34:56")), "12:34:56"),
        (typed(debezium("Time"), Value::Int(1000)), "00:00:01"),
    ];
    check("time", &[NEW_YORK], cases).await?;
    check("timetz", &[NEW_YORK], vec![(time(0), "00:00:00+00")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_shown_as_the_values_are() -> Result<()> {
    let database = database("").await?;
    let options = [
        NEW_YORK,
        ("auto.create", "true"),
        ("replace.null.with.default", "false"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let with_default = |kind: Kind, default: Value| Schema {
        default: Some(default),
        optional: true,
        ..Schema::new(kind)
    };
    let fields = vec![
        Field::new("n", Schema::new(Kind::Int32)),
        Field::new("d", with_default(Kind::Date, Value::Date(1))),
        Field::new("t", with_default(Kind::Time, Value::Time(0))),
        Field::new("at", with_default(Kind::Timestamp, Value::Timestamp(0))),
    ];
    let schema = Arc::new(Schema::new(Kind::Struct(fields)));
    let values = vec![
        Value::Int(1),
        Value::Date(1),
        Value::Time(0),
        Value::Timestamp(0),
    ];
    let records = vec![row(0, 0, Struct::new(schema, values))];
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    let others = Maker::default().batch(0, 1, &[r#"{"n": 2}"#])?;
    put(&mut *task, &[others]).await?;
    task.stop().await;
    let shown = "SELECT DISTINCT concat_ws(' ', d, t, at) FROM events";
    assert_eq!(
        rows(&database, shown).await?,
        ["1970-01-01 19:00:00 1970-01-01 00:00:00+00"]
    );
    assert_eq!(database.count("events").await?, 2);
    Ok(())
}

#[test]
fn any_timestamp_is_shown_as_postgres_itself_shows_it() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let database =
        runtime.block_on(database("CREATE TABLE events (c timestamp, d timestamptz)"))?;
    let zones = [
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Africa/Casablanca",
    ];
    // The years 1 to 9999, and those that people see most.
    let range = -62_135_596_800_i64..253_402_300_800;
    let seconds = prop_oneof![range, 0..2_200_000_000_i64];
    let micros = (seconds, 0..SECOND).prop_map(|(seconds, micros)| seconds * SECOND + micros);
    let batches = (
        proptest::sample::select(zones.to_vec()),
        proptest::collection::vec(micros, 1..300),
    );
    let field = |name: &str| Field::new(name, Schema::new(Kind::Timestamp));
    let schema = Arc::new(Schema::new(Kind::Struct(vec![field("c"), field("d")])));
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&batches, |(zone, micros)| {
        let checked = async {
            database
                .execute("TRUNCATE events; DROP TABLE IF EXISTS ferrule.offsets")
                .await?;
            let mut task = task(&database, &[("db.timezone", zone)])?;
            opened(&mut *task, &[0]).await?;
            let records = (0..).zip(&micros).map(|(offset, &micros)| {
                let values = vec![Value::Timestamp(micros), Value::Timestamp(micros)];
                row(0, offset, Struct::new(Arc::clone(&schema), values))
            });
            put(&mut *task, &[batch(0, 0, records.collect())?]).await?;
            task.stop().await;
            let others = format!(
                "SELECT concat_ws(' ', c, d) FROM events WHERE c <> d AT TIME ZONE '{zone}'"
            );
            rows(&database, &others).await
        };
        let others = runtime.block_on(checked);
        let others = others.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(others, Vec::<String>::new(), "{}", zone);
        Ok(())
    })?;
    Ok(())
}
