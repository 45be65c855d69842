//! Connections for those who only read: addresses, certificates and settings are the sink's.

use std::time::Duration;

use connect_api::{Config, Error, ErrorKind, Result};
use sqlx::{ConnectOptions as _, PgConnection};

use crate::error::to_error;
use crate::session::{Servers, encrypted};

/// Where a database is.
#[derive(Clone, Debug)]
pub struct ReadClient(Servers);

impl ReadClient {
    /// Of `connection.url`, `connection.user`, `connection.password` and `connection.timeout.ms`,
    /// which the config must declare.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the URL is none.
    pub fn new(config: &Config) -> Result<Self> {
        let target = crate::url::parse(config.text("connection.url"))
            .map_err(|why| Error::config(format!("connection.url: {why}")))?;
        let mut options = target.options.disable_statement_logging();
        if let Some(user) = config.optional_text("connection.user") {
            options = options.username(user);
        }
        if let Some(password) = config.secret("connection.password") {
            options = options.password(password.expose());
        }
        let settings = target.settings.iter().map(|(name, value)| (name, value));
        let options = options.options(settings);
        let hosts = target.hosts.iter();
        let servers = Servers {
            hosts: hosts.map(|host| crate::url::at(&options, host)).collect(),
            settings: target.settings.clone(),
            certificates: target.certificates,
            timeout: Duration::from_millis(config.integer("connection.timeout.ms").unsigned_abs()),
            ignored: target.ignored,
        };
        servers.warn_of_ignored();
        Ok(Self(servers))
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
    /// [`connect_api::ErrorKind::Retriable`] when none answers, [`connect_api::ErrorKind::Config`]
    /// when it refuses the login.
    pub async fn connect(&self) -> Result<PgConnection> {
        let mut refusal = Error::retriable("connection.url names no server");
        for host in &self.0.hosts {
            let connecting = encrypted(&self.0, host);
            refusal = match tokio::time::timeout(self.0.timeout, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => to_error("cannot connect to Postgres", &error),
                Err(_) => {
                    Error::retriable("cannot connect to Postgres within connection.timeout.ms")
                }
            };
            if refusal.kind() != ErrorKind::Retriable {
                break;
            }
        }
        Err(refusal)
    }
}

/// A failure of a statement, as the worker knows it: without values of rows.
pub fn statement_error(doing: &str, error: &sqlx::Error) -> Error {
    to_error(doing, error)
}
