//! A connection to the target, made ready.

use std::collections::HashMap;
use std::time::Duration;

use connect_api::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};

use crate::error::{Policy, describe, policy_of, to_error};

/// Tables of Ferrule's own, and how to see that they are there.
struct Tables {
    shown: &'static str,
    file: &'static str,
    statements: &'static str,
    present: &'static str,
}

/// Where the partitions stand.
const OFFSETS: Tables = Tables {
    shown: "ferrule.offsets",
    file: "sql/001_ferrule.sql",
    statements: include_str!("../../../sql/001_ferrule.sql"),
    present: "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'version' \
              AND attrelid = to_regclass('ferrule.offsets'))",
};

/// The state of transforms.
const STATE: Tables = Tables {
    shown: "ferrule.state",
    file: "sql/007_ferrule_state.sql",
    statements: include_str!("../../../sql/007_ferrule_state.sql"),
    present: "SELECT to_regclass('ferrule.state') IS NOT NULL",
};

/// What a task keeps in tables of Ferrule's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    pub offsets: bool,
    pub state: bool,
}

/// Guards what creates and alters tables against other tasks: "ferrule" in ASCII.
pub(crate) const CREATION_LOCK: i64 = 0x66_6572_7275_6c65;

/// A connection, and what is bound to it.
pub(crate) struct Session {
    pub connection: PgConnection,
    /// Tells this connection from every other, also from a later one with the same process id.
    pub owner: String,
    /// The staging tables by the statement that made them.
    pub staging: HashMap<String, String>,
    /// Numbers the staging tables.
    pub staged: u64,
}

impl Session {
    /// Connects to a server that takes writes.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when the server is away, or a replica.
    pub async fn connect(
        options: &PgConnectOptions,
        timeout: Duration,
        keeps: Keeps,
    ) -> Result<Self> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(options)
                .await
                .map_err(|e| to_error("cannot connect to Postgres", &e))?;
            let owner = identify(&mut connection).await?;
            if keeps.offsets {
                create_tables(&mut connection, &OFFSETS).await?;
            }
            if keeps.state {
                create_tables(&mut connection, &STATE).await?;
            }
            Ok(Self {
                connection,
                owner,
                staging: HashMap::new(),
                staged: 0,
            })
        };
        match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Error::retriable(
                "cannot connect to Postgres within connection.timeout.ms",
            )),
        }
    }

    /// Takes back an open transaction. False: the connection is of no more use.
    pub async fn roll_back(&mut self) -> bool {
        let rolled_back = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection);
        rolled_back.await.is_ok()
    }
}

async fn identify(connection: &mut PgConnection) -> Result<String> {
    let query = "SELECT current_setting('transaction_read_only') = 'on' AS read_only, \
                 concat_ws('/', application_name, pid, extract(epoch FROM backend_start)) AS owner \
                 FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = sqlx::query(query)
        .fetch_one(connection)
        .await
        .map_err(|e| to_error("cannot identify the session", &e))?;
    let read_only = row.try_get("read_only");
    if read_only.map_err(|e| to_error("cannot identify the session", &e))? {
        return Err(Error::retriable(
            "the server is read-only: a replica, or a former primary",
        ));
    }
    row.try_get("owner")
        .map_err(|e| to_error("cannot identify the session", &e))
}

/// Creates tables of Ferrule's own where they are absent. A role that may not create them can still
/// use them when someone else did.
async fn create_tables(connection: &mut PgConnection, tables: &Tables) -> Result<()> {
    let Tables { shown, file, .. } = tables;
    let present = sqlx::query_scalar(tables.present)
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| to_error(&format!("cannot look for the table {shown}"), &e))?;
    if present {
        return Ok(());
    }
    let created = async {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(CREATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(tables.statements)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    };
    match created.await {
        Ok(()) => {
            tracing::info!("created the table {shown}");
            Ok(())
        }
        Err(error) if policy_of(&error) == Policy::Config => Err(Error::config(format!(
            "cannot create the table {shown}, let an administrator run {file}: {}",
            describe(&error)
        ))),
        Err(error) => Err(to_error(
            &format!("cannot create the table {shown}"),
            &error,
        )),
    }
}
