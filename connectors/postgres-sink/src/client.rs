//! Connections for those who only read: addresses, certificates and settings are the sink's.

use std::time::Duration;

use connect_api::{Config, Error, ErrorKind, ProvidedOptions, Result, Secret};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::error::to_error;
use crate::session::{Access, Servers, encrypted, late_connect, refusal};

/// Where a database is.
#[derive(Clone, Debug)]
pub struct ReadClient(Access);

/// The servers to connect to, and how.
fn servers(config: &Config) -> Result<Servers> {
    let target = crate::url::parse(config.text("connection.url"))
        .map_err(|why| Error::config(format!("connection.url: {why}")))?;
    let timeout = Duration::from_millis(config.integer("connection.timeout.ms").unsigned_abs());
    let mut servers = target.servers(
        config.optional_text("connection.user"),
        config.secret("connection.password").map(Secret::expose),
        timeout,
    );
    // Here they are the client's alone.
    let settings = std::mem::take(&mut servers.settings);
    let set = |host: PgConnectOptions| host.options(settings.iter().map(|(k, v)| (k, v)));
    servers.hosts = servers.hosts.into_iter().map(set).collect();
    Ok(servers)
}

impl ReadClient {
    /// Of `connection.url`, `connection.user`, `connection.password` and `connection.timeout.ms`,
    /// which the config must declare. What `provided` gives of them is asked for at each connect.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the URL is none.
    pub fn new(config: &Config, provided: Option<ProvidedOptions>) -> Result<Self> {
        let started = servers(config)?;
        started.warn_of_ignored();
        Ok(Self(Access::new(started, provided, servers)))
    }

    /// Whether a text is an address of Postgres.
    ///
    /// # Errors
    /// What is wrong with it; never the address, which may hold a password.
    pub fn check_url(text: &str) -> std::result::Result<(), String> {
        crate::url::parse(text).map(drop)
    }

    /// Connects to the first server that is there; a standby is as good as any.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when none answers, or the login may be let in later;
    /// [`connect_api::ErrorKind::Config`] when it is refused for good.
    pub async fn connect(&self) -> Result<PgConnection> {
        let servers = self.0.servers().await?;
        let mut refused = Error::retriable("connection.url names no server");
        for host in &servers.hosts {
            let host = &servers.signed(host).await?;
            let connecting = encrypted(&servers, host);
            refused = match tokio::time::timeout(servers.timeout, connecting).await {
                Ok(Ok(connection)) => {
                    servers.login.let_in();
                    return Ok(connection);
                }
                Ok(Err(error)) => refusal(&servers, host, &error),
                Err(_) => late_connect(host),
            };
            if refused.kind() != ErrorKind::Retriable {
                break;
            }
        }
        Err(refused)
    }
}

/// A failure of a statement, as the worker knows it: without values of rows.
pub fn statement_error(doing: &str, error: &sqlx::Error) -> Error {
    to_error(doing, error)
}
