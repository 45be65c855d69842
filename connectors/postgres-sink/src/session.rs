//! A connection to the target, made ready.

use std::collections::HashMap;
use std::time::Duration;

use connect_api::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};

use crate::config::Delivery;
use crate::error::{Policy, describe, policy_of, to_error};

/// Ferrule's own tables.
const TABLES: &str = include_str!("../../../sql/001_ferrule.sql");
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
        delivery: Delivery,
    ) -> Result<Self> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(options)
                .await
                .map_err(|e| to_error("cannot connect to Postgres", &e))?;
            let owner = identify(&mut connection).await?;
            if delivery == Delivery::ExactlyOnce {
                create_tables(&mut connection).await?;
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

/// Creates Ferrule's tables where they are absent. A role that may not create them can still use
/// them when someone else did.
async fn create_tables(connection: &mut PgConnection) -> Result<()> {
    if tables_exist(connection).await? {
        return Ok(());
    }
    let created = async {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(CREATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
        transaction.commit().await
    };
    match created.await {
        Ok(()) => {
            tracing::info!("created the table ferrule.offsets");
            Ok(())
        }
        Err(error) if policy_of(&error) == Policy::Config => Err(Error::config(format!(
            "cannot create the table ferrule.offsets, let an administrator run \
             sql/001_ferrule.sql: \
             {}",
            describe(&error)
        ))),
        Err(error) => Err(to_error("cannot create the table ferrule.offsets", &error)),
    }
}

async fn tables_exist(connection: &mut PgConnection) -> Result<bool> {
    sqlx::query_scalar("SELECT to_regclass('ferrule.offsets') IS NOT NULL")
        .fetch_one(connection)
        .await
        .map_err(|e| to_error("cannot look for the table ferrule.offsets", &e))
}
