//! What the demo asks of Postgres: to run the files of `sql/`, and to count rows.

use sqlx::{Connection, Executor, PgConnection};

use crate::{Error, Result};

/// A connection to an embedded [`crate::Postgres`].
#[derive(Debug)]
pub struct Database(PgConnection);

impl Database {
    /// Connects.
    pub async fn connect(url: &str) -> Result<Self> {
        PgConnection::connect(url)
            .await
            .map(Self)
            .map_err(Error::sql("connecting to Postgres"))
    }

    /// Runs statements of the project's own: the text is not checked.
    pub async fn apply(&mut self, statements: &'static str) -> Result<()> {
        let run = self.0.execute(statements).await;
        run.map(|_| ())
            .map_err(Error::sql("running the statements of sql/"))
    }

    /// Rows of a table of the project's own; none while it is not there.
    pub async fn count(&mut self, table: &'static str) -> Result<Option<u64>> {
        let there: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
            .bind(table)
            .fetch_one(&mut self.0)
            .await
            .map_err(Error::sql("looking for a table"))?;
        if there.is_none() {
            return Ok(None);
        }
        let query = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(&query)
            .fetch_one(&mut self.0)
            .await
            .map_err(Error::sql("counting rows"))?;
        Ok(u64::try_from(rows).ok())
    }

    /// How many records of a topic a connector has done with, the refused ones among them.
    pub async fn done(&mut self, connector: &str, topic: &str) -> Result<u64> {
        let query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ferrule.offsets \
                     WHERE connector = $1 AND topic = $2";
        let done: i64 = sqlx::query_scalar(query)
            .bind(connector)
            .bind(topic)
            .fetch_one(&mut self.0)
            .await
            .map_err(Error::sql("asking for offsets"))?;
        Ok(u64::try_from(done).unwrap_or(0))
    }

    /// How many entries the plugins of a connector keep here; none while no plugin has kept any.
    pub async fn state_entries(&mut self, connector: &str) -> Result<Option<u64>> {
        if self.count("ferrule.stores").await?.is_none() {
            return Ok(None);
        }
        let query = "SELECT count(*) FROM ferrule.state JOIN ferrule.stores ON id = store \
                     WHERE connector = $1";
        let entries: i64 = sqlx::query_scalar(query)
            .bind(connector)
            .fetch_one(&mut self.0)
            .await
            .map_err(Error::sql("counting the entries of plugins"))?;
        Ok(u64::try_from(entries).ok())
    }
}
