//! Who drains the topic: each is started anew for every case, so that memory is its own.

mod connect;
mod faucet;

use anyhow::{Context, Result, bail};
use harness::connect::ConnectClient;
use harness::kafka_connect::KafkaConnect;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

use crate::drain::Case;
use crate::events::Format;
use crate::stand::Stand;
use crate::target::KEY;

pub use faucet::Faucet;

/// Settings of a case.
pub type Settings = &'static [(&'static str, &'static str)];

/// With this in front, they are the worker's.
const WORKER: &str = "worker.";

/// A program that writes a topic into Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// This project's worker.
    Ferrule,
    /// Apache Kafka Connect with the Debezium JDBC sink.
    Connect,
    /// `faucet-cli`.
    Faucet,
}

impl Contender {
    /// Starts its process; a worker is warm afterwards, and has no connector. Ferrule's takes those
    /// of the settings that begin with `worker.`.
    pub async fn start(self, stand: &Stand, settings: Settings) -> Result<Running> {
        Ok(match self {
            Self::Ferrule => {
                let mut config = WorkerConfig::new(&stand.kafka.bootstrap())?;
                for (key, value) in settings {
                    if let Some(key) = key.strip_prefix(WORKER) {
                        config = config.set(key, value);
                    }
                }
                Running::Ferrule(TestWorker::start(config).await?)
            }
            Self::Connect => Running::Connect(connect::start(stand).await?),
            Self::Faucet => Running::Faucet(Faucet::default()),
        })
    }
}

/// A contender's process. It ends when dropped.
pub enum Running {
    /// A worker.
    Ferrule(TestWorker),
    /// A worker.
    Connect(KafkaConnect),
    /// Not started before it has its orders.
    Faucet(Faucet),
}

impl Running {
    /// Orders the drain, under a name.
    pub async fn order(&mut self, stand: &Stand, case: &Case<'_>, name: &str) -> Result<()> {
        match self {
            Self::Ferrule(worker) => {
                let connector = ferrule(stand, case, name);
                worker.rest().create(&connector).await?;
            }
            Self::Connect(worker) => {
                let connector = connect::connector(stand, case, name);
                worker.rest().create(&connector).await?;
            }
            Self::Faucet(faucet) => faucet.start(stand, case, name)?,
        }
        Ok(())
    }

    /// The process that works.
    pub fn pid(&self) -> Result<u32> {
        let pid = match self {
            Self::Ferrule(worker) => worker.pid(),
            Self::Connect(worker) => Some(worker.pid()),
            Self::Faucet(faucet) => faucet.pid(),
        };
        pid.context("the process is not running")
    }

    /// Fails when the drain has.
    pub async fn ensure_running(&mut self, name: &str) -> Result<()> {
        let status = match self.rest() {
            Some(rest) => rest.status(name).await?.to_string(),
            None => String::new(),
        };
        if status.contains("FAILED") {
            bail!("{status}");
        }
        match self {
            Self::Faucet(faucet) => faucet.ensure_running(),
            _ => Ok(()),
        }
    }

    /// Says that all went well, so that nobody needs to see a log.
    pub fn be_quiet(&mut self) {
        if let Self::Ferrule(worker) = self {
            worker.be_quiet();
        }
    }

    fn rest(&self) -> Option<&ConnectClient> {
        match self {
            Self::Ferrule(worker) => Some(worker.rest()),
            Self::Connect(worker) => Some(worker.rest()),
            Self::Faucet(_) => None,
        }
    }
}

/// The connector that drains a case's topic with Ferrule.
pub fn ferrule(stand: &Stand, case: &Case<'_>, name: &str) -> Value {
    let mut config = json!({
        "connector.class": "FerrulePostgresSink",
        "tasks.max": case.tasks.to_string(),
        "topics": case.topic.name,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "connection.url": stand.database.jdbc_url(),
        "connection.user": "ferrule",
        "connection.password": "ferrule",
        "table.name.format": case.table,
        "insert.mode": "insert",
        "pk.mode": "none",
    });
    let mut set = |key: &str, value: &str| config[key] = json!(value);
    if case.target.upsert {
        set("insert.mode", "upsert");
        set("pk.mode", "record_value");
        set("pk.fields", KEY);
    }
    let registered = match case.topic.format {
        Format::Json | Format::JsonWithSchema => None,
        Format::Avro => Some("io.confluent.connect.avro.AvroConverter"),
        Format::JsonSchema => Some("io.confluent.connect.json.JsonSchemaConverter"),
        Format::Protobuf => Some("io.confluent.connect.protobuf.ProtobufConverter"),
    };
    if let Some(converter) = registered {
        set("value.converter", converter);
        set("value.converter.schema.registry.url", &stand.registry.url());
    } else {
        json_converter(case.topic.format, &mut set);
    }
    let settings = case.settings.iter();
    for (key, value) in settings.filter(|(key, _)| !key.starts_with(WORKER)) {
        set(key, value);
    }
    json!({ "name": name, "config": config })
}

/// The settings of Kafka Connect's JSON converter.
fn json_converter(format: Format, set: &mut impl FnMut(&str, &str)) {
    let schemas = format == Format::JsonWithSchema;
    set(
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    );
    set("value.converter.schemas.enable", &schemas.to_string());
}
