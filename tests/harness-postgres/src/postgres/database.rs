//! A test's own database: its addresses, its tables and what is in them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::{PASSWORD, USER};
use crate::install;
use crate::process::POSTGRES_USER;
use crate::proxy::FaultProxy;

/// A database that no other test sees.
pub struct TestDatabase {
    port: u16,
    name: String,
    pool: PgPool,
}

impl TestDatabase {
    pub(super) async fn connect(port: u16, name: String) -> Result<Self> {
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(port)
            .username(USER)
            .password(PASSWORD)
            .database(&name);
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        Ok(Self { port, name, pool })
    }

    /// The port of its server on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address with user and password, for `psql` and for `connection.url`.
    pub fn url(&self) -> String {
        format!(
            "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{}",
            self.port, self.name
        )
    }

    /// The address for the superuser, who needs no password.
    pub fn superuser_url(&self) -> String {
        format!(
            "postgres://{POSTGRES_USER}@127.0.0.1:{}/{}",
            self.port, self.name
        )
    }

    /// The address as the JDBC sinks take it: user and password go in their own keys.
    pub fn jdbc_url(&self) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The same through a proxy.
    pub fn jdbc_url_through(&self, proxy: &FaultProxy) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/{}", proxy.port(), self.name)
    }

    /// A new connection of the superuser, whom no limit and no time-out of the role holds.
    pub async fn superuser(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.superuser_url()).await?)
    }

    /// Connections as the owner of the database.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs statements, separated by semicolons.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        sqlx::raw_sql(statements).execute(&self.pool).await?;
        Ok(())
    }

    /// Runs a file of the folder `sql/`, such as `002_track_activity_log.sql`.
    pub async fn apply(&self, file: &str) -> Result<()> {
        let path = install::repository().join("sql").join(file);
        let statements = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        self.execute(&statements)
            .await
            .with_context(|| file.to_owned())
    }

    /// The rows of a query whose only column is text; write `id::text` or `row_to_json(t)::text`.
    pub async fn texts(&self, query: &str) -> Result<Vec<Option<String>>> {
        let query = sqlx::query_scalar(query);
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// The offsets that a connector has stored of the topic of its name, for partitions that have
    /// come anywhere.
    pub async fn stored_offsets(&self, connector: &str) -> Result<BTreeMap<i32, i64>> {
        let query = "SELECT \"partition\", next_offset FROM ferrule.offsets \
                     WHERE connector = $1 AND topic = $1 AND next_offset > 0";
        let query = sqlx::query_as(query).bind(connector);
        let rows: Vec<(i32, i64)> = query.fetch_all(&self.pool).await?;
        Ok(rows.into_iter().collect())
    }

    /// How many rows a table has, or a table with a condition: `"t WHERE id > 3"`.
    pub async fn count(&self, table: &str) -> Result<i64> {
        let query = format!("SELECT count(*) FROM {table}");
        Ok(sqlx::query_scalar(&query).fetch_one(&self.pool).await?)
    }
}
