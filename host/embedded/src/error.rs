//! What can go wrong when a service of `ferrule dev` starts or stops.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The result of starting or stopping an embedded service.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an embedded service did not start or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process holds the port.
    #[error("{service} cannot listen on {addr}: {source}")]
    Bind {
        /// Which service wanted it.
        service: &'static str,
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The broker ended or refused to start.
    #[error("embedded Kafka: {0}")]
    Kafka(String),
    /// No server binaries on this machine.
    #[error(
        "no PostgreSQL server found in PATH or /usr/lib/postgresql/*/bin; \
         install it, on Debian: apt-get install postgresql"
    )]
    PostgresMissing,
    /// A server program ended badly or too late.
    #[error("embedded Postgres: {0}")]
    Postgres(String),
    /// The data directory cannot be used.
    #[error("embedded Postgres: data directory {path}: {reason}")]
    DataDir {
        /// The directory asked for.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Postgres refused what the demo asked.
    #[error("{what}: {source}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// What Postgres said.
        source: sqlx::Error,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Names what was tried, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Names what was asked of Postgres, for `map_err`.
    pub(crate) fn sql(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { what, source }
    }
}
