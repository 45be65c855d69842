//! A server process: started so that it cannot outlive the tests, signalled, waited for.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

/// The account that Debian makes for Postgres, which refuses to run as root.
pub const POSTGRES_USER: &str = "postgres";

/// A running server. It is killed when dropped.
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Whether this process may change to another user, and must for Postgres.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A command whose process the kernel kills when the tests end, however they end.
pub fn guarded(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// The same, run by another user. `setpriv` sets the death signal after the ids, as it must: the
/// kernel forgets the signal when the ids change.
pub fn guarded_as(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            user,
            "--regid",
            user,
            "--init-groups",
            "--pdeathsig",
            "KILL",
        ])
        .arg(program);
    command
}

impl Server {
    /// Starts `command` with its output appended to `log`.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let child = spawn(command).with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails with the end of the log when the process has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended with {status}:\n{}",
                self.name,
                tail(&self.log, 30)
            );
        }
        Ok(())
    }

    /// Sends a signal by its short name: `TERM`, `INT`, `QUIT`, `STOP`, `CONT`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("sh")
            .args([
                "-c",
                r#"kill -s "$0" "$1""#,
                signal,
                &self.pid().to_string(),
            ])
            .status()?;
        ensure!(sent.success(), "cannot send {signal} to {}", self.name);
        Ok(())
    }

    /// Sends a signal and waits for the end; past `limit` it kills and fails.
    pub async fn stop(&mut self, signal: &str, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(signal)?;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                self.kill()?;
                let log = tail(&self.log, 30);
                bail!("{} ran on {limit:?} after {signal}:\n{log}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ = self.kill();
    }
}

/// The last lines of a log, for a person who reads a failed test.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Starts every child from one thread that lives as long as the process. The kernel sends the death
/// signal when the *thread* that started a child ends, and each test runs in a thread of its own:
/// the first test to finish would take the shared servers with it.
fn spawn(command: Command) -> Result<Child> {
    type Request = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Request>> = LazyLock::new(|| {
        let (requests, inbox) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // A caller that is gone needs no child; dropping the handle leaves it to the
                // death signal.
                let _ = reply.send(command.spawn());
            }
        });
        requests
    });
    let (reply, child) = mpsc::channel();
    SPAWNER
        .send((command, reply))
        .map_err(|_| anyhow!("the spawner thread is gone"))?;
    Ok(child.recv()??)
}
