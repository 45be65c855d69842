//! What a worker's environment brings along from images of Kafka Connect.

use anyhow::Result;
use harness::kafka::TestKafka;
use harness::names;
use harness::postgres::{PASSWORD, TestPostgres, USER};
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use super::LIMIT;

const JVM_ONLY: [(&str, &str); 4] = [
    (
        "interceptor.classes",
        "io.confluent.monitoring.clients.interceptor.MonitoringConsumerInterceptor",
    ),
    (
        "confluent.monitoring.interceptor.bootstrap.servers",
        "127.0.0.1:1",
    ),
    ("ssl.enabled.protocols", "TLSv1.2,TLSv1.3"),
    ("ssl.protocol", "TLSv1.3"),
];

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_only_a_jvm_has_are_passed_over() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut config = WorkerConfig::new(&kafka.bootstrap())?
        .set("plugin.path", "/no/such/folder,/nor/this/one")
        .env("CONNECT_SSL_ENABLED_PROTOCOLS", "TLSv1.2,TLSv1.3")
        .env("CONNECT_SSL_PROTOCOL", "TLSv1.3")
        .env("CONNECT_CONSUMER_CLIENT_RACK", "r1")
        .env("CONNECT_CONSUMER_MAX_POLL_RECORDS", "500")
        .env("CONNECT_LOG4J_LOGGERS", "org.reflections=ERROR");
    for client in ["PRODUCER", "CONSUMER"] {
        for (key, value) in &JVM_ONLY[..2] {
            let key = key.to_uppercase().replace('.', "_");
            config = config.env(&format!("CONNECT_{client}_{key}"), value);
        }
    }
    let worker = TestWorker::start(config).await?;
    let name = names::unique("jvm");
    kafka.create_topic(&name, 1).await?;
    kafka
        .produce(&name, [Record::json(&json!({ "id": 1 }))])
        .await?;
    let database = TestPostgres::shared().await?.database("jvm").await?;
    database.execute("CREATE TABLE t (id int)").await?;
    let mut connector = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": name,
        "table.name.format": "t",
        "connection.url": database.jdbc_url(),
        "connection.user": USER,
        "connection.password": PASSWORD,
    });
    for (key, value) in JVM_ONLY {
        connector[format!("consumer.override.{key}")] = json!(value);
    }
    let body = json!({ "name": name, "config": connector });
    worker.rest().create(&body).await?;
    wait_until(LIMIT, "the row", async || {
        Ok(database.count("t").await? == 1)
    })
    .await?;
    worker.rest().wait_for_state(&name, "RUNNING").await?;
    let log = worker.log()?;
    let warned = |key: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.contains("WARN") && line.contains(key))
    };
    for (key, _) in JVM_ONLY {
        assert!(warned(key), "a warning of {key}");
    }
    assert!(warned("/no/such/folder"));
    Ok(())
}
