//! The worker under test: the built binary `ferrule` as a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};

use crate::connect::ConnectClient;
use crate::kafka::TestKafka;
use crate::limits::{ControlGroups, Limits};
use crate::process::{Server, guarded, tail};
use crate::service::{Shared, shared};
use crate::wait::wait_until;
use crate::{install, names, run};

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A worker's properties file, before it is written.
#[derive(Clone)]
pub struct WorkerConfig {
    properties: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    /// The limit of open files of the process; none: the tests' own.
    files: Option<u32>,
    /// What its process may have.
    limits: Option<Limits>,
    /// Another binary than the one that was built here.
    binary: Option<PathBuf>,
}

impl WorkerConfig {
    /// A worker of one machine against this Kafka, with a group and topics of its own.
    pub fn new(bootstrap: &str) -> Result<Self> {
        let group = names::unique("worker");
        let plugins = install::plugins()?;
        let config = Self {
            properties: BTreeMap::new(),
            environment: BTreeMap::new(),
            files: None,
            limits: None,
            binary: None,
        };
        Ok(config
            .set("bootstrap.servers", bootstrap)
            .set("group.id", &group)
            .set(
                "listeners",
                &format!("http://127.0.0.1:{}", names::free_port()?),
            )
            .set("config.storage.topic", &format!("{group}-configs"))
            .set("offset.storage.topic", &format!("{group}-offsets"))
            .set("status.storage.topic", &format!("{group}-status"))
            .set("config.storage.replication.factor", "1")
            .set("offset.storage.replication.factor", "1")
            .set("status.storage.replication.factor", "1")
            .set(
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            )
            .set(
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            )
            .set("value.converter.schemas.enable", "false")
            .set("plugin.path", &plugins.display().to_string()))
    }

    /// The same with one property set.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The value of a property.
    pub fn get(&self, key: &str) -> Result<String> {
        let value = self.properties.get(key).cloned();
        value.with_context(|| format!("{key} is not set"))
    }

    /// The same with no more open files than these, as `ulimit -n` sets it.
    #[must_use]
    pub fn limit_files(mut self, files: u32) -> Self {
        self.files = Some(files);
        self
    }

    /// The same with these limits of its process.
    #[must_use]
    pub fn limit(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The same run by another binary, such as one of an earlier version.
    #[must_use]
    pub fn binary(mut self, path: PathBuf) -> Self {
        self.binary = Some(path);
        self
    }

    /// Writes the properties file to a folder, and gives its path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let lines = self.properties.iter();
        let lines = lines.map(|(key, value)| format!("{key}={value}\n"));
        let path = folder.join("worker.properties");
        std::fs::write(&path, lines.collect::<String>())?;
        Ok(path)
    }

    fn ferrule(&self) -> Result<PathBuf> {
        self.binary.clone().map_or_else(install::ferrule, Ok)
    }

    /// The same with an environment variable for the worker's process.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// A worker process, its properties file and its log. The end of the log is printed when the test
/// ends, which the test runner shows only for a test that failed.
pub struct TestWorker {
    config: WorkerConfig,
    folder: PathBuf,
    client: ConnectClient,
    server: Option<Server>,
    // Behind the server: they are removed when the process has ended.
    groups: Option<ControlGroups>,
    quiet: bool,
}

impl TestWorker {
    /// The worker that tests share which stop nothing, started by the first that asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: Shared<TestWorker> = Shared::const_new();
        let start = async || {
            let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
            // A test waits for the group's offsets: they are committed as soon as they may be.
            Self::start(config.set("offset.flush.interval.ms", "100")).await
        };
        shared(&SHARED, "worker", start).await
    }

    /// A worker of the shared Kafka for one test, which may stop and kill it. It has no plugins,
    /// and starts the sooner.
    pub async fn own() -> Result<Self> {
        let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
        Self::start(config.set("plugin.path", "")).await
    }

    /// Starts a worker and waits until it is healthy; one that asks who is there is waited for
    /// until it does. The first of its listeners speaks HTTP.
    pub async fn start(config: WorkerConfig) -> Result<Self> {
        let folder = run::folder("worker")?;
        config.write(&folder)?;
        let base = config
            .properties
            .get("listeners")
            .context("listeners is not set")?;
        let first = base.split(',').next().unwrap_or(base);
        let client = ConnectClient::new(first.to_owned());
        let mut worker = Self {
            config,
            folder,
            client,
            server: None,
            groups: None,
            quiet: false,
        };
        worker.start_again().await?;
        Ok(worker)
    }

    /// The worker's REST API.
    pub fn rest(&self) -> &ConnectClient {
        &self.client
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// The most memory that the process has taken of its limit, in MiB, where a control group
    /// counts it.
    pub fn peak_of_limit(&self) -> Result<Option<u64>> {
        self.groups
            .as_ref()
            .map_or(Ok(None), ControlGroups::peak_mib)
    }

    /// Whether the kernel keeps every limit that the process was given.
    pub fn is_limited(&self) -> bool {
        self.groups.as_ref().is_some_and(ControlGroups::are_kept)
    }

    /// Leaves the end of the log unprinted: for a benchmark, once it went well.
    pub fn be_quiet(&mut self) {
        self.quiet = true;
    }

    /// The file that the worker logs to.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What the worker has logged since its first start.
    pub fn log(&self) -> Result<String> {
        let log = std::fs::read(self.log_file())?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Starts a stopped or killed worker with the same properties.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "this worker is running");
        self.groups = self.config.limits.map(ControlGroups::new);
        let mut ferrule = match (&self.groups, self.config.files) {
            (Some(groups), _) => groups.command(&self.config.ferrule()?),
            (None, None) => guarded(&self.config.ferrule()?),
            (None, Some(files)) => {
                let mut limited = guarded(Path::new("prlimit"));
                limited.arg(format!("--nofile={files}:{files}"));
                limited.arg(self.config.ferrule()?);
                limited
            }
        };
        ferrule
            .arg("worker")
            .arg(self.folder.join("worker.properties"));
        // What the developer's shell sets for a worker must not reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONNECT_") {
                ferrule.env_remove(name);
            }
        }
        ferrule
            .envs(&self.config.environment)
            .current_dir(&self.folder);
        let server = Server::spawn("ferrule worker", ferrule, &self.folder.join("log"))?;
        let server = self.server.insert(server);
        let client = &self.client;
        wait_until(START_LIMIT, "the worker to be healthy", async || {
            if server.ensure_running().is_err() {
                return Ok(true);
            }
            let (status, body) = client.request(Method::GET, "/health", None).await?;
            ensure!(
                matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED),
                "/health answered {status}: {body}"
            );
            Ok(true)
        })
        .await?;
        server.ensure_running()
    }

    /// Asks the worker to stop, as a service manager would, and waits for its end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut server = self.server.take().context("this worker is not running")?;
        server.stop("TERM", STOP_LIMIT).await
    }

    /// Sends a signal by its short name, such as `STOP` and `CONT`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let server = self.server.as_ref().context("this worker does not run")?;
        server.signal(name)
    }

    /// Ends the worker as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("this worker is not running")?;
        server.kill()?;
        Ok(())
    }

    /// Stops the worker in order and starts it again.
    pub async fn restart(&mut self) -> Result<()> {
        let status = self.stop().await?;
        ensure!(status.success(), "the worker ended with {status}");
        self.start_again().await
    }
}

impl Drop for TestWorker {
    fn drop(&mut self) {
        let log = self.folder.join("log");
        if !self.quiet {
            eprintln!("--- {}\n{}", log.display(), tail(&log, 60));
        }
    }
}
