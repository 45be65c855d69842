//! Apache Kafka Connect itself, in distributed mode: the JVM worker that others come from, and go
//! back to.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};

use crate::connect::ConnectClient;
use crate::kafka::TestKafka;
use crate::process::{Server, guarded};
use crate::wait::wait_until;
use crate::{install, names, run};

/// How long a JVM may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What `connect-distributed.sh` gives the JVM.
const JVM: [&str; 8] = [
    "-Xms256M",
    "-Xmx2G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// A worker of Kafka Connect.
pub struct KafkaConnect {
    properties: PathBuf,
    client: ConnectClient,
    server: Server,
}

impl KafkaConnect {
    /// Starts a worker of this group with the default settings, and waits until it is healthy. Its
    /// topics are those that [`crate::worker::WorkerConfig`] names for a group.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(kafka: &TestKafka, group: &str, plugin_path: &Path) -> Result<Self> {
        let jars = install::kafka_jars()?.join("*");
        Self::start_from(&jars.display().to_string(), kafka, group, plugin_path).await
    }

    /// The same of another version, which is in this class path.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_from(
        class_path: &str,
        kafka: &TestKafka,
        group: &str,
        plugin_path: &Path,
    ) -> Result<Self> {
        let folder = run::folder("connect")?;
        let address = format!("http://127.0.0.1:{}", names::free_port()?);
        let properties = format!(
            "bootstrap.servers={}
group.id={group}
listeners={address}
config.storage.topic={group}-configs
offset.storage.topic={group}-offsets
status.storage.topic={group}-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
plugin.path={}
plugin.discovery=service_load
",
            kafka.bootstrap(),
            plugin_path.display()
        );
        std::fs::write(folder.join("worker.properties"), properties)?;
        std::fs::write(folder.join("log4j2.properties"), LOGGING)?;
        let mut java = guarded("java".as_ref());
        java.args(JVM)
            .arg(format!(
                "-Dlog4j2.configurationFile={}",
                folder.join("log4j2.properties").display()
            ))
            .arg("-cp")
            .arg(class_path)
            .arg("org.apache.kafka.connect.cli.ConnectDistributed")
            .arg(folder.join("worker.properties"));
        let server = Server::spawn("Kafka Connect", java, &folder.join("log"))?;
        let client = ConnectClient::new(address);
        let mut worker = Self {
            properties: folder.join("worker.properties"),
            client,
            server,
        };
        let Self { client, server, .. } = &mut worker;
        wait_until(Duration::from_secs(120), "Kafka Connect", async || {
            if server.ensure_running().is_err() {
                return Ok(true);
            }
            let (status, body) = client.request(Method::GET, "/health", None).await?;
            ensure!(
                status == StatusCode::OK,
                "/health answered {status}: {body}"
            );
            Ok(true)
        })
        .await?;
        server.ensure_running()?;
        Ok(worker)
    }

    /// Its REST API.
    pub fn rest(&self) -> &ConnectClient {
        &self.client
    }

    /// The properties file that it was started with.
    pub fn properties(&self) -> &Path {
        &self.properties
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Asks the worker to stop, and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.server.stop("TERM", STOP_LIMIT).await
    }

    /// Ends the worker as a crash would.
    ///
    /// # Errors
    /// When its process cannot be ended.
    pub fn kill(mut self) -> Result<()> {
        self.server.kill().map(drop)
    }
}

const LOGGING: &str = "rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
";
