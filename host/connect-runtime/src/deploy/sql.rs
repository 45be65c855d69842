//! SQL files, each applied once, in a transaction of its own.

use anyhow::{Context as _, Result, anyhow};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::files::SqlFile;
use crate::plugin::say::say;

/// What was applied. The lock is for a second person who deploys at the same time.
const LEDGER: &str = "
    SELECT pg_advisory_xact_lock(hashtext('ferrule.applied_sql'));
    CREATE SCHEMA IF NOT EXISTS ferrule;
    CREATE TABLE IF NOT EXISTS ferrule.applied_sql (
        name       text        PRIMARY KEY,
        sha256     text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );";

/// Applies the files that were not applied yet, in their order.
pub async fn apply(files: &[SqlFile], url: &str) -> Result<()> {
    // The driver's own error may quote the URL, and that has a password.
    let url = url.strip_prefix("jdbc:").unwrap_or(url);
    let connected = PgConnection::connect(url).await;
    let mut connection = connected.map_err(|error| match &error {
        sqlx::Error::Configuration(_) => {
            anyhow!("--url is no URL of Postgres: postgresql://user:password@host:port/database")
        }
        _ => anyhow!("no connection to the database of --url: {}", told(&error)),
    })?;
    for file in files {
        let name = &file.name;
        let failed =
            |error: sqlx::Error| anyhow!("{name}: {}; nothing of it is applied", told(&error));
        match apply_one(&mut connection, file).await.map_err(failed)? {
            Applied::Now => say!("applied   {name}"),
            Applied::Again => say!("applied   {name}  again: its content has changed"),
            Applied::Before => say!("unchanged {name}"),
        }
    }
    connection
        .close()
        .await
        .context("the connection did not end in order")
}

/// What became of a file.
enum Applied {
    Now,
    Again,
    Before,
}

async fn apply_one(connection: &mut PgConnection, file: &SqlFile) -> Result<Applied, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::raw_sql(LEDGER)).await?;
    let digest: String = sqlx::query_scalar("SELECT encode(sha256(convert_to($1, 'UTF8')), 'hex')")
        .bind(&file.text)
        .fetch_one(&mut *transaction)
        .await?;
    let known: Option<String> =
        sqlx::query_scalar("SELECT sha256 FROM ferrule.applied_sql WHERE name = $1")
            .bind(&file.name)
            .fetch_optional(&mut *transaction)
            .await?;
    if known.as_deref() == Some(&*digest) {
        transaction.commit().await?;
        return Ok(Applied::Before);
    }
    transaction.execute(sqlx::raw_sql(&file.text)).await?;
    sqlx::query(
        "INSERT INTO ferrule.applied_sql (name, sha256) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, applied_at = now()",
    )
    .bind(&file.name)
    .bind(&digest)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(match known {
        Some(_) => Applied::Again,
        None => Applied::Now,
    })
}

/// What Postgres says, with its code and the place in the text.
fn told(error: &sqlx::Error) -> String {
    let Some(refused) = error.as_database_error() else {
        return error.to_string();
    };
    let code = refused.code().unwrap_or_default();
    let postgres = refused.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
    let position = postgres.and_then(|error| match error.position()? {
        sqlx::postgres::PgErrorPosition::Original(at) => Some(format!(", at character {at}")),
        sqlx::postgres::PgErrorPosition::Internal { .. } => None,
    });
    format!(
        "{} ({code}){}",
        refused.message(),
        position.unwrap_or_default()
    )
}
