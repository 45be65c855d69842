//! `auto.create` and `auto.evolve`: tables from schemas.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{Datum, ErrorKind, Field, Kind, Schema, SinkRecord, Struct, Value};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{
    Maker, Reports, batch, database, opened, put, record, row, rows, stored, task,
};

const BOTH: [(&str, &str); 2] = [("auto.create", "true"), ("auto.evolve", "true")];

fn schema(fields: Vec<Field>) -> Arc<Schema> {
    Arc::new(Schema::new(Kind::Struct(fields)))
}

/// A row of `n`, and of fields with their values.
fn made(offset: i64, n: i64, more: Vec<(Field, Value)>) -> SinkRecord {
    let mut fields = vec![Field::new("n", Schema::new(Kind::Int32))];
    let mut values = vec![Value::Int(n)];
    for (field, value) in more {
        fields.push(field);
        values.push(value);
    }
    row(0, offset, Struct::new(schema(fields), values))
}

fn with_default(kind: Kind, default: Value) -> Schema {
    Schema {
        default: Some(default),
        ..Schema::new(kind)
    }
}

/// What a table is, a line a column.
async fn described(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), \
                 CASE WHEN attnotnull THEN 'required' END, pg_get_expr(adbin, adrelid), \
                 CASE WHEN attnum = ANY(indkey) THEN 'key' END) \
                 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
                 LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary \
                 WHERE attrelid = 'events'::regclass AND attnum > 0 ORDER BY attnum";
    rows(database, query).await
}

/// A row with a field of each kind that has a type of column of its own.
fn every_kind() -> Struct {
    let array = |kind| Kind::Array(Arc::new(Schema::new(kind)));
    let inner = Kind::Struct(vec![Field::new("x", Schema::new(Kind::Int32))]);
    let fields = vec![
        Field::new("small", Schema::new(Kind::Int8)),
        Field::new("id", Schema::new(Kind::Int64)),
        Field::new("at", Schema::optional(Kind::Timestamp)),
        Field::new("real", Schema::new(Kind::Float32)),
        Field::new("amount", Schema::new(Kind::Decimal(Some(2)))),
        Field::new(
            "say \"hi\"",
            with_default(Kind::String, Value::from("it's \\")),
        ),
        Field::new("since", with_default(Kind::Date, Value::Date(1))),
        Field::new("tags", Schema::optional(array(Kind::String))),
        Field::new("parts", Schema::new(array(inner.clone()))),
        Field::new("inner", Schema::new(inner.clone())),
        Field::new("raw", Schema::optional(Kind::Bytes)),
    ];
    let x = Struct::new(Arc::new(Schema::new(inner)), vec![Value::Int(5)]);
    let x = Value::Struct(Box::new(x));
    let values = vec![
        Value::Int(1),
        Value::Int(2),
        Value::Timestamp(0),
        Value::Float(0.5),
        Value::Decimal(Box::new("1.50".parse().unwrap())),
        Value::Null,
        Value::Null,
        Value::Array(vec![Value::from("a")]),
        Value::Array(vec![x.clone()]),
        x,
        Value::Null,
    ];
    Struct::new(schema(fields), values)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_of_the_schema_and_takes_its_rows() -> Result<()> {
    let database = database("").await?;
    let options = [
        ("auto.create", "true"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "id"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let given = row(0, 0, every_kind());
    put(&mut *task, &[batch(0, 0, vec![given])?]).await?;
    assert_eq!(
        described(&database).await?,
        [
            "id bigint required key",
            "small smallint required",
            "at timestamp with time zone",
            "real real required",
            "amount numeric required",
            "say \"hi\" text required 'it''s \\'::text",
            "since date required '1970-01-02'::date",
            "tags text[]",
            "parts jsonb required",
            "inner jsonb required",
            "raw bytea",
        ]
    );
    let landed = rows(&database, "SELECT row_to_json(e)::text FROM events e").await?;
    let landed: serde_json::Value = serde_json::from_str(&landed[0])?;
    let expect = serde_json::json!({
        "small": 1, "id": 2, "at": "1970-01-01T00:00:00+00:00", "real": 0.5, "amount": 1.50,
        "say \"hi\"": "it's \\", "since": "1970-01-02", "tags": ["a"], "parts": [{"x": 5}],
        "inner": {"x": 5}, "raw": null,
    });
    assert_eq!(landed, expect);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_added_as_schemas_grow() -> Result<()> {
    let database = database("").await?;
    let mut task = task(&database, &BOTH)?;
    opened(&mut *task, &[0]).await?;
    let note = || Field::new("note", Schema::optional(Kind::String));
    let level = || Field::new("level", with_default(Kind::Int16, Value::Int(3)));
    // The second shape is new within the batch that creates the table.
    let first = vec![
        made(0, 1, vec![]),
        made(1, 2, vec![(note(), Value::from("x"))]),
    ];
    put(&mut *task, &[batch(0, 0, first)?]).await?;
    let second = vec![
        made(2, 3, vec![(level(), Value::Int(9))]),
        made(3, 4, vec![]),
    ];
    put(&mut *task, &[batch(0, 2, second)?]).await?;
    assert_eq!(
        described(&database).await?,
        [
            "n integer required",
            "note text",
            "level smallint required '3'::smallint"
        ]
    );
    let query = "SELECT concat_ws(' ', n, note, level) FROM events ORDER BY n";
    assert_eq!(
        rows(&database, query).await?,
        ["1 3", "2 x 3", "3 9", "4 3"]
    );

    let required = Field::new("must", Schema::new(Kind::String));
    let given = made(4, 5, vec![(required, Value::from("x"))]);
    // Rows that are there have no value for it. The record is errant, and the task goes on.
    let mut reports = Reports::default();
    task.put(&[batch(0, 4, vec![given])?], &mut reports).await?;
    assert_eq!(reports.offsets(), [4]);
    let text = &reports.errors[0].1;
    assert!(
        text.contains("(must STRING)") && text.contains("optional or have a default"),
        "{text}"
    );
    assert_eq!(stored(&database, 0).await?, Some(5));
    Ok(())
}

/// Fields that no table can have columns for, and what is wrong with them.
fn hostile_fields() -> Vec<(&'static str, Vec<(Field, Value)>)> {
    let text = |name: &str| {
        (
            Field::new(name, Schema::optional(Kind::String)),
            Value::from("x"),
        )
    };
    let late = |kind, name: Option<&str>, default| {
        let schema = Schema {
            name: name.map(Into::into),
            default: Some(default),
            ..Schema::optional(kind)
        };
        (Field::new("late", schema), Value::Null)
    };
    vec![
        ("too long", vec![text(&"x".repeat(64))]),
        ("empty", vec![text("")]),
        ("NUL", vec![text("a\0b")]),
        ("twice", vec![text("two"), text("two")]),
        (
            "a day that there is not",
            vec![late(
                Kind::String,
                Some("io.debezium.time.IsoDate"),
                Value::from("2024-02-31"),
            )],
        ),
        (
            "no JSON",
            vec![late(
                Kind::String,
                Some("io.debezium.data.Json"),
                Value::from("{"),
            )],
        ),
        (
            "required",
            vec![(
                Field::new("must", Schema::new(Kind::String)),
                Value::from("x"),
            )],
        ),
    ]
}

/// A record cannot stop the others by a schema that no table can have.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_postgres_refuses_is_its_records_fault() -> Result<()> {
    for (what, fields) in hostile_fields() {
        // First for a table that is there, and then for one that is not.
        for first in [vec![made(0, 1, vec![])], vec![]] {
            let is_missing = first.is_empty();
            if is_missing && what == "required" {
                continue;
            }
            let database = database("").await?;
            let mut task = task(&database, &BOTH)?;
            opened(&mut *task, &[0]).await?;
            let begin = first.len() as i64;
            if !is_missing {
                put(&mut *task, &[batch(0, 0, first)?]).await?;
            }
            let given = vec![
                made(begin, 2, fields.clone()),
                made(begin + 1, 3, fields.clone()),
                made(begin + 2, 4, vec![]),
            ];
            let mut reports = Reports::default();
            task.put(&[batch(0, begin, given)?], &mut reports)
                .await
                .map_err(|error| anyhow::anyhow!("{what}, missing {is_missing}: {error:?}"))?;
            assert_eq!(reports.offsets(), [begin, begin + 1], "{what}");
            let query = "SELECT n::text FROM events WHERE n = 4";
            assert_eq!(rows(&database, query).await?, ["4"], "{what}");
            assert_eq!(stored(&database, 0).await?, Some(begin + 3));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_dropped_is_made_again() -> Result<()> {
    let database = database("").await?;
    let mut task = task(&database, &BOTH)?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[batch(0, 0, vec![made(0, 1, vec![])])?]).await?;
    database.execute("DROP TABLE events").await?;
    put(&mut *task, &[batch(0, 1, vec![made(1, 2, vec![])])?]).await?;
    assert_eq!(rows(&database, "SELECT n::text FROM events").await?, ["2"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_may_define_a_table_at_once() -> Result<()> {
    let database = database("").await?;
    let mut tasks = Vec::new();
    for number in 0..4 {
        let mut task = task(&database, &BOTH)?;
        opened(&mut *task, &[number]).await?;
        let fields = vec![
            Field::new("n", Schema::optional(Kind::Int32)),
            Field::new(format!("f{number}"), Schema::optional(Kind::Int32)),
        ];
        let shape = schema(fields);
        tasks.push(tokio::spawn(async move {
            for offset in 0..3 {
                let values = vec![Value::Int(offset), Value::Int(offset)];
                let given = row(number, offset, Struct::new(Arc::clone(&shape), values));
                let batch = batch(number, offset, vec![given])?;
                // The worker repeats what fails for a moment.
                while let Err(error) = task
                    .put(std::slice::from_ref(&batch), &mut Reports::default())
                    .await
                {
                    anyhow::ensure!(error.kind() == ErrorKind::Retriable, "{}", error.chain());
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let query = "SELECT concat_ws(' ', count(f0), count(f1), count(f2), count(f3)) FROM events";
    assert_eq!(rows(&database, query).await?, ["3 3 3 3"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_schema_define_nothing() -> Result<()> {
    let database = database("").await?;
    let mut task = task(&database, &BOTH)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let error = put(&mut *task, &[maker.batch(0, 0, &[r#"{"n":1}"#])?])
        .await
        .expect_err("there is no table");
    let text = format!("{error:?}");
    assert!(text.contains("without a schema"), "{text}");

    let mut task = self::task(&database, &BOTH)?;
    opened(&mut *task, &[0]).await?;
    // A record that tells the types creates the table for all.
    let mixed = vec![maker.record(0, 0, r#"{"n":1}"#)?, made(1, 2, vec![])];
    put(&mut *task, &[batch(0, 0, mixed)?]).await?;
    let mut reports = Reports::default();
    let more = maker.batch(0, 2, &[r#"{"n":3,"more":1}"#, r#"{"n":4}"#])?;
    task.put(&[more], &mut reports).await?;
    assert_eq!(reports.offsets(), [2]);
    assert!(
        reports.errors[0]
            .1
            .contains("only for fields with a schema")
    );
    let query = "SELECT n::text FROM events ORDER BY n";
    assert_eq!(rows(&database, query).await?, ["1", "2", "4"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_before_the_first_row_need_no_table() -> Result<()> {
    let database = database("").await?;
    let options = [
        ("auto.create", "true"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("delete.enabled", "true"),
    ];
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let key = || Datum::new(Schema::new(Kind::String), Value::from("k"));
    let mut delete = record(0, 0, Datum::NULL);
    delete.record.key = key();
    put(&mut *task, &[batch(0, 0, vec![delete])?]).await?;
    assert_eq!(stored(&database, 0).await?, Some(1));
    let mut write = made(1, 7, vec![]);
    write.record.key = key();
    let keyless = made(2, 8, vec![]);
    let mut reports = Reports::default();
    task.put(&[batch(0, 1, vec![write, keyless])?], &mut reports)
        .await?;
    assert_eq!(reports.offsets(), [2]);
    assert_eq!(
        described(&database).await?,
        ["id text required key", "n integer required"]
    );
    assert_eq!(
        rows(&database, "SELECT concat_ws(' ', id, n) FROM events").await?,
        ["k 7"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_becomes_a_key() -> Result<()> {
    let database = database("").await?;
    let mut task = task(&database, &[("auto.create", "true"), ("pk.mode", "kafka")])?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[batch(0, 0, vec![made(0, 1, vec![])])?]).await?;
    assert_eq!(
        described(&database).await?,
        [
            "__connect_topic text required key",
            "__connect_partition integer required key",
            "__connect_offset bigint required key",
            "n integer required"
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_is_the_default_unless_told_otherwise() -> Result<()> {
    for (replaces, expect) in [("true", "3"), ("false", "null")] {
        let database = database("CREATE TABLE events (n int, level smallint)").await?;
        let mut task = task(&database, &[("replace.null.with.default", replaces)])?;
        opened(&mut *task, &[0]).await?;
        let level = Schema {
            default: Some(Value::Int(3)),
            ..Schema::optional(Kind::Int16)
        };
        let given = made(0, 1, vec![(Field::new("level", level), Value::Null)]);
        put(&mut *task, &[batch(0, 0, vec![given])?]).await?;
        assert_eq!(
            rows(&database, "SELECT level::text FROM events").await?,
            [expect]
        );
    }
    Ok(())
}
