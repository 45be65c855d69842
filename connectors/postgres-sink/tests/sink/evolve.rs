//! Tables that grow with their schemas, and tables of unusual kinds.

use anyhow::Result;
use connect_api::{Field, Kind, Schema, SinkRecord, Struct, Value};

use crate::fixture::{Maker, batch, database, opened, put, record, row, rows, task};

fn given(offset: i64, fields: Vec<(&str, Schema, Value)>) -> SinkRecord {
    let (fields, values): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .map(|(name, schema, value)| (Field::new(name, schema), value))
        .unzip();
    let schema = Schema::new(Kind::Struct(fields));
    row(0, offset, Struct::new(schema.into(), values))
}

fn optional(kind: Kind) -> Schema {
    let mut schema = Schema::new(kind);
    schema.optional = true;
    schema
}

async fn columns(database: &harness_postgres::postgres::TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT attname || ' ' || format_type(atttypid, atttypmod) || \
                 CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END \
                 FROM pg_attribute WHERE attrelid = 'events'::regclass AND attnum > 0 \
                 ORDER BY attnum";
    rows(database, query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_became_optional_frees_its_column() -> Result<()> {
    let table = "CREATE TABLE events (k int PRIMARY KEY, v int NOT NULL, w int NOT NULL)";
    let database = database(table).await?;
    let options = [
        ("auto.evolve", "true"),
        ("pk.mode", "record_value"),
        ("pk.fields", "k"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let first = given(
        0,
        vec![
            ("k", optional(Kind::Int32), Value::Int(1)),
            ("v", optional(Kind::Int32), Value::Null),
            ("w", Schema::new(Kind::Int32), Value::Int(3)),
        ],
    );
    put(&mut *task, &[batch(0, 0, vec![first])?]).await?;
    assert_eq!(
        columns(&database).await?,
        ["k integer NOT NULL", "v integer", "w integer NOT NULL"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_widen_where_it_is_asked_for() -> Result<()> {
    let table = "CREATE TABLE events (a smallint, b int, c real, d varchar(3), e varchar(3))";
    let text = || {
        let mut schema = Schema::new(Kind::String);
        let length = "__debezium.source.column.length";
        schema.parameters.push((length.into(), "5".into()));
        schema
    };
    let wide = |offset| {
        given(
            offset,
            vec![
                ("a", Schema::new(Kind::Int32), Value::Int(7)),
                ("b", Schema::new(Kind::Int64), Value::Int(7)),
                ("c", Schema::new(Kind::Float64), Value::Float(0.5)),
                ("d", text(), Value::from("abc")),
                ("e", Schema::new(Kind::String), Value::from("abc")),
            ],
        )
    };
    let before = [
        "a smallint",
        "b integer",
        "c real",
        "d character varying(3)",
        "e character varying(3)",
    ];
    let after = [
        "a integer",
        "b bigint",
        "c double precision",
        "d character varying(5)",
        "e character varying(3)",
    ];
    let database = database(table).await?;
    for (offset, widen, expect) in [(0, "false", before), (1, "true", after)] {
        let options = [("auto.evolve", "true"), ("auto.evolve.widen", widen)];
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        put(&mut *task, &[batch(0, offset, vec![wide(offset)])?]).await?;
        let found = columns(&database).await?;
        let found: Vec<_> = found
            .iter()
            .map(|column| column.trim_end_matches(" NOT NULL"))
            .collect();
        assert_eq!(found, expect);
        task.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_others_depend_on_stays_as_it_is() -> Result<()> {
    let table = "CREATE TABLE events (a smallint); CREATE VIEW v AS SELECT a FROM events";
    let database = database(table).await?;
    let options = [("auto.evolve", "true"), ("auto.evolve.widen", "true")];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let first = given(0, vec![("a", Schema::new(Kind::Int32), Value::Int(7))]);
    put(&mut *task, &[batch(0, 0, vec![first])?]).await?;
    assert_eq!(columns(&database).await?, ["a smallint"]);
    assert_eq!(database.count("events").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_tables_take_rows_and_merges() -> Result<()> {
    let table = "CREATE TABLE events (k int, day date, v text, PRIMARY KEY (k, day)) \
                 PARTITION BY RANGE (day); \
        CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');\
        CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')";
    for mode in ["insert", "insert_ignore", "upsert", "update"] {
        let database = database(table).await?;
        database
            .execute("INSERT INTO events VALUES (1, '2024-01-05', 'old')")
            .await?;
        let options = [
            ("insert.mode", mode),
            ("pk.mode", "record_value"),
            ("pk.fields", "k,day"),
        ];
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let objects = [
            r#"{"k":2,"day":"2024-02-05","v":"new"}"#,
            // No partition is for that day.
            r#"{"k":3,"day":"2025-02-05","v":"new"}"#,
            r#"{"k":1,"day":"2024-01-05","v":"new"}"#,
        ];
        let mut reports = crate::fixture::Reports::default();
        let given = Maker::default().batch(0, 0, &objects)?;
        task.put(&[given], &mut reports).await?;
        let found = rows(
            &database,
            "SELECT concat_ws(' ', tableoid::regclass, k, v) FROM events ORDER BY k",
        )
        .await?;
        let (expect, refused): (&[&str], &[i64]) = match mode {
            "insert" => (&["events_1 1 old", "events_2 2 new"], &[1, 2]),
            "insert_ignore" => (&["events_1 1 old", "events_2 2 new"], &[1]),
            "upsert" => (&["events_1 1 new", "events_2 2 new"], &[1]),
            _ => (&["events_1 1 new"], &[]),
        };
        assert_eq!(found, expect, "{mode}");
        assert_eq!(reports.offsets(), refused, "{mode}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_no_unique_index_says_what_to_do() -> Result<()> {
    let table = "CREATE TABLE events (k int, day date, PRIMARY KEY (k, day)) \
                 PARTITION BY RANGE (day)";
    let database = database(table).await?;
    let options = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "k"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let given = Maker::default().batch(0, 0, &[r#"{"k":2,"day":"2024-02-05"}"#])?;
    let refused = task
        .put(&[given], &mut crate::fixture::Reports::default())
        .await;
    let text = refused.expect_err("there is no such index").to_string();
    assert!(
        text.contains("partitioning columns: add them to pk.fields"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_go_to_their_tables_in_one_transaction() -> Result<()> {
    let database = database(
        "CREATE SCHEMA raw; CREATE TABLE raw.\"Odd.Table\" (n int); CREATE TABLE raw.b (n int)",
    )
    .await?;
    let options = [(
        "topics.to.tables.mapping",
        "events:raw.\"Odd.Table\", other:raw.b",
    )];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for offset in 0..6_i64 {
        let mut one = maker.record(0, offset, &format!(r#"{{"n":{offset}}}"#))?;
        if offset % 2 == 1 {
            one.record.topic = "other".into();
        }
        records.push(one);
    }
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    let query = "SELECT concat_ws(' ', a.n, b.n, a.xmin = b.xmin) \
                 FROM raw.\"Odd.Table\" a JOIN raw.b ON b.n = a.n + 1 ORDER BY a.n";
    assert_eq!(rows(&database, query).await?, ["0 1 t", "2 3 t", "4 5 t"]);
    // What is no row is refused by itself.
    let odd = record(0, 6, connect_api::Datum::schemaless(Value::Int(1)));
    let mut reports = crate::fixture::Reports::default();
    task.put(&[batch(0, 6, vec![odd])?], &mut reports).await?;
    assert_eq!(reports.offsets(), [6]);
    Ok(())
}

/// The same evolution with a schema and without one: the rows that fit land, the others are errant.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_evolved_are_errant_with_a_schema_as_without_one() -> Result<()> {
    let table = "CREATE TABLE events (k int PRIMARY KEY, v int)";
    let keyed = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "k"),
    ];
    let int = || Schema::new(Kind::Int32);
    for evolves in ["false", "true"] {
        let with_schema = [
            vec![("k", int(), Value::Int(1)), ("v", int(), Value::Int(1))],
            // Neither optional nor has it a default: no column can be added for it.
            vec![("k", int(), Value::Int(2)), ("w", int(), Value::Int(1))],
            // The key is gone.
            vec![("v", int(), Value::Int(1))],
            vec![("k", int(), Value::Int(3)), ("v", int(), Value::Int(1))],
        ];
        let with_schema: Vec<_> = (0..)
            .zip(with_schema)
            .map(|(at, row)| given(at, row))
            .collect();
        let without = [
            r#"{"k":1,"v":1}"#,
            r#"{"k":2,"w":1}"#,
            r#"{"v":1}"#,
            r#"{"k":3,"v":1}"#,
        ];
        let batches = [
            batch(0, 0, with_schema)?,
            Maker::default().batch(0, 0, &without)?,
        ];
        for given in batches {
            let database = database(table).await?;
            let options = [&keyed[..], &[("auto.evolve", evolves)]].concat();
            let mut task = task(&database, &options)?;
            opened(&mut *task, &[0]).await?;
            let mut reports = crate::fixture::Reports::default();
            task.put(&[given], &mut reports).await?;
            assert_eq!(reports.offsets(), [1, 2], "{:?}", reports.errors);
            let found = rows(&database, "SELECT k::text FROM events ORDER BY k").await?;
            assert_eq!(found, ["1", "3"]);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logical_time_in_an_integer_column_is_the_number_that_it_is_in_connect() -> Result<()> {
    let table = "CREATE TABLE events (at bigint, day int, clock int, days bigint, finer bigint)";
    let database = database(table).await?;
    let moment = |offset, finer| {
        given(
            offset,
            vec![
                (
                    "at",
                    Schema::new(Kind::Timestamp),
                    Value::Timestamp(1_736_173_800_123_000),
                ),
                ("day", Schema::new(Kind::Date), Value::Date(-1)),
                ("clock", Schema::new(Kind::Time), Value::Time(3_723_004_000)),
                ("days", Schema::new(Kind::Date), Value::Date(20_000)),
                (
                    "finer",
                    Schema::new(Kind::Timestamp),
                    Value::Timestamp(finer),
                ),
            ],
        )
    };
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut reports = crate::fixture::Reports::default();
    // A millisecond cannot hold a microsecond, and says so.
    let records = vec![moment(0, -1_000), moment(1, -1)];
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    let found = rows(
        &database,
        "SELECT concat_ws(' ', at, day, clock, days, finer) FROM events",
    );
    assert_eq!(found.await?, ["1736173800123 -1 3723004 20000 -1"]);
    assert_eq!(reports.offsets(), [1]);
    assert!(
        reports.errors[0].1.contains("timestamp.excess.digits"),
        "{:?}",
        reports.errors
    );
    Ok(())
}
