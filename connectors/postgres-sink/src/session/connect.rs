//! To the first server that is there and takes writes, as libpq goes through a list of hosts.

use std::collections::HashMap;

use connect_api::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{PgConnection, Row};

use super::refusal::{self, refusal};
use super::{IDLE_LIMIT, Servers, Session};
use crate::error::{Policy, policy_of, sqlstate, to_error};

/// A startup parameter was refused: poolers take few.
const PROTOCOL_VIOLATION: &str = "08P01";
/// No entry of `pg_hba.conf` lets this client in, with or without encryption.
const NOT_AUTHORISED: &str = "28000";

const IDENTIFY: &str = "SELECT pg_is_in_recovery() AS is_replica, \
    current_setting('transaction_read_only') = 'on' AS is_read_only, \
    (SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') AS idle, \
    has_database_privilege(current_database(), 'TEMPORARY') AS may_stage, \
    concat_ws('/', application_name, pid, extract(epoch FROM backend_start)) AS owner \
    FROM pg_stat_activity WHERE pid = pg_backend_pid()";

/// Which database it is. A standby and a restored backup have the system identifier of the server
/// that they were copied from.
const TARGET: &str = "SELECT system_identifier || '/' || \
    (SELECT oid FROM pg_database WHERE datname = current_database()) AS target \
    FROM pg_control_system()";
/// For a role that may not ask for the system identifier.
const DATABASE: &str = "SELECT 'unknown/' || oid AS target FROM pg_database \
    WHERE datname = current_database()";

pub(super) fn late() -> Error {
    Error::retriable("cannot make a session of Postgres ready within connection.timeout.ms")
}

/// A session of the first server that takes writes.
pub(super) async fn first(servers: &Servers, is_pooled: bool) -> Result<Session> {
    let mut refusals: Vec<Error> = Vec::new();
    for host in &servers.hosts {
        match open_in_time(servers, host, is_pooled).await {
            Ok(session) => {
                servers.login.let_in();
                return Ok(session);
            }
            Err(error) if error.kind() != ErrorKind::Retriable => return Err(error),
            Err(error) => refusals.push(error),
        }
    }
    if let [_] = refusals[..] {
        return Err(refusals.remove(0));
    }
    let refusals: Vec<_> = refusals.iter().map(Error::chain).collect();
    Err(Error::retriable(format!(
        "no server of connection.url takes writes ({})",
        refusals.join("; ")
    )))
}

async fn open_in_time(
    servers: &Servers,
    host: &PgConnectOptions,
    is_pooled: bool,
) -> Result<Session> {
    let host = servers.signed(host).await?;
    let opening = tokio::time::timeout(servers.timeout, open(servers, &host, is_pooled));
    opening.await.unwrap_or_else(|_| Err(refusal::late(&host)))
}

async fn open(servers: &Servers, host: &PgConnectOptions, is_pooled: bool) -> Result<Session> {
    if is_pooled {
        return pooled(servers, host).await;
    }
    let settings = servers.settings.iter().map(|(name, value)| (name, value));
    let connection = match encrypted(servers, &host.clone().options(settings)).await {
        // pgbouncer's words for a parameter of the start-up that it would not keep.
        Err(error) if sqlstate(&error) == Some(PROTOCOL_VIOLATION) => {
            return pooled(servers, host).await;
        }
        connection => connection.map_err(|e| refusal(servers, host, &e))?,
    };
    let session = Session {
        connection,
        owner: String::new(),
        target: String::new(),
        staging: HashMap::new(),
        staged: 0,
        may_stage: true,
        is_pooled: false,
        begin: "BEGIN".to_owned(),
    };
    match identify(session, servers, host).await? {
        Some(session) => Ok(session),
        // It did not complain, but the settings did not arrive.
        None => pooled(servers, host).await,
    }
}

/// A session behind a pooler that gives each transaction another one of the server.
async fn pooled(servers: &Servers, host: &PgConnectOptions) -> Result<Session> {
    let options = host
        .clone()
        .extra_float_digits(None)
        .statement_cache_capacity(0);
    let connection = encrypted(servers, &options).await;
    let connection = connection.map_err(|e| refusal(servers, host, &e))?;
    let mut begin = "BEGIN".to_owned();
    // The pooler's own connections stay as they are.
    let settings = servers.settings.iter();
    for (name, value) in settings.filter(|(name, _)| !name.starts_with("tcp_")) {
        let (name, value) = (name.replace('\'', "''"), value.replace('\'', "''"));
        begin.push_str(&format!("; SELECT set_config('{name}', '{value}', true)"));
    }
    tracing::info!(
        "a pooler is between here and Postgres: settings and staging tables last for a transaction"
    );
    let session = Session {
        connection,
        owner: String::new(),
        target: String::new(),
        staging: HashMap::new(),
        staged: 0,
        may_stage: true,
        is_pooled: true,
        begin,
    };
    match identify(session, servers, host).await? {
        Some(session) => Ok(session),
        None => Err(Error::fatal("a pooled session was taken for a direct one")),
    }
}

/// Connects with and without encryption, in the order that `sslmode` says.
pub(crate) async fn encrypted(
    servers: &Servers,
    options: &PgConnectOptions,
) -> sqlx::Result<PgConnection> {
    let connect = async |options: &PgConnectOptions| servers.certificates.connect(options).await;
    let (first, second) = match options.get_ssl_mode() {
        PgSslMode::Allow => (PgSslMode::Disable, PgSslMode::Require),
        PgSslMode::Prefer => (PgSslMode::Prefer, PgSslMode::Disable),
        _ => return connect(options).await,
    };
    match connect(&options.clone().ssl_mode(first)).await {
        Err(error) if is_about_encryption(&error) => {
            connect(&options.clone().ssl_mode(second)).await
        }
        connected => connected,
    }
}

fn is_about_encryption(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => sqlstate(error) == Some(NOT_AUTHORISED),
    }
}

/// Learns who the session is. None: its settings did not reach the server.
async fn identify(
    mut session: Session,
    servers: &Servers,
    host: &PgConnectOptions,
) -> Result<Option<Session>> {
    // A pooler may let everybody in, and only now look for a server.
    let failed = |error: sqlx::Error| match servers.login.is_waited_for(&error) {
        true => refusal(servers, host, &error),
        false => to_error("cannot identify the session", &error),
    };
    let at = refusal::address(host);
    let row = match session.row(IDENTIFY).await {
        Err(error) if policy_of(&error) == Policy::Config => return Err(failed(error)),
        row => row.map_err(failed)?,
    };
    if row.try_get("is_replica").map_err(failed)? {
        return Err(Error::retriable(format!(
            "the server at {at} is a replica, which takes no writes; check the host in connection.url"
        )));
    }
    if row.try_get("is_read_only").map_err(failed)? {
        return Err(Error::retriable(format!(
            "the server at {at} is read-only: a replica, or a former primary"
        )));
    }
    session.may_stage = row.try_get("may_stage").map_err(failed)?;
    let idle: String = row.try_get("idle").map_err(failed)?;
    if session.is_pooled {
        // No session is its own, so none may be ended for it.
        session.owner = "pooled".to_owned();
    } else if idle != IDLE_LIMIT {
        return Ok(None);
    } else {
        session.owner = row.try_get("owner").map_err(failed)?;
    }
    let target = match session.row(TARGET).await {
        Err(error) if policy_of(&error) == Policy::Config => session.row(DATABASE).await,
        target => target,
    };
    let target = target.and_then(|row| row.try_get("target"));
    session.target = target.map_err(failed)?;
    if !session.may_stage {
        tracing::warn!(
            "the role may make no temporary tables: upserts, updates and deletes go by INSERT and \
             DELETE with many rows, which is slower than COPY; GRANT TEMPORARY ON DATABASE changes \
             that"
        );
    }
    Ok(Some(session))
}
