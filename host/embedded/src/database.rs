//! What the demo asks of Postgres: to run the files of `sql/`, and to count rows.

use sqlx::{Connection, Executor, PgConnection};

use crate::{Error, Result};

/// A connection to an embedded [`crate::Postgres`].
#[derive(Debug)]
pub struct Database(PgConnection);

/// How far a connector is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the first record that is not done.
    pub next: i64,
}

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

    /// Runs a file of the project's own that is for psql: each of its queries ends in `\gexec`, and
    /// gives statements, which are run.
    pub async fn apply_made_statements(&mut self, file: &'static str) -> Result<()> {
        for query in file.split("\\gexec") {
            let is_query = query.lines().any(|line| line.starts_with("SELECT"));
            if !is_query {
                continue;
            }
            let statements: Vec<String> = sqlx::query_scalar(query)
                .fetch_all(&mut self.0)
                .await
                .map_err(Error::sql("asking for the databases that are missing"))?;
            for statement in statements {
                let made = self.0.execute(&*statement).await;
                made.map_err(Error::sql("making the databases of sql/"))?;
            }
        }
        Ok(())
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

    /// How far a connector is in the partitions of its topics: the next offset of each.
    pub async fn offsets(&mut self, connector: &str) -> Result<Vec<Offset>> {
        let query = "SELECT topic, \"partition\", coalesce(next_offset, 0) FROM ferrule.offsets \
                     WHERE connector = $1";
        let rows: Vec<(String, i32, i64)> = sqlx::query_as(query)
            .bind(connector)
            .fetch_all(&mut self.0)
            .await
            .map_err(Error::sql("asking for offsets"))?;
        let offset = |(topic, partition, next)| Offset {
            topic,
            partition,
            next,
        };
        Ok(rows.into_iter().map(offset).collect())
    }

    /// A number that a query of the project's own gives.
    pub async fn number(&mut self, query: &'static str) -> Result<u64> {
        let number: i64 = sqlx::query_scalar(query)
            .fetch_one(&mut self.0)
            .await
            .map_err(Error::sql("asking for a number"))?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// The rows of a query of the project's own, which gives one array of text for each.
    pub async fn texts(&mut self, query: &'static str) -> Result<Vec<Vec<String>>> {
        sqlx::query_scalar(query)
            .fetch_all(&mut self.0)
            .await
            .map_err(Error::sql("asking for rows"))
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
