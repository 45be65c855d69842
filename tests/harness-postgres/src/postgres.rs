//! A real PostgreSQL 15 with a fresh database for each test.

mod database;
mod tls;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};

pub use database::TestDatabase;
pub use tls::Certificates;

use crate::process::{POSTGRES_USER, guarded, guarded_as, is_root};
use crate::service::{Service, Shared, shared};
use crate::{install, names, run};

/// The role that owns the tests' databases: no superuser, and it must give its password.
pub const USER: &str = "ferrule";
/// The password of [`USER`].
pub const PASSWORD: &str = "ferrule";

const COMMON: [&str; 4] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "max_wal_size=2GB",
];
const QUICK: &[&str] = &["fsync=off", "full_page_writes=off"];

const START_LIMIT: Duration = Duration::from_secs(30);

/// A Postgres server of the tests. It does not sync to disk: a test may kill the server's
/// processes, but none pulls the plug of the machine.
pub struct TestPostgres {
    port: u16,
    settings: &'static [&'static str],
    data: PathBuf,
    service: Service,
}

impl TestPostgres {
    /// The server that all tests of the run share, started by the first that asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: Shared<TestPostgres> = Shared::const_new();
        shared(&SHARED, "Postgres", Self::start).await
    }

    /// A server for one test, which may stop and kill it.
    pub async fn start() -> Result<Self> {
        Self::start_with(QUICK).await
    }

    /// A server that syncs to disk as in production, for what is measured; hundreds of tasks may
    /// have a connection each.
    pub async fn start_durable() -> Result<Self> {
        Self::start_with(&["max_connections=1000"]).await
    }

    async fn start_with(settings: &'static [&'static str]) -> Result<Self> {
        let data = server_folder("postgres")?;
        let postgres = Self {
            port: names::free_port()?,
            settings,
            data,
            service: service()?,
        };
        postgres.initialise()?;
        postgres.start_again().await?;
        let mut admin = postgres.admin().await?;
        let role = format!("CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'");
        sqlx::query(&role).execute(&mut admin).await?;
        Ok(postgres)
    }

    /// A standby that follows this server through a port, a proxy's or its own. It is behind by as
    /// much as has not come through.
    pub async fn standby(&self, through: u16) -> Result<Self> {
        let standby = Self {
            port: names::free_port()?,
            settings: self.settings,
            data: server_folder("postgres")?,
            service: service()?,
        };
        let mut copy = program("pg_basebackup")?;
        copy.args(["-R", "-X", "stream", "-c", "fast", "-h", "127.0.0.1"])
            .args(["-U", POSTGRES_USER, "-p", &through.to_string(), "-D"])
            .arg(&standby.data);
        let output = copy.output().context("cannot run pg_basebackup")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pg_basebackup failed: {reason}");
        standby.start_again().await?;
        Ok(standby)
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) -> Result<()> {
        let promote = "SELECT pg_promote(true, 30)";
        let query = sqlx::query_scalar(promote);
        let promoted: bool = query.fetch_one(&mut self.admin().await?).await?;
        ensure!(promoted, "the standby was not promoted in time");
        Ok(())
    }

    /// A database of this server that another one made: the primary of a standby.
    pub async fn existing(&self, name: &str) -> Result<TestDatabase> {
        TestDatabase::connect(self.port, name.to_owned()).await
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server, while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.service.pid().await
    }

    /// A new folder that the server may write to, as `COPY … TO 'file'` needs.
    pub fn server_folder(&self, name: &str) -> Result<PathBuf> {
        server_folder(name)
    }

    /// A new connection of the superuser, for what a test does behind the sink's back.
    pub async fn admin(&self) -> Result<PgConnection> {
        let url = format!(
            "postgres://{POSTGRES_USER}@127.0.0.1:{}/postgres",
            self.port
        );
        PgConnection::connect(&url)
            .await
            .context("cannot connect to Postgres")
    }

    /// A new empty database, owned by [`USER`].
    pub async fn database(&self, stem: &str) -> Result<TestDatabase> {
        let name = names::unique(stem).replace('-', "_").to_lowercase();
        let create = format!("CREATE DATABASE {name} OWNER {USER}");
        sqlx::query(&create)
            .execute(&mut self.admin().await?)
            .await?;
        let database = TestDatabase::connect(self.port, name).await?;
        if std::env::var_os("FERRULE_TIMESCALE").is_some() {
            let mut superuser = database.superuser().await?;
            let created = sqlx::query("CREATE EXTENSION timescaledb").execute(&mut superuser);
            created.await.with_context(|| {
                format!(
                    "FERRULE_TIMESCALE asks for TimescaleDB, which {} has not: install it, or let \
                     FERRULE_POSTGRES be the folder of a PostgreSQL that has it",
                    install::postgres().display()
                )
            })?;
        }
        Ok(database)
    }

    /// Starts a stopped or killed server on its port, with its data.
    pub async fn start_again(&self) -> Result<()> {
        let mut postgres = program("postgres")?;
        postgres.arg("-D").arg(&self.data);
        postgres.arg("-c").arg(format!("port={}", self.port));
        for setting in COMMON.iter().chain(self.settings).chain(preloaded()) {
            postgres.args(["-c", setting]);
        }
        self.service
            .start(postgres, START_LIMIT, async || {
                self.admin().await.map(|_| true)
            })
            .await
    }

    /// Stops the server as `pg_ctl stop -m fast` does: open transactions are rolled back.
    pub async fn stop(&self) -> Result<()> {
        self.service.stop("INT").await
    }

    /// Stops the server as `pg_ctl stop -m immediate` does: it recovers at its next start.
    pub async fn crash(&self) -> Result<()> {
        self.service.stop("QUIT").await
    }

    fn initialise(&self) -> Result<()> {
        let mut initdb = program("initdb")?;
        initdb
            .args([
                "-A",
                "trust",
                "-U",
                POSTGRES_USER,
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
            ])
            .arg("-D")
            .arg(&self.data)
            .current_dir("/");
        let output = initdb
            .output()
            .context("cannot run initdb: run `make services`")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "initdb failed: {reason}");
        let access = format!(
            "host all {USER} 127.0.0.1/32 scram-sha-256\nhost all,replication all 127.0.0.1/32 trust\n"
        );
        // The file is Postgres's already, so writing as root leaves its owner as it is.
        Ok(std::fs::write(self.data.join("pg_hba.conf"), access)?)
    }
}

fn program(name: &str) -> Result<Command> {
    let program = install::postgres_program(name)?;
    let mut command = if is_root() {
        guarded_as(POSTGRES_USER, &program)
    } else {
        guarded(&program)
    };
    command.current_dir("/");
    Ok(command)
}

fn service() -> Result<Service> {
    Ok(Service::new(
        "Postgres",
        run::folder("postgres-log")?.join("log"),
    ))
}

/// TimescaleDB must be loaded with the server to be used in any of its databases.
fn preloaded() -> &'static [&'static str] {
    let library = install::postgres().join("lib/timescaledb.so");
    match std::fs::exists(library) {
        Ok(true) => &[
            "shared_preload_libraries=timescaledb",
            "timescaledb.telemetry_level=off",
        ],
        _ => &[],
    }
}

/// A new folder that the server may write to, whoever runs it.
fn server_folder(name: &str) -> Result<PathBuf> {
    if is_root() {
        run::folder_of(POSTGRES_USER, name)
    } else {
        run::folder(name)
    }
}
