//! The Postgres of `ferrule dev`: a server of its own, from the installed binaries.

mod cluster;
mod install;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tracing::info;

use self::cluster::Cluster;
use self::install::{Account, Binaries};
use crate::{Error, Result};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Replaces itself by the server, leaving behind a guard that waits on our end of a pipe: when it
/// closes, because we stop or because we were killed, the guard asks the server for a fast
/// shutdown. The parent-death signal would do it on Linux alone, and it follows the *thread* that
/// spawned. The guard is orphaned on purpose: the server must not count it as a child.
const GUARDED: &str = r#"exec 3<&0
( { read -r _ <&3; [ -e "$0/postmaster.pid" ] && kill -INT $$; } & )
exec "$@" </dev/null 3<&-"#;

/// How to start a [`Postgres`].
#[derive(Clone)]
pub struct PostgresOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Where the data stays between runs; `None` is a fresh directory, removed by
    /// [`Postgres::stop`].
    pub data_dir: Option<PathBuf>,
    /// The superuser made when the data directory is new.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database made when the data directory is new.
    pub database: String,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        let name = || "ferrule".to_owned();
        Self {
            port: 5432,
            data_dir: None,
            user: name(),
            password: name(),
            database: name(),
        }
    }
}

/// A Postgres server that lives as long as this process, on 127.0.0.1 only.
///
/// It is quick rather than durable: `fsync`, `synchronous_commit` and `full_page_writes` are off.
/// Commits survive the end of this process and of the server, not that of the machine.
#[derive(Debug)]
pub struct Postgres {
    addr: SocketAddr,
    url: String,
    version: String,
    log: PathBuf,
    server: Child,
    temporary: Option<TempDir>,
}

impl Postgres {
    /// Starts a server and waits until it takes connections; makes the data directory, the user
    /// and the database where they are missing. A directory left by an earlier run is used again.
    ///
    /// As root, the server runs as the user `postgres`, or `nobody` where there is none.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let binaries = Binaries::find()?;
        let account = Account::find().await?;
        let (root, temporary) = match &options.data_dir {
            Some(path) => (path.clone(), None),
            None => {
                let made = tempfile::Builder::new()
                    .prefix("ferrule-postgres-")
                    .tempdir();
                let made = made.map_err(Error::io("making a data directory for Postgres"))?;
                (made.path().to_owned(), Some(made))
            }
        };
        let cluster = Cluster::open(root, &binaries, account.as_ref())?;
        cluster.wait_for_predecessor().await?;
        let addr = free_port(options.port)?;
        let url = url(&options, addr)?;
        cluster.create_if_missing(&options).await?;
        let server = cluster.spawn(&mut guarded(&cluster, addr))?;
        let log = cluster.log();
        let version = cluster.version();
        let mut postgres = Self {
            addr,
            url,
            version,
            log,
            server,
            temporary,
        };
        postgres.ready(&cluster).await?;
        info!(%addr, version = postgres.version, "embedded Postgres listens");
        Ok(postgres)
    }

    /// `postgres://user:password@127.0.0.1:port/database`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its major version, as its data directory names it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where it writes its log.
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    /// Fast shutdown: open transactions are rolled back, the rest is kept; then, where the data
    /// directory was a temporary one, it is removed.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.server.stdin.take());
        let Ok(ended) = tokio::time::timeout(STOP_TIMEOUT, self.server.wait()).await else {
            let killed = self.server.kill().await;
            killed.map_err(Error::io("killing Postgres"))?;
            return Err(Error::Postgres(format!(
                "did not stop in {STOP_TIMEOUT:?}, killed"
            )));
        };
        let status = ended.map_err(Error::io("waiting for Postgres to stop"))?;
        if let Some(directory) = self.temporary.take() {
            directory
                .close()
                .map_err(Error::io("removing the data directory of Postgres"))?;
        }
        if status.success() {
            Ok(())
        } else {
            Err(self.ended(status))
        }
    }

    async fn ready(&mut self, cluster: &Cluster<'_>) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let ended = self
                .server
                .try_wait()
                .map_err(Error::io("watching Postgres"))?;
            if let Some(status) = ended {
                return Err(self.ended(status));
            }
            if cluster.is_ready(self.server.id()) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Error::Postgres(format!(
            "not ready in {START_TIMEOUT:?}, see {}",
            self.log.display()
        )))
    }

    fn ended(&self, status: ExitStatus) -> Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        Error::Postgres(format!(
            "server ended with {status}: {}",
            cluster::tail(&log)
        ))
    }
}

/// The command that runs the server under its guard.
fn guarded(cluster: &Cluster<'_>, addr: SocketAddr) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", GUARDED])
        .arg(cluster.data())
        .arg(cluster.program("postgres"));
    command
        .arg("-D")
        .arg(cluster.data())
        .arg("-p")
        .arg(addr.port().to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        // A socket directory would be one more path to own; psql takes the URL.
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "max_wal_size=4GB",
        "shared_buffers=256MB",
        "max_connections=100",
        "log_line_prefix=%m [%p] ",
    ] {
        command.arg("-c").arg(setting);
    }
    // A group of its own: Ctrl-C in the terminal is for the worker, which drains first.
    command.process_group(0).stdin(Stdio::piped());
    command
}

fn free_port(port: u16) -> Result<SocketAddr> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bind = |source| Error::Bind {
        service: "embedded Postgres",
        addr,
        source,
    };
    TcpListener::bind(addr)
        .and_then(|listener| listener.local_addr())
        .map_err(bind)
}

fn url(options: &PostgresOptions, addr: SocketAddr) -> Result<String> {
    let refused = || Error::Postgres("user, password or database does not fit a URL".to_owned());
    let mut url = reqwest::Url::parse(&format!("postgres://{addr}/")).map_err(|_| refused())?;
    // The setters take a percent sign for the start of an escape.
    let escaped = |text: &str| text.replace('%', "%25");
    url.set_username(&escaped(&options.user))
        .map_err(|()| refused())?;
    url.set_password(Some(&escaped(&options.password)))
        .map_err(|()| refused())?;
    url.path_segments_mut()
        .map_err(|()| refused())?
        .clear()
        .push(&options.database);
    Ok(url.into())
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("port", &self.port)
            .field("data_dir", &self.data_dir)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_password(password: &str) -> PostgresOptions {
        PostgresOptions {
            password: password.to_owned(),
            ..PostgresOptions::default()
        }
    }

    #[test]
    fn a_password_of_url_characters_is_escaped() {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 5499));
        let url = url(&with_password("p@ss/w:rd%"), addr).expect("a url");
        assert_eq!(
            url,
            "postgres://ferrule:p%40ss%2Fw%3Ard%25@127.0.0.1:5499/ferrule"
        );
    }

    #[test]
    fn debug_output_has_no_password() {
        let shown = format!("{:?}", with_password("hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
