//! Whole change events of Debezium's sources, by the rules of Debezium's JDBC sink.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{Datum, Field, Kind, Schema, SinkRecord, SinkTask, Struct, Value};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{Reports, batch, database, opened, put, record, rows, stored, task};

const CLASS: (&str, &str) = (
    "connector.class",
    "io.debezium.connector.jdbc.JdbcSinkConnector",
);

/// The options of the class, for upserts by the key.
const UPSERT: [(&str, &str); 4] = [
    CLASS,
    ("insert.mode", "upsert"),
    ("primary.key.mode", "record_key"),
    ("schema.evolution", "basic"),
];

/// The schemas of one table of a source, which its events share.
struct Source {
    key: Arc<Schema>,
    row: Arc<Schema>,
    source: Arc<Schema>,
    event: Arc<Schema>,
    table: &'static str,
}

impl Source {
    fn new(name: Option<&str>, table: &'static str) -> Self {
        let field = |name: &str, schema: Schema| Field::new(name, schema);
        let row = vec![
            field("Id", Schema::new(Kind::Int32)),
            field("FullName", Schema::optional(Kind::String)),
        ];
        let key = vec![field("Id", Schema::new(Kind::Int32))];
        let source = vec![
            field("schema", Schema::new(Kind::String)),
            field("table", Schema::new(Kind::String)),
        ];
        let row = Schema::optional(Kind::Struct(row)).named("s.Value");
        let source = Schema::new(Kind::Struct(source));
        let event = Schema::new(Kind::Struct(vec![
            field("before", row.clone()),
            field("after", row.clone()),
            field("source", source.clone()),
            field("op", Schema::new(Kind::String)),
        ]));
        let event = match name {
            Some(name) => event.named(name),
            None => event,
        };
        Self {
            key: Arc::new(Schema::new(Kind::Struct(key))),
            row: Arc::new(row),
            source: Arc::new(source),
            event: Arc::new(event),
            table,
        }
    }

    fn row(&self, id: i64, name: &str) -> Value {
        let values = vec![Value::Int(id), Value::from(name)];
        Value::Struct(Box::new(Struct::new(Arc::clone(&self.row), values)))
    }

    fn keyed(&self, offset: i64, id: i64, value: Datum) -> SinkRecord {
        let mut record = record(0, offset, value);
        record.record.topic = "server.Raw.Customers".into();
        record.record.key = Datum::row(Struct::new(Arc::clone(&self.key), vec![Value::Int(id)]));
        record
    }

    /// An event; the name is that of the row after it, or before a delete.
    fn event(&self, offset: i64, op: &str, id: i64, name: &str) -> SinkRecord {
        let source = vec![Value::from("raw"), Value::from(self.table)];
        let source = Struct::new(Arc::clone(&self.source), source);
        let row = || self.row(id, name);
        let (before, after) = match op {
            "d" => (row(), Value::Null),
            "t" => (Value::Null, Value::Null),
            _ => (Value::Null, row()),
        };
        let values = vec![
            before,
            after,
            Value::Struct(Box::new(source)),
            Value::from(op),
        ];
        let event = Datum::row(Struct::new(Arc::clone(&self.event), values));
        let mut record = self.keyed(offset, id, event);
        if op == "t" {
            record.record.key = Datum::NULL;
        }
        record
    }

    fn tombstone(&self, offset: i64, id: i64) -> SinkRecord {
        self.keyed(offset, id, Datum::NULL)
    }
}

async fn names(database: &TestDatabase, table: &str) -> Result<Vec<String>> {
    let query = format!("SELECT id || ' ' || coalesce(fullname, '-') FROM {table} ORDER BY id");
    rows(database, &query).await
}

/// Puts the records in one batch, or each in a batch of its own.
async fn put_in(task: &mut dyn SinkTask, records: &[SinkRecord], size: usize) -> Result<()> {
    for chunk in records.chunks(size) {
        let first = chunk[0].origin.offset.0;
        put(task, &[batch(0, first, chunk.to_vec())?]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_write_their_rows_and_delete_them() -> Result<()> {
    for name in [Some("s.Envelope"), None] {
        for size in [1, 100] {
            let database = database("SELECT").await?;
            let options = [&UPSERT[..], &[("delete.enabled", "true")]].concat();
            let mut task = task(&database, &options)?;
            opened(&mut *task, &[0]).await?;
            let source = Source::new(name, "customers");
            let records = [
                source.tombstone(0, 9),
                source.event(1, "c", 1, "Ann"),
                source.event(2, "r", 2, "Bob"),
                source.event(3, "u", 1, "Ann B"),
                source.event(4, "d", 2, "Bob"),
                source.tombstone(5, 2),
                source.event(6, "c", 3, "Cid"),
                source.event(7, "d", 3, "Cid"),
                source.event(8, "c", 3, "Cid II"),
            ];
            put_in(&mut *task, &records, size).await?;
            let expect = ["1 Ann B", "3 Cid II"];
            assert_eq!(names(&database, "server_raw_customers").await?, expect);
            let columns = "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM \
                 information_schema.columns WHERE table_name = 'server_raw_customers'";
            assert_eq!(rows(&database, columns).await?, ["id,fullname"]);
            assert_eq!(stored(&database, 0).await?, Some(9));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_that_are_off_are_passed_over_in_each_key_mode() -> Result<()> {
    for mode in [
        &[("primary.key.mode", "record_key")] as &[_],
        &[
            ("primary.key.mode", "record_value"),
            ("primary.key.fields", "Id"),
        ],
        &[("primary.key.mode", "none")],
        &[("primary.key.mode", "kafka")],
    ] {
        let database = database("CREATE TABLE keep (id int, fullname text)").await?;
        let evolves = [CLASS, ("schema.evolution", "basic")];
        let mut task = task(&database, &[&evolves[..], mode].concat())?;
        opened(&mut *task, &[0]).await?;
        let source = Source::new(Some("s.Envelope"), "customers");
        let records = [
            source.event(0, "d", 7, "gone"),
            source.event(1, "t", 0, ""),
            source.tombstone(2, 7),
            source.event(3, "c", 1, "Ann"),
            source.event(4, "d", 1, "Ann"),
            source.tombstone(5, 1),
            source.event(6, "t", 0, ""),
        ];
        put_in(&mut *task, &records, 100).await?;
        let rows = names(&database, "server_raw_customers").await?;
        assert_eq!(rows, ["1 Ann"], "{mode:?}");
        assert_eq!(stored(&database, 0).await?, Some(7));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_empties_its_table_where_it_stands() -> Result<()> {
    for size in [1, 100] {
        let database = database("SELECT").await?;
        let options = [&UPSERT[..], &[("truncate.enabled", "true")]].concat();
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let source = Source::new(Some("s.Envelope"), "customers");
        let records = [
            // There is no table yet.
            source.event(0, "t", 0, ""),
            source.event(1, "c", 1, "Ann"),
            source.event(2, "c", 2, "Bob"),
            source.event(3, "t", 0, ""),
            source.event(4, "c", 2, "Bob II"),
            source.event(5, "c", 3, "Cid"),
        ];
        put_in(&mut *task, &records, size).await?;
        let expect = ["2 Bob II", "3 Cid"];
        assert_eq!(names(&database, "server_raw_customers").await?, expect);
        assert_eq!(stored(&database, 0).await?, Some(6));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_named_by_the_source_of_each_event() -> Result<()> {
    let database = database("CREATE SCHEMA raw").await?;
    let format = (
        "collection.name.format",
        "${source.schema}.T_${source.table}",
    );
    let options = [&UPSERT[..], &[format, ("delete.enabled", "true")]].concat();
    let mut task = task(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let one = Source::new(Some("s.Envelope"), "One");
    let mut two = Source::new(Some("s.Envelope"), "Two");
    // Of the same schemas, as by logical table routing.
    two.event = Arc::clone(&one.event);
    let mut flat = one.keyed(8, 5, Datum::NULL);
    let row = Struct::new(Arc::clone(&one.row), vec![Value::Int(5), Value::from("x")]);
    flat.record.value = Datum::row(row);
    let records = vec![
        one.event(0, "c", 1, "Ann"),
        two.event(1, "c", 1, "Bob"),
        one.event(2, "c", 2, "Cid"),
        two.event(3, "u", 1, "Bob II"),
        one.event(4, "d", 2, "Cid"),
        // Whose it is nobody can tell, and its row is gone.
        one.tombstone(5, 2),
        two.event(6, "c", 2, "Dee"),
        one.event(7, "c", 4, "Eve"),
        flat,
    ];
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    assert_eq!(reports.offsets(), [8]);
    assert!(
        reports.errors[0].1.contains("no change event"),
        "{:?}",
        reports.errors
    );
    assert_eq!(names(&database, "raw.t_one").await?, ["1 Ann", "4 Eve"]);
    assert_eq!(names(&database, "raw.t_two").await?, ["1 Bob II", "2 Dee"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_change_of_a_row_is_errant() -> Result<()> {
    let database =
        database("CREATE TABLE server_raw_customers (id int PRIMARY KEY, fullname text)").await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0]).await?;
    let source = Source::new(Some("s.Envelope"), "customers");
    let mut empty = source.event(0, "d", 1, "x");
    let Value::Struct(event) = &mut empty.record.value.value else {
        anyhow::bail!("an event");
    };
    event.set(3, Value::from("u"));
    let renamed = |offset, name: &str| {
        let source = Source::new(Some(name), "customers");
        source.event(offset, "c", 1, "x")
    };
    let mut bare = source.event(4, "c", 1, "x");
    bare.record.value.schema = None;
    let records = vec![
        empty,
        source.event(1, "m", 1, "x"),
        renamed(2, "io.debezium.connector.mysql.SchemaChangeValue"),
        renamed(3, "server.CloudEvents.Envelope"),
        bare,
        source.event(5, "c", 1, "Ann"),
    ];
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records)?], &mut reports).await?;
    for ((at, error), expect) in reports.errors.iter().zip([
        "without a row in after",
        "op is none of",
        "schema change",
        "CloudEvent",
        "without a schema",
    ]) {
        assert!(error.contains(expect), "{at}: {error}");
    }
    assert_eq!(reports.offsets(), [0, 1, 2, 3, 4]);
    assert_eq!(names(&database, "server_raw_customers").await?, ["1 Ann"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_folded_or_kept_and_styled() -> Result<()> {
    let strategy = "io.debezium.connector.jdbc.naming.CustomColumnNamingStrategy";
    for (options, table, columns) in [
        (&[] as &[_], "server_raw_customers", "id,fullname"),
        (
            &[("quote.identifiers", "true")],
            "server_Raw_Customers",
            "Id,FullName",
        ),
        (
            &[
                ("column.naming.strategy", strategy),
                ("column.naming.style", "snake_case"),
                ("column.naming.prefix", "C_"),
            ],
            "server_raw_customers",
            "c_id,c_full_name",
        ),
        (
            &[("collection.name.format", "\"Kept_${topic}\"")],
            "Kept_server_Raw_Customers",
            "id,fullname",
        ),
    ] {
        let database = database("SELECT").await?;
        let mut task = task(&database, &[&UPSERT[..], options].concat())?;
        opened(&mut *task, &[0]).await?;
        let source = Source::new(Some("s.Envelope"), "customers");
        let records = [
            source.event(0, "c", 1, "Ann"),
            source.event(1, "u", 1, "Ann B"),
        ];
        put_in(&mut *task, &records, 1).await?;
        let made = "SELECT table_name || ':' || string_agg(column_name, ',' ORDER BY \
                    ordinal_position) FROM information_schema.columns \
                    WHERE table_schema = 'public' GROUP BY table_name";
        assert_eq!(rows(&database, made).await?, [format!("{table}:{columns}")]);
        let count = format!("SELECT count(*)::text FROM \"{table}\"");
        assert_eq!(rows(&database, &count).await?, ["1"]);
    }
    Ok(())
}

/// Made by hand without quotes, for names in capitals.
#[tokio::test(flavor = "multi_thread")]
async fn unquoted_names_meet_a_table_in_small_letters() -> Result<()> {
    for class in [CLASS, ("quote.sql.identifiers", "never")] {
        let database = database(
            "CREATE TABLE events (id int PRIMARY KEY, \"Note\" text, note text); \
             CREATE TABLE \"EVENTS\" (id int, note text)",
        )
        .await?;
        let options = [
            class,
            ("insert.mode", "upsert"),
            ("pk.mode", "record_value"),
            ("pk.fields", "ID"),
            ("table.name.format", "EVENTS"),
        ];
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let schema = Schema::new(Kind::Struct(vec![
            Field::new("ID", Schema::new(Kind::Int32)),
            Field::new("Note", Schema::optional(Kind::String)),
        ]));
        let row = Struct::new(Arc::new(schema), vec![Value::Int(1), Value::from("Ada")]);
        put(
            &mut *task,
            &[batch(0, 0, vec![record(0, 0, Datum::row(row))])?],
        )
        .await?;
        let query = "SELECT concat_ws(' ', id, coalesce(\"Note\", '-'), note) FROM events";
        assert_eq!(rows(&database, query).await?, ["1 - Ada"]);
    }
    Ok(())
}
