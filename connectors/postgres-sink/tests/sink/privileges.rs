//! Roles that may do little: no temporary tables, row level security.

use anyhow::Result;
use connect_api::{Datum, SinkTask, Value};
use harness_postgres::names;
use harness_postgres::postgres::{TestDatabase, TestPostgres};
use sqlx::Executor as _;

use crate::fixture::{Maker, Reports, batch, opened, put, rows, stored, task_at};

/// A database with tables of another's, a role that has the privileges on them that the statements
/// give to `{role}`, and a task of that role.
async fn restricted(
    statements: &str,
    options: &[(&str, &str)],
) -> Result<(TestDatabase, Box<dyn SinkTask>)> {
    let postgres = TestPostgres::shared().await?;
    let database = postgres.database("privileges").await?;
    let role = names::unique("role").replace('-', "_");
    let name = database.name();
    let mut superuser = database.superuser().await?;
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'r'");
    superuser.execute(&*create).await?;
    // Before there is a schema of the owner's name, which would come first on its search path.
    database
        .execute(&statements.replace("{role}", &role))
        .await?;
    database.apply("001_ferrule.sql").await?;
    let setup = format!(
        "REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC; \
         GRANT CONNECT ON DATABASE \"{name}\" TO {role}; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA ferrule TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ferrule TO {role}"
    );
    superuser.execute(&*setup).await?;
    let url = format!("postgres://127.0.0.1:{}/{name}", database.port());
    let login = [("connection.user", &*role), ("connection.password", "r")];
    let task = task_at(&url, &[&login[..], options].concat())?;
    Ok((database, task))
}

const STOCK: &str = "CREATE TABLE events (sku text PRIMARY KEY, qty int, at timestamptz(3), \
                     short varchar(5), n numeric(6,2), place point, tags text[]); \
                     GRANT SELECT, INSERT, UPDATE, DELETE ON events TO {role}";

const UPSERT: [(&str, &str); 3] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_value"),
    ("pk.fields", "sku"),
];

const ALL: &str = "SELECT concat_ws(' ', sku, qty, coalesce((at AT TIME ZONE 'UTC')::text, '-'), \
                   short, n, place::text, tags::text) FROM events ORDER BY sku";

#[tokio::test(flavor = "multi_thread")]
async fn without_temporary_tables_rows_are_merged_all_the_same() -> Result<()> {
    let (database, mut task) = restricted(STOCK, &UPSERT).await?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        r#"{"sku":"a","qty":1}"#,
        r#"{"sku":"b","qty":2,"short":"x","place":"(1,2)","tags":["t","u"]}"#,
        r#"{"sku":"a","qty":3,"at":"2026-01-02T03:04:05.678Z","n":1.5}"#,
    ];
    put(&mut *task, &[Maker::default().batch(0, 0, &objects)?]).await?;
    let expect = ["a 3 2026-01-02 03:04:05.678 1.50", "b 2 - x (1,2) {t,u}"];
    assert_eq!(rows(&database, ALL).await?, expect);
    // More than a statement takes.
    let many: Vec<String> = (0..12_000)
        .map(|n| format!(r#"{{"sku":"s{:04}","qty":{n}}}"#, n % 6_000))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    put(&mut *task, &[Maker::default().batch(0, 3, &many)?]).await?;
    let sum = "SELECT count(*) || ' ' || sum(qty) FROM events WHERE sku LIKE 's%'";
    let expect: i64 = (6_000..12_000).sum();
    assert_eq!(rows(&database, sum).await?, [format!("6000 {expect}")]);
    // What Postgres refuses is found as ever.
    let bad = [r#"{"sku":"c","place":"here"}"#, r#"{"sku":"d","qty":4}"#];
    let mut reports = Reports::default();
    let batch = Maker::default().batch(0, 12_003, &bad)?;
    task.put(&[batch], &mut reports).await?;
    assert_eq!(reports.offsets(), [12_003]);
    assert_eq!(stored(&database, 0).await?, Some(12_005));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_temporary_tables_each_mode_leaves_what_it_should() -> Result<()> {
    for (mode, expect) in [
        ("insert_ignore", ["a 1", "b 2"].as_slice()),
        ("upsert", &["a 5", "b 2"]),
        ("update", &["a 5"]),
    ] {
        let there = format!("{STOCK}; INSERT INTO events (sku, qty) VALUES ('a', 1)");
        let options = [&UPSERT[1..], &[("insert.mode", mode)]].concat();
        let (database, mut task) = restricted(&there, &options).await?;
        opened(&mut *task, &[0]).await?;
        let objects = [r#"{"sku":"a","qty":5}"#, r#"{"sku":"b","qty":2}"#];
        put(&mut *task, &[Maker::default().batch(0, 0, &objects)?]).await?;
        let all = rows(
            &database,
            "SELECT sku || ' ' || qty FROM events ORDER BY sku",
        )
        .await?;
        assert_eq!(all, expect, "{mode}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_temporary_tables_rows_are_deleted() -> Result<()> {
    let options = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "sku"),
        ("delete.enabled", "true"),
    ];
    let there = format!("{STOCK}; INSERT INTO events (sku) VALUES ('a'), ('b'), ('c')");
    let (database, mut task) = restricted(&there, &options).await?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for (offset, (key, value)) in (0..).zip([("a", None), ("c", None), ("c", Some(1))]) {
        let object = value.map_or("{}".to_owned(), |n| format!(r#"{{"qty":{n}}}"#));
        let mut record = maker.record(0, offset, &object)?;
        record.record.key = Datum::schemaless(Value::from(key));
        if value.is_none() {
            record.record.value = Datum::NULL;
        }
        records.push(record);
    }
    put(&mut *task, &[batch(0, 0, records)?]).await?;
    let all = "SELECT sku || ' ' || coalesce(qty, 0) FROM events ORDER BY sku";
    assert_eq!(rows(&database, all).await?, ["b 0", "c 1"]);
    Ok(())
}

/// COPY into such a table is refused by Postgres.
#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_holds_for_each_row() -> Result<()> {
    for temporary in ["", "GRANT TEMPORARY ON DATABASE {database} TO {role};"] {
        for mode in ["insert", "upsert"] {
            let statements = format!(
                "{temporary} {STOCK}; ALTER TABLE events ENABLE ROW LEVEL SECURITY; \
                 CREATE POLICY few ON events USING (true) WITH CHECK (qty < 10)"
            );
            let options: &[(&str, &str)] = match mode {
                "insert" => &[],
                _ => &UPSERT,
            };
            let (database, mut task) = restricted_in(&statements, options).await?;
            opened(&mut *task, &[0]).await?;
            let objects = [
                r#"{"sku":"a","qty":1}"#,
                r#"{"sku":"b","qty":20}"#,
                r#"{"sku":"c","qty":3}"#,
            ];
            let mut reports = Reports::default();
            let batch = Maker::default().batch(0, 0, &objects)?;
            task.put(&[batch], &mut reports).await?;
            assert_eq!(reports.offsets(), [1], "{mode}");
            let all = rows(&database, "SELECT sku FROM events ORDER BY sku").await?;
            assert_eq!(all, ["a", "c"], "{mode}");
        }
    }
    Ok(())
}

async fn restricted_in(
    statements: &str,
    options: &[(&str, &str)],
) -> Result<(TestDatabase, Box<dyn SinkTask>)> {
    let by_name = "DO $$BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', \
                   current_database()); END$$;";
    let grant = "GRANT TEMPORARY ON DATABASE {database} TO {role};";
    restricted(&statements.replace(grant, by_name), options).await
}
