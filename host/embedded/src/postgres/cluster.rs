//! The data directory: made once and whole, owned by the account that runs the server.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::install::{Account, Binaries};
use super::{POLL, PostgresOptions};
use crate::{Error, Result};

/// How long a server that lost its parent may take to end before we give up on its directory.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(20);

/// Where `postmaster.pid` has the port and, once connections are taken, the word `ready`.
const PORT_LINE: usize = 3;
const STATUS_LINE: usize = 7;

/// A directory of ours with `data` (Postgres's) and `postgres.log` in it.
pub(super) struct Cluster<'a> {
    root: PathBuf,
    binaries: &'a Binaries,
    account: Option<&'a Account>,
}

impl<'a> Cluster<'a> {
    /// Takes `root`, made here where it is missing, for the server's account.
    pub(super) fn open(
        root: PathBuf,
        binaries: &'a Binaries,
        account: Option<&'a Account>,
    ) -> Result<Self> {
        let fail = |reason: String| Error::DataDir {
            path: root.clone(),
            reason,
        };
        fs::create_dir_all(&root).map_err(|error| fail(error.to_string()))?;
        let mut entries = fs::read_dir(&root).map_err(|error| fail(error.to_string()))?;
        let foreign = entries.next().is_some() && !root.join("postgres.log").exists();
        if foreign {
            return Err(fail(
                "not empty and not made by ferrule, name another".to_owned(),
            ));
        }
        let root = std::path::absolute(&root).map_err(|error| fail(error.to_string()))?;
        let cluster = Self {
            root,
            binaries,
            account,
        };
        cluster.own(&cluster.root)?;
        drop(cluster.open_log()?);
        cluster.own(&cluster.log())?;
        Ok(cluster)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.binaries.program(name)
    }

    pub(super) fn version(&self) -> String {
        let version = fs::read_to_string(self.data().join("PG_VERSION")).unwrap_or_default();
        version.trim().to_owned()
    }

    /// Waits for the server of an earlier run, told to stop when that run was killed.
    pub(super) async fn wait_for_predecessor(&self) -> Result<()> {
        let deadline = Instant::now() + PREDECESSOR_TIMEOUT;
        while let Some(port) = self.pid_file(PORT_LINE).and_then(|port| port.parse().ok()) {
            if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_err() {
                // Stale: the server checks the process itself and takes the file over.
                return Ok(());
            }
            if Instant::now() >= deadline {
                let reason = format!("in use by the server on port {port}");
                return Err(Error::DataDir {
                    path: self.root.clone(),
                    reason,
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Makes user and database beside the final place and moves them there when whole, so that a
    /// run killed half way leaves nothing that looks like a database.
    pub(super) async fn create_if_missing(&self, options: &PostgresOptions) -> Result<()> {
        if self.data().join("PG_VERSION").exists() {
            return Ok(());
        }
        let unfinished = self.root.join("data.new");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("removing an unfinished data directory")(error));
            }
            _ => {}
        }
        self.initdb(&unfinished, options).await?;
        self.create_database(&unfinished, &options.database).await?;
        fs::rename(&unfinished, self.data()).map_err(Error::io("naming the data directory"))
    }

    /// Whether the server of this process id takes connections, by the word that `pg_ctl` reads.
    pub(super) fn is_ready(&self, pid: Option<u32>) -> bool {
        let is_ours = self.pid_file(0).and_then(|line| line.parse().ok()) == pid;
        is_ours
            && self
                .pid_file(STATUS_LINE)
                .is_some_and(|status| status == "ready")
    }

    /// Runs a command as the server's account, its output into the log.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<Child> {
        let log = self.open_log()?;
        let second = log
            .try_clone()
            .map_err(Error::io("opening the log of Postgres"))?;
        if let Some(account) = self.account {
            account.apply(command);
        }
        command
            .current_dir(&self.root)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(second));
        command.spawn().map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => Error::DataDir {
                path: self.root.clone(),
                reason: "the server's user cannot reach it, name one below /tmp".to_owned(),
            },
            _ => Error::io("starting a program of Postgres")(error),
        })
    }

    async fn initdb(&self, data: &Path, options: &PostgresOptions) -> Result<()> {
        let password = self.root.join("password");
        self.write_secret(&password, &options.password)?;
        let mut command = Command::new(self.program("initdb"));
        command
            .arg("-D")
            .arg(data)
            .arg("-U")
            .arg(&options.user)
            .arg("--pwfile")
            .arg(&password);
        command.args([
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let made = self.run(command, None, "initdb").await;
        fs::remove_file(&password).map_err(Error::io("removing the password file"))?;
        made
    }

    /// In single-user mode: it needs no client program, no port and no password.
    async fn create_database(&self, data: &Path, database: &str) -> Result<()> {
        if database == "postgres" {
            return Ok(());
        }
        if database.contains(['\n', '\0']) {
            return Err(Error::Postgres(
                "the database's name has a line break".to_owned(),
            ));
        }
        let mut command = Command::new(self.program("postgres"));
        command.arg("--single").arg("-D").arg(data);
        command.args(["-c", "fsync=off", "-c", "exit_on_error=true", "postgres"]);
        let statement = format!("CREATE DATABASE \"{}\"\n", database.replace('"', "\"\""));
        self.run(command, Some(statement), "creating the database")
            .await
    }

    async fn run(&self, mut command: Command, input: Option<String>, what: &str) -> Result<()> {
        let before = self.read_log().len();
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = self.spawn(&mut command)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin
                .write_all(input.as_bytes())
                .await
                .map_err(Error::io(what))?;
        }
        let status = child.wait().await.map_err(Error::io(what))?;
        if status.success() {
            return Ok(());
        }
        let log = self.read_log();
        let said = tail(log.get(before..).unwrap_or_default());
        Err(Error::Postgres(format!(
            "{what} ended with {status}: {said}"
        )))
    }

    fn write_secret(&self, path: &Path, secret: &str) -> Result<()> {
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)?;
            writeln!(file, "{secret}")
        };
        write().map_err(Error::io("writing the password file"))?;
        self.own(path)
    }

    fn own(&self, path: &Path) -> Result<()> {
        if path == self.root {
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(path, private).map_err(Error::io("closing the data directory"))?;
        }
        let Some(account) = self.account else {
            return Ok(());
        };
        chown(path, Some(account.uid), Some(account.gid))
            .map_err(Error::io("giving the data directory to the server's user"))
    }

    fn open_log(&self) -> Result<File> {
        let mut options = OpenOptions::new();
        options
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(Error::io("opening the log"))
    }

    fn read_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn pid_file(&self, line: usize) -> Option<String> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().nth(line).map(|line| line.trim().to_owned())
    }
}

/// The last lines of a log, on one line, for an error.
pub(super) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        assert_eq!(tail("a\nb\n\nc\n d\ne\n"), "b | c | d | e");
        assert_eq!(tail(""), "");
    }
}
