//! Apache Kafka Connect in distributed mode, with the Debezium JDBC sink.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use harness::kafka_connect::KafkaConnect;
use harness::{install, names};
use serde_json::{Value, json};

use super::json_converter;
use crate::drain::Case;
use crate::events::Format;
use crate::stand::Stand;
use crate::target::KEY;

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

/// A worker with the JDBC sink.
///
/// # Errors
/// When the sink was not fetched, or the worker does not start.
pub async fn start(stand: &Stand) -> Result<KafkaConnect> {
    let group = names::unique("connect");
    KafkaConnect::start(&stand.kafka, &group, &plugins()?).await
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
