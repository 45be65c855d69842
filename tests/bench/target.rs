//! The table that is written to, and how far the writing has come.

use anyhow::Result;
use sqlx::{Executor, PgConnection};

use crate::stand::Stand;

/// The columns that the events fill; `id` comes from a sequence.
pub const COLUMNS: &str = "track_id, domain, event_type, activity_type, kb_object_id, mode_s, \
    mmsi, event_timestamp, latitude, longitude, properties, associated_track_ids, \
    associated_kb_ids";

/// The columns of the primary key of a table for upserts.
pub const KEY: &str = "track_id,event_timestamp";

/// How the target table is made and written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// With the six B-trees and the GIN index of `track_activity_log`, or with its primary key
    /// alone.
    pub indexes: bool,
    /// By [`KEY`], or by insert.
    pub upsert: bool,
}

impl Target {
    /// What the reports call it.
    pub fn name(self) -> String {
        let indexes = if self.indexes {
            "all indexes"
        } else {
            "primary key only"
        };
        let mode = if self.upsert { "upsert" } else { "insert" };
        format!("{mode}, {indexes}")
    }

    /// Creates the table `name`, empty.
    pub async fn create(self, stand: &Stand, name: &str) -> Result<()> {
        let database = &stand.database;
        // The schema is named: once a worker has made schema `ferrule`, it comes first for the
        // user of that name.
        if database.count("public.track_activity_log").await.is_err() {
            database.apply("002_track_activity_log.sql").await?;
        }
        let mut connection = stand.superuser().await?;
        let table = format!(
            "DROP TABLE IF EXISTS public.{name};
             DROP SEQUENCE IF EXISTS public.{name}_id;
             CREATE SEQUENCE public.{name}_id;
             CREATE TABLE public.{name}
                 (LIKE public.track_activity_log INCLUDING DEFAULTS INCLUDING INDEXES);
             ALTER TABLE public.{name} ALTER COLUMN id SET DEFAULT nextval('public.{name}_id');
             GRANT ALL ON public.{name} TO ferrule;
             GRANT ALL ON SEQUENCE public.{name}_id TO ferrule;"
        );
        connection.execute(&*table).await?;
        if !self.indexes {
            let query = format!(
                "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' \
                 AND tablename = '{name}' AND indexdef NOT LIKE '%UNIQUE%'"
            );
            for index in database.texts(&query).await?.into_iter().flatten() {
                let drop = format!("DROP INDEX public.\"{index}\"");
                connection.execute(&*drop).await?;
            }
        }
        if self.upsert {
            let key = format!(
                "ALTER TABLE public.{name} DROP CONSTRAINT {name}_pkey, ADD PRIMARY KEY ({KEY})"
            );
            connection.execute(&*key).await?;
        }
        connection.execute("CHECKPOINT").await?;
        Ok(())
    }
}

/// Watches a table fill, at little cost for the server that fills it.
pub struct Progress {
    connection: PgConnection,
    table: String,
}

impl Progress {
    /// Watches the table `name`.
    pub async fn of(stand: &Stand, name: &str) -> Result<Self> {
        let connection = stand.superuser().await?;
        let table = format!("public.{name}");
        Ok(Self { connection, table })
    }

    /// The visible rows.
    pub async fn rows(&mut self) -> Result<u64> {
        let query = format!("SELECT count(*) FROM {}", self.table);
        let rows: i64 = sqlx::query_scalar(&query)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(rows as u64)
    }

    /// Whether so many ids were given out that all rows may be visible.
    ///
    /// To count a large table again and again would slow down what is measured; the sequence
    /// costs nothing, and it runs ahead of the commits by one transaction a task.
    pub async fn may_be_complete(&mut self, rows: u64) -> Result<bool> {
        let query = format!("SELECT last_value FROM {}_id", self.table);
        let last: i64 = sqlx::query_scalar(&query)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(last as u64 >= rows)
    }
}
