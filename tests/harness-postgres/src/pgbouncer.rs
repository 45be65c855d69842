//! PgBouncer in front of a Postgres: each transaction gets another session of the server.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::postgres::{PASSWORD, TestPostgres, USER};
use crate::process::{POSTGRES_USER, Server, guarded, guarded_as, is_root};
use crate::wait::wait_until;
use crate::{names, run};

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A pooler in transaction mode with few sessions of the server.
pub struct PgBouncer {
    port: u16,
    _server: Server,
}

impl PgBouncer {
    /// Starts one with lines of its own in the section `[pgbouncer]`.
    pub async fn start(postgres: &TestPostgres, settings: &str) -> Result<Self> {
        ensure!(
            Path::new(PROGRAM).exists(),
            "{PROGRAM} is missing: run `make services`"
        );
        let port = names::free_port()?;
        let folder = if is_root() {
            run::folder_of(POSTGRES_USER, "pgbouncer")?
        } else {
            run::folder("pgbouncer")?
        };
        let (users, file) = (folder.join("users"), folder.join("pgbouncer.ini"));
        std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n\
             server_round_robin = 1\n{settings}\n",
            postgres.port(),
            users.display()
        );
        std::fs::write(&file, text)?;
        let mut command: Command = if is_root() {
            guarded_as(POSTGRES_USER, Path::new(PROGRAM))
        } else {
            guarded(Path::new(PROGRAM))
        };
        command.arg(&file).current_dir("/");
        let log = run::folder("pgbouncer-log")?.join("log");
        let mut server = Server::spawn("PgBouncer", command, &log)?;
        let limit = Duration::from_secs(10);
        wait_until(limit, "PgBouncer to listen", async || {
            server.ensure_running()?;
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })
        .await
        .context("PgBouncer")?;
        Ok(Self {
            port,
            _server: server,
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}
