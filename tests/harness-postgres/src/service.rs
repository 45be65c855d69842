//! What all servers of a run have in common: the first test that asks starts them, and a test may
//! stop, kill and start its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tokio::sync::{Mutex, OnceCell};

use crate::process::Server;
use crate::wait::wait_until;

const STOP_LIMIT: Duration = Duration::from_secs(30);

/// One that all tests of a run share, or why it could not be started.
pub type Shared<T> = OnceCell<Result<T, String>>;

/// The shared one, started by the first that asks.
pub async fn shared<T>(
    cell: &'static Shared<T>,
    what: &str,
    start: impl AsyncFnOnce() -> Result<T>,
) -> Result<&'static T> {
    cell.get_or_init(async || start().await.map_err(|error| format!("{error:#}")))
        .await
        .as_ref()
        .map_err(|reason| anyhow!("no {what}: {reason}"))
}

/// A server that can be stopped and started again.
pub struct Service {
    name: &'static str,
    log: PathBuf,
    server: Mutex<Option<Server>>,
}

impl Service {
    /// One that is not running yet.
    pub fn new(name: &'static str, log: PathBuf) -> Self {
        Self {
            name,
            log,
            server: Mutex::new(None),
        }
    }

    /// Starts it, and waits until it is ready.
    pub async fn start(
        &self,
        command: Command,
        limit: Duration,
        mut ready: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let mut server = self.server.lock().await;
        ensure!(server.is_none(), "{} is running", self.name);
        let started = server.insert(Server::spawn(self.name, command, &self.log)?);
        wait_until(limit, &format!("{} to start", self.name), async || {
            if started.ensure_running().is_err() {
                return Ok(true);
            }
            ready().await
        })
        .await?;
        started.ensure_running()
    }

    /// The process id, while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.server.lock().await.as_ref().map(Server::pid)
    }

    /// Ends it with a signal, and waits.
    pub async fn stop(&self, signal: &str) -> Result<()> {
        self.take().await?.stop(signal, STOP_LIMIT).await?;
        Ok(())
    }

    /// Ends it as a crash would.
    pub async fn kill(&self) -> Result<()> {
        self.take().await?.kill()?;
        Ok(())
    }

    async fn take(&self) -> Result<Server> {
        let server = self.server.lock().await.take();
        server.with_context(|| format!("{} is not running", self.name))
    }
}
