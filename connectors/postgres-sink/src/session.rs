//! A connection to the target, made ready.

mod access;
mod certificates;
mod connect;
mod iam;
mod refusal;

use std::collections::HashMap;
use std::time::Duration;

use connect_api::{Error, Result, TargetHistory};
use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{Connection, Executor as _, PgConnection, Postgres, Row};

pub(crate) use access::{Access, Login};
pub(crate) use certificates::{Certificates, ClientFiles};
pub(crate) use connect::encrypted;
pub(crate) use iam::{Iam, IamOptions};
pub(crate) use refusal::{late as late_connect, refusal};

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
    present: "SELECT count(*) = 4 FROM pg_attribute \
              WHERE attname IN ('version', 'last_offset', 'last_timestamp', 'scoped_epoch') \
              AND attrelid = to_regclass('ferrule.offsets')",
};

/// Where the write-ahead log stands, in bytes, and on which timeline; where recovery ended: there
/// begins a timeline that came of a promotion or a restored backup.
const HISTORY: &str = "SELECT \
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS timeline, \
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS position, \
    pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS begins_at";

/// The state of transforms.
const STATE: Tables = Tables {
    shown: "ferrule.state",
    file: "sql/007_ferrule_state.sql",
    statements: include_str!("../../../sql/007_ferrule_state.sql"),
    present: "SELECT to_regclass('ferrule.state') IS NOT NULL AND EXISTS ( \
              SELECT FROM pg_attribute WHERE attname = 'cluster' \
              AND attrelid = to_regclass('ferrule.stores'))",
};

/// What a task keeps in tables of Ferrule's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeps {
    pub offsets: bool,
    pub state: bool,
}

impl Keeps {
    /// Nothing is written.
    pub const NOTHING: Self = Self {
        offsets: false,
        state: false,
    };
}

/// Guards what creates and alters tables against other tasks: "ferrule" in ASCII.
pub(crate) const CREATION_LOCK: i64 = 0x66_6572_7275_6c65;

/// How long a transaction may idle, in milliseconds: a worker that was stopped in mid-transaction
/// must not hold its rows for ever.
pub(crate) const IDLE_LIMIT: &str = "30000";

/// Gives a statement so much time: a server that vanished while it was waited for gives no error.
///
/// # Errors
/// [`std::io::ErrorKind::TimedOut`], beside those of the statement.
pub(crate) async fn within<T>(
    limit: Duration,
    statement: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match tokio::time::timeout(limit, statement).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Where a task connects to, and how its sessions are set up.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// How to connect, to one host after another.
    pub hosts: Vec<PgConnectOptions>,
    /// Settings of the server.
    pub settings: Vec<(String, String)>,
    /// Whom to trust, and who connects.
    pub certificates: Certificates,
    /// Makes the tokens that stand for the password.
    pub iam: Option<Iam>,
    /// What becomes of a login that is refused.
    pub login: Login,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Parameters of `connection.url` that are passed over.
    pub ignored: Vec<String>,
}

impl Servers {
    /// Tells which parameters of `connection.url` are passed over, in one line.
    pub fn warn_of_ignored(&self) {
        if !self.ignored.is_empty() {
            tracing::warn!(
                "connection.url: parameters that have no effect here: {}",
                self.ignored.join(", ")
            );
        }
    }

    /// Whether any certificate of an authority will do. sqlx trusts the public authorities beside
    /// those of `sslrootcert`, and has no option to leave them out.
    pub fn trusts_any_host(&self) -> bool {
        let mut hosts = self.hosts.iter();
        hosts.any(|host| matches!(host.get_ssl_mode(), PgSslMode::VerifyCa))
    }

    /// How to connect to a host now: with a new token, where one stands for the password.
    ///
    /// # Errors
    /// When there are no AWS credentials to sign one.
    pub async fn signed(&self, host: &PgConnectOptions) -> Result<PgConnectOptions> {
        let Some(iam) = &self.iam else {
            return Ok(host.clone());
        };
        let token = iam.token(host).await.map_err(|e| self.login.judged(e))?;
        Ok(host.clone().password(token.expose()))
    }

    /// The same servers, of a task that has known them as they were before.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        let name = before
            .hosts
            .first()
            .and_then(PgConnectOptions::get_application_name);
        let named = match name {
            Some(name) => self.named(name),
            None => self,
        };
        Self {
            login: before.login.clone(),
            iam: named.iam.map(|iam| iam.following(before.iam.as_ref())),
            certificates: named.certificates.following(&before.certificates),
            ..named
        }
    }

    /// The same servers, for sessions of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let hosts = self.hosts.iter().cloned();
        Self {
            hosts: hosts.map(|host| host.application_name(name)).collect(),
            ..self.clone()
        }
    }
}

/// A connection, and what is bound to it.
pub(crate) struct Session {
    pub connection: PgConnection,
    /// Tells this connection from every other, also from a later one with the same process id.
    pub owner: String,
    /// The database, told from every other: the system identifier of its cluster, which standbys
    /// and restored backups share, and its oid.
    pub target: String,
    /// The staging tables by the statement that made them.
    pub staging: HashMap<String, String>,
    /// Numbers the staging tables.
    pub staged: u64,
    /// Whether the role may make temporary tables.
    pub may_stage: bool,
    /// Whether a pooler gives each transaction another session of the server. Then nothing outlives
    /// a transaction: no setting, no temporary table, no prepared statement.
    pub is_pooled: bool,
    /// Begins a transaction.
    begin: String,
}

impl Session {
    /// Connects to a server that takes writes.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when no server is there, or all are replicas.
    pub async fn connect(servers: &Servers, keeps: Keeps, is_pooled: bool) -> Result<Self> {
        let mut session = connect::first(servers, is_pooled).await?;
        let preparing = async {
            if keeps.offsets {
                session.create_tables(&OFFSETS).await?;
            }
            if keeps.state {
                session.create_tables(&STATE).await?;
            }
            session.leave_own_schema().await
        };
        match tokio::time::timeout(servers.timeout, preparing).await {
            Ok(prepared) => prepared?,
            Err(_) => return Err(connect::late()),
        }
        Ok(session)
    }

    /// A statement that begins a transaction.
    pub fn begin_statement(&self) -> &str {
        &self.begin
    }

    /// Begins a transaction, for statements that go together.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn begin(&mut self) -> sqlx::Result<sqlx::Transaction<'_, Postgres>> {
        self.connection.begin_with(self.begin.clone()).await
    }

    /// Takes back an open transaction. False: the connection is of no more use.
    pub async fn roll_back(&mut self) -> bool {
        let rolled_back = self.connection.execute("ROLLBACK");
        rolled_back.await.is_ok()
    }

    /// Creates tables of Ferrule's own where they are absent. A role that may not create them can
    /// still use them when someone else did.
    async fn create_tables(&mut self, tables: &Tables) -> Result<()> {
        let Tables { shown, file, .. } = tables;
        let present: sqlx::Result<bool> =
            async { self.row(tables.present).await?.try_get(0) }.await;
        if present.map_err(|e| to_error(&format!("cannot look for the table {shown}"), &e))? {
            return Ok(());
        }
        let created = async {
            let mut transaction = self.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .persistent(false)
                .bind(CREATION_LOCK)
                .execute(&mut *transaction)
                .await?;
            transaction.execute(tables.statements).await?;
            transaction.commit().await
        };
        match created.await {
            Ok(()) => {
                tracing::info!("created the table {shown}");
                Ok(())
            }
            Err(error) if policy_of(&error) == Policy::Config => {
                let text = format!(
                    "cannot create the table {shown}, let an administrator run {file}: {}",
                    describe(&error)
                );
                Err(Error::config(text).transient())
            }
            Err(error) => Err(to_error(
                &format!("cannot create the table {shown}"),
                &error,
            )),
        }
    }

    /// Puts Ferrule's own schema last on the search path, where it is first for a role of its name:
    /// tables that are made are the user's.
    async fn leave_own_schema(&mut self) -> Result<()> {
        let path = "SELECT 'ferrule' = ANY (current_schemas(false)) AS own, \
            array_to_string(ARRAY(SELECT quote_ident(name) \
            FROM unnest(current_schemas(false)) AS path(name) WHERE name <> 'ferrule'), ', ') \
            AS others";
        let leaving = async {
            let row = self.row(path).await?;
            if !row.try_get::<bool, _>("own")? {
                return Ok(());
            }
            let mut others: String = row.try_get("others")?;
            if others.is_empty() {
                others.push_str("public");
            }
            others.push_str(", ferrule");
            if self.is_pooled {
                self.begin.push_str("; SET LOCAL search_path = ");
                self.begin.push_str(&others);
                return Ok(());
            }
            let set = format!("SET search_path = {others}");
            self.connection.execute(&*set).await?;
            Ok(())
        };
        let left: sqlx::Result<()> = leaving.await;
        left.map_err(|error| to_error("cannot set the search path", &error))
    }

    /// How far the history of the database has come. None: it does not say.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn history(&mut self) -> Result<Option<TargetHistory>> {
        let number = |row: &PgRow, column: &str| -> sqlx::Result<Option<u64>> {
            let number: Option<i64> = row.try_get(column)?;
            Ok(number.and_then(|number| u64::try_from(number).ok()))
        };
        let found = self.row(HISTORY).await.and_then(|row| {
            Ok(TargetHistory {
                timeline: number(&row, "timeline")?.unwrap_or_default(),
                position: number(&row, "position")?.unwrap_or_default(),
                begins_at: number(&row, "begins_at")?,
            })
        });
        match found {
            Ok(history) => Ok(Some(history)),
            Err(error) => match policy_of(&error) {
                Policy::Reconnect | Policy::Retry => Err(to_error(
                    "cannot ask where the write-ahead log stands",
                    &error,
                )),
                _ => Ok(None),
            },
        }
    }

    /// The row of a query without parameters, by the protocol that needs no prepared statement.
    async fn row(&mut self, query: &'static str) -> sqlx::Result<PgRow> {
        self.connection.fetch_one(query).await
    }
}
