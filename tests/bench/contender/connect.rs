//! Apache Kafka Connect in distributed mode, with the Debezium JDBC sink.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::process::{Server, guarded};
use harness::wait::wait_until;
use harness::{install, names, run};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::json_converter;
use crate::drain::Case;
use crate::events::Format;
use crate::stand::Stand;
use crate::target::KEY;

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
pub struct ConnectWorker {
    client: ConnectClient,
    server: Server,
}

impl ConnectWorker {
    /// Starts a worker with the default settings and waits until it is healthy.
    pub async fn start(kafka: &TestKafka) -> Result<Self> {
        let folder = run::folder("connect")?;
        let group = names::unique("connect");
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
            plugins()?.display()
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
            .arg(install::kafka_jars()?.join("*"))
            .arg("org.apache.kafka.connect.cli.ConnectDistributed")
            .arg(folder.join("worker.properties"));
        let server = Server::spawn("Kafka Connect", java, &folder.join("log"))?;
        let client = ConnectClient::new(address);
        let mut worker = Self { client, server };
        let Self { client, server } = &mut worker;
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

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// The connector that drains a case's topic.
pub fn connector(stand: &Stand, case: &Case<'_>, name: &str) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": case.tasks.to_string(),
        "topics": case.topic.name,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "connection.url": stand.database.jdbc_url(),
        "connection.username": "ferrule",
        "connection.password": "ferrule",
        "collection.name.format": format!("public.{}", case.table),
        "insert.mode": "insert",
        "primary.key.mode": "none",
        "schema.evolution": "none",
    });
    let mut set = |key: &str, value: &str| config[key] = json!(value);
    if case.target.upsert {
        set("insert.mode", "upsert");
        set("primary.key.mode", "record_value");
        set("primary.key.fields", KEY);
    }
    match case.topic.format {
        Format::Avro => {
            let converter = "io.apicurio.registry.utils.converter.AvroConverter";
            let registry = format!(
                "http://127.0.0.1:{}/apis/registry/v2",
                stand.registry.port()
            );
            set("value.converter", converter);
            set("value.converter.apicurio.registry.url", &registry);
            set("value.converter.apicurio.registry.as-confluent", "true");
            set("value.converter.apicurio.registry.use-id", "globalId");
        }
        json => json_converter(json, &mut set),
    }
    for (key, value) in case.settings {
        match *key {
            // The driver takes its settings in the address.
            "driver" => {
                let url = format!("{}?{value}", stand.database.jdbc_url());
                set("connection.url", &url);
            }
            key => set(key, value),
        }
    }
    json!({ "name": name, "config": config })
}

fn plugins() -> Result<PathBuf> {
    let folder = install::cache()?.join("peers/connect");
    ensure!(
        folder.is_dir(),
        "{} is missing: run `tests/services/install.sh peers`",
        folder.display()
    );
    Ok(folder)
}

const LOGGING: &str = "rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
";
