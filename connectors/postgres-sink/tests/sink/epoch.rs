//! Integers that count from 1970 on, by the option and by the schema.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{Field, Kind, Schema, Struct, Value};

use crate::fixture::{Maker, Reports, batch, database, opened, put, row, rows, task};

const TABLE: &str = "CREATE TABLE events (id bigserial, at timestamptz, local timestamp, day date)";

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_is_an_option() -> Result<()> {
    let mut maker = Maker::default();
    for (unit, number) in [
        ("seconds", 86_400_i64),
        ("milliseconds", 86_400_000),
        ("microseconds", 86_400_000_000),
    ] {
        let database = database(TABLE).await?;
        let mut task = task(&database, &[("timestamp.epoch.unit", unit)])?;
        opened(&mut *task, &[0]).await?;
        let object = format!(r#"{{"at":{number},"local":{number},"day":{number}}}"#);
        put(&mut *task, &[maker.batch(0, 0, &[&object])?]).await?;
        let query = "SELECT concat_ws(', ', at AT TIME ZONE 'UTC', local, day) FROM events";
        assert_eq!(
            rows(&database, query).await?,
            ["1970-01-02 00:00:00, 1970-01-02 00:00:00, 1970-01-02"]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_unit_an_integer_is_refused() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[("timestamp.epoch.unit", "error")])?;
    opened(&mut *task, &[0]).await?;
    let mut reports = Reports::default();
    let given = Maker::default().batch(0, 0, &[r#"{"at":1}"#, r#"{"at":null}"#])?;
    task.put(&[given], &mut reports).await?;
    assert_eq!(reports.offsets(), [0]);
    let (_, text) = &reports.errors[0];
    assert!(
        text.ends_with(
            "column at of type timestamp with time zone cannot take a value of type integer"
        ),
        "{text}"
    );
    assert_eq!(database.count("events").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_says_what_is_counted() -> Result<()> {
    let database = database(TABLE).await?;
    // The option is not for schemas that name their unit.
    let mut task = task(&database, &[("timestamp.epoch.unit", "seconds")])?;
    opened(&mut *task, &[0]).await?;
    let named = |kind, name| Schema::new(kind).named(name);
    let fields = vec![
        Field::new("at", Schema::new(Kind::Int64)),
        Field::new(
            "local",
            named(Kind::Int64, "io.debezium.time.MicroTimestamp"),
        ),
        Field::new("day", named(Kind::Int32, "io.debezium.time.Date")),
    ];
    let schema = Arc::new(Schema::new(Kind::Struct(fields)));
    let values = vec![Value::Int(60), Value::Int(61_000_000), Value::Int(1)];
    let given = row(0, 0, Struct::new(schema, values));
    put(&mut *task, &[batch(0, 0, vec![given])?]).await?;
    let query = "SELECT concat_ws(', ', at AT TIME ZONE 'UTC', local, day) FROM events";
    assert_eq!(
        rows(&database, query).await?,
        ["1970-01-01 00:01:00, 1970-01-01 00:01:01, 1970-01-02"]
    );

    // An INT32 counts nothing unless its schema says so; neither does an unknown logical type.
    for schema in [
        Schema::new(Kind::Int32),
        named(Kind::Int64, "io.debezium.time.NanoTimestamp"),
    ] {
        let schema = Schema::new(Kind::Struct(vec![Field::new("at", schema)]));
        let given = row(0, 1, Struct::new(Arc::new(schema), vec![Value::Int(1)]));
        let mut reports = Reports {
            refuses: true,
            ..Reports::default()
        };
        let refused = task.put(&[batch(0, 1, vec![given])?], &mut reports).await;
        let error = refused.expect_err("it is no epoch");
        assert!(error.to_string().contains("column at of type"), "{error}");
    }
    Ok(())
}
