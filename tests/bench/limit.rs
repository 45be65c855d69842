//! The limits: the same rows from prepared files by Postgres' own COPY, with as many connections
//! as a connector has tasks.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::drain::Measured;
use crate::events::Event;
use crate::meter;
use crate::stand::Stand;
use crate::target::{COLUMNS, KEY, Target};

/// Rows of a prepared file, and of a transaction of the limit of upserts. One COPY of all rows is
/// quicker than many; a staging table that outgrows its buffers is not.
const CHUNK: u64 = 10_000;

/// The prepared files, in COPY's binary format.
pub struct Files {
    folder: PathBuf,
    chunks: u64,
}

impl Files {
    /// Lets Postgres itself make the files: it knows the format best.
    pub async fn prepare(stand: &Stand) -> Result<Self> {
        let folder = stand.postgres.server_folder("prepared")?;
        let rows = stand.options.rows;
        let plain = Target {
            indexes: false,
            upsert: false,
        };
        plain.create(stand, "prepared").await?;
        let mut connection = stand.superuser().await?;
        let mut copy = connection
            .copy_in_raw(&format!("COPY public.prepared ({COLUMNS}) FROM STDIN"))
            .await?;
        let mut buffer = Vec::with_capacity(1 << 20);
        for number in 0..rows {
            Event::new(number).copy_text(&mut buffer);
            if buffer.len() > 1 << 19 {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
        copy.send(buffer.as_slice()).await?;
        copy.finish().await?;
        let chunks = rows.div_ceil(CHUNK);
        for chunk in 0..chunks {
            let (first, last) = (chunk * CHUNK + 1, (chunk + 1) * CHUNK);
            let range = format!("id BETWEEN {first} AND {last}");
            copy_out(&mut connection, &range, &chunk_file(&folder, chunk)).await?;
        }
        for part in 0..stand.options.tasks {
            let share = format!("(id - 1) % {} = {part}", stand.options.tasks);
            copy_out(&mut connection, &share, &part_file(&folder, part)).await?;
        }
        connection.execute("DROP TABLE public.prepared").await?;
        Ok(Self { folder, chunks })
    }

    /// Copies the files in, all connections at once.
    pub async fn measure(&self, stand: &Stand, target: Target) -> Result<Measured> {
        target.create(stand, "limit_copy").await?;
        let tasks = stand.options.tasks;
        let pid = stand.postgres_pid().await?;
        let mut connections = Vec::new();
        for task in 0..tasks {
            let mut connection = stand.superuser().await?;
            if target.upsert {
                let staging = format!(
                    "CREATE TEMPORARY TABLE staging AS \
                     SELECT {COLUMNS} FROM public.limit_copy LIMIT 0"
                );
                connection.execute(&*staging).await?;
            }
            connections.push((task, connection));
        }
        let before = meter::family_cpu_seconds(pid)?;
        let started = Instant::now();
        let mut copies = JoinSet::new();
        for (task, mut connection) in connections {
            let part = part_file(&self.folder, task);
            let chunks = (u64::try_from(task)?..self.chunks).step_by(usize::try_from(tasks)?);
            let chunks: Vec<_> = chunks.map(|at| chunk_file(&self.folder, at)).collect();
            copies.spawn(async move {
                if target.upsert {
                    merge(&mut connection, &chunks).await
                } else {
                    copy_in(&mut connection, "public.limit_copy", &part).await
                }
            });
        }
        while let Some(copied) = copies.join_next().await {
            copied??;
        }
        let elapsed = started.elapsed().as_secs_f64();
        let rows = stand.options.rows as f64;
        Ok(Measured {
            rows_per_second: rows / elapsed,
            worker_cpu: None,
            postgres_cpu: (meter::family_cpu_seconds(pid)? - before) / rows * 1e6,
            peak_rss: None,
            first_row: None,
        })
    }
}

fn part_file(folder: &Path, part: i32) -> PathBuf {
    folder.join(format!("part-{part}"))
}

fn chunk_file(folder: &Path, chunk: u64) -> PathBuf {
    folder.join(format!("chunk-{chunk}"))
}

async fn copy_out(connection: &mut PgConnection, rows: &str, file: &Path) -> Result<()> {
    let statement = format!(
        "COPY (SELECT {COLUMNS} FROM public.prepared WHERE {rows} ORDER BY id) TO '{}' \
         (FORMAT binary)",
        file.display()
    );
    connection.execute(&*statement).await?;
    Ok(())
}

async fn copy_in(connection: &mut PgConnection, table: &str, file: &Path) -> Result<()> {
    let copy = format!(
        "COPY {table} ({COLUMNS}) FROM '{}' (FORMAT binary)",
        file.display()
    );
    connection.execute(&*copy).await?;
    Ok(())
}

/// COPY into a staging table and `INSERT … ON CONFLICT` from there, a transaction a file.
async fn merge(connection: &mut PgConnection, files: &[PathBuf]) -> Result<()> {
    let set: Vec<_> = COLUMNS
        .split(", ")
        .filter(|column| !KEY.split(',').any(|key| key == *column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let insert = format!(
        "INSERT INTO public.limit_copy ({COLUMNS}) SELECT {COLUMNS} FROM staging \
         ON CONFLICT ({KEY}) DO UPDATE SET {}",
        set.join(", ")
    );
    for file in files {
        let mut transaction = connection.begin().await?;
        transaction.execute("TRUNCATE staging").await?;
        copy_in(&mut transaction, "staging", file).await?;
        transaction.execute(&*insert).await?;
        transaction.commit().await?;
    }
    Ok(())
}
