//! A few connections to Postgres, and read-only transactions on them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use connect_api::{Error, ErrorKind};
use postgres_sink::client::{ReadClient, statement_error};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgArguments;
use sqlx::{Executor as _, PgConnection, Row as _};
use tokio::sync::Semaphore;

type Result<T, E = Error> = std::result::Result<T, E>;

/// A row as JSON.
pub(crate) type RowText = String;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<RowText>,
    /// Bytes of all of them.
    pub(crate) bytes: i64,
}

/// Why there are no rows.
#[derive(Debug)]
pub(crate) enum QueryError {
    /// All connections are in use.
    Busy,
    /// Postgres does not answer, or lets nobody in for now.
    Away(Error),
    /// The statement took longer than it may.
    TimedOut,
    /// The statement, the login or the data is at fault.
    Failed(Error),
}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Retriable => Self::Away(error),
            _ => Self::Failed(error),
        }
    }
}

/// The server cancelled a statement for its time.
const QUERY_CANCELED: &str = "57014";
/// The statement writes. For a sink that tells of a standby; here it is the statement's fault.
const READ_ONLY: &str = "25006";

fn failed(error: &sqlx::Error) -> QueryError {
    let code = error.as_database_error().and_then(DatabaseError::code);
    match code.as_deref() {
        Some(QUERY_CANCELED) => QueryError::TimedOut,
        Some(READ_ONLY) => {
            let why = "the query writes, and it may only read (Postgres reports 25006)";
            QueryError::Failed(Error::config(why))
        }
        _ => statement_error("the query failed", error).into(),
    }
}

/// Connections, at most so many.
#[derive(Debug)]
pub(crate) struct Pool {
    client: ReadClient,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
    wait: Duration,
    begin: String,
    statement_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(
        client: ReadClient,
        size: usize,
        wait: Duration,
        statement_timeout: Duration,
    ) -> Self {
        // Paths leave parameters out: a plan is made with the values, or it would look at all rows.
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL plan_cache_mode = \
             force_custom_plan; SET LOCAL TimeZone = 'UTC'",
            statement_timeout.as_millis()
        );
        Self {
            client,
            permits: Semaphore::new(size),
            idle: Mutex::default(),
            wait,
            begin,
            statement_timeout,
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement that gives rows as text and the bytes up to each. `arguments` may be asked
    /// for twice: a connection that was lost while it was idle is replaced once.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        arguments: &(dyn Fn() -> Result<PgArguments> + Sync),
    ) -> Result<Rows, QueryError> {
        let waiting = tokio::time::timeout(self.wait, self.permits.acquire());
        let permit = waiting.await.ok().and_then(Result::ok);
        let _permit = permit.ok_or(QueryError::Busy)?;
        loop {
            let idle = self.idle().pop();
            let was_idle = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.client.connect().await?,
            };
            // The server cancels the statement first, if it is there.
            let limit = self.statement_timeout + self.wait + Duration::from_secs(1);
            let running = self.transaction(&mut connection, sql, arguments()?);
            let ran = tokio::time::timeout(limit, running).await;
            match ran {
                Ok(Ok(rows)) => {
                    self.idle().push(connection);
                    return Ok(rows);
                }
                Ok(Err(QueryError::Away(_))) if was_idle => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let error = Error::retriable("Postgres does not answer");
                    return Err(QueryError::Away(error));
                }
            }
        }
    }

    async fn transaction(
        &self,
        connection: &mut PgConnection,
        sql: &str,
        arguments: PgArguments,
    ) -> Result<Rows, QueryError> {
        let failed = |error: sqlx::Error| failed(&error);
        connection
            .execute(sqlx::raw_sql(&self.begin))
            .await
            .map_err(failed)?;
        let rows = sqlx::query_with(sql, arguments)
            .fetch_all(&mut *connection)
            .await;
        let rows = rows.map_err(failed)?;
        connection
            .execute(sqlx::raw_sql("COMMIT"))
            .await
            .map_err(failed)?;
        let mut found = Rows::default();
        for row in &rows {
            found.rows.push(row.try_get(0).map_err(failed)?);
            found.bytes = row.try_get(1).map_err(failed)?;
        }
        Ok(found)
    }

    /// Closes what is idle.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }
}
