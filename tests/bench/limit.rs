//! The limit: COPY BINARY of the same rows from files, with as many connections as tasks.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use harness::postgres::{TestDatabase, TestPostgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::Options;
use crate::drain::Measured;
use crate::events;
use crate::meter;

const COLUMNS: &str = "track_id, domain, event_type, activity_type, kb_object_id, mode_s, mmsi, \
    event_timestamp, latitude, longitude, properties, associated_track_ids, associated_kb_ids";

/// Creates an empty copy of the table, with all its indexes or with its primary key alone.
pub async fn create_table(database: &TestDatabase, table: &str, indexes: bool) -> Result<()> {
    // The schema is named: once the worker has made schema `ferrule`, it comes first for the user
    // of that name.
    if database.count("public.track_activity_log").await.is_err() {
        database.apply("002_track_activity_log.sql").await?;
    }
    let mut statements = format!(
        "DROP TABLE IF EXISTS public.{table};
         CREATE TABLE public.{table}
             (LIKE public.track_activity_log INCLUDING DEFAULTS INCLUDING INDEXES);
         CREATE SEQUENCE IF NOT EXISTS public.{table}_id;
         ALTER TABLE public.{table}
             ALTER COLUMN id SET DEFAULT nextval('public.{table}_id');"
    );
    let mut connection = superuser(database).await?;
    if !indexes {
        let query = format!(
            "SELECT indexname::text FROM pg_indexes \
             WHERE schemaname = 'public' AND tablename = '{table}' AND indexdef NOT LIKE '%UNIQUE%'"
        );
        connection
            .execute(AssertSqlSafe(std::mem::take(&mut statements)))
            .await?;
        for index in database.texts(&query).await?.into_iter().flatten() {
            statements.push_str(&format!("DROP INDEX public.\"{index}\";"));
        }
    }
    statements.push_str(&format!(
        "GRANT ALL ON public.{table} TO ferrule; GRANT ALL ON SEQUENCE public.{table}_id TO ferrule;"
    ));
    connection.execute(AssertSqlSafe(statements)).await?;
    connection.execute("CHECKPOINT").await?;
    Ok(())
}

async fn superuser(database: &TestDatabase) -> Result<PgConnection> {
    let url = database.superuser_url();
    PgConnection::connect(&url)
        .await
        .context("cannot connect as the superuser")
}

/// Copies the prepared files in at once, one a connection.
pub async fn measure(
    database: &TestDatabase,
    postgres: &TestPostgres,
    options: &Options,
    indexes: bool,
) -> Result<Measured> {
    let folder = postgres.server_folder("prepared")?;
    prepare(database, &folder, options).await?;
    create_table(database, "limit_copy", indexes).await?;
    let pid = postgres.pid().await.context("Postgres is not running")?;
    let before = meter::family_cpu_seconds(pid)?;
    let mut connections = Vec::new();
    for _ in 0..options.tasks {
        connections.push(superuser(database).await?);
    }
    let started = Instant::now();
    let mut copies = tokio::task::JoinSet::new();
    for (part, mut connection) in connections.into_iter().enumerate() {
        let file = folder.join(format!("part-{part}"));
        let copy = format!(
            "COPY public.limit_copy ({COLUMNS}) FROM '{}' (FORMAT binary)",
            file.display()
        );
        copies.spawn(async move { connection.execute(AssertSqlSafe(copy)).await.map(|_| ()) });
    }
    while let Some(copied) = copies.join_next().await {
        copied??;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let millions = options.rows as f64 / 1e6;
    Ok(Measured {
        rows_per_second: options.rows as f64 / elapsed,
        worker_cpu: None,
        postgres_cpu: (meter::family_cpu_seconds(pid)? - before) / millions,
        peak_rss: None,
        first_row: None,
    })
}

/// Lets Postgres itself make the files: it knows the format best.
async fn prepare(database: &TestDatabase, folder: &Path, options: &Options) -> Result<()> {
    if folder.join("part-0").exists() {
        return Ok(());
    }
    create_table(database, "prepared", false).await?;
    let mut connection = superuser(database).await?;
    let mut copy = connection
        .copy_in_raw(&format!("COPY public.prepared ({COLUMNS}) FROM STDIN"))
        .await?;
    let mut buffer = Vec::with_capacity(1 << 20);
    for number in 0..options.rows {
        events::write_copy_text(number, &mut buffer);
        if buffer.len() > 1 << 19 {
            copy.send(buffer.as_slice()).await?;
            buffer.clear();
        }
    }
    copy.send(buffer.as_slice()).await?;
    copy.finish().await?;
    for part in 0..options.tasks {
        let file = folder.join(format!("part-{part}"));
        let statement = format!(
            "COPY (SELECT {COLUMNS} FROM public.prepared WHERE (id - 1) % {} = {part} ORDER BY id) \
             TO '{}' (FORMAT binary)",
            options.tasks,
            file.display()
        );
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    connection.execute("DROP TABLE public.prepared").await?;
    Ok(())
}
