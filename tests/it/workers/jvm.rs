//! Workers of Kafka Connect, before and after: the same group, the same topics.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::names;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// A connector that both have, which reads a file.
const FILE_SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_kafka_connect_is_refused_while_it_runs_and_then_taken_over() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let group = names::unique("jvm");
    let folder = harness::run::folder("plugins")?;
    let jvm = KafkaConnect::start(kafka, &group, &folder).await?;
    let name = names::unique("taken_over");
    // Stopped: Kafka's own image has no connector, and a config that cannot run is a config too.
    let (status, body) = jvm
        .rest()
        .request(
            reqwest::Method::POST,
            "/connectors",
            Some(&json!({
                "name": name,
                "initial_state": "STOPPED",
                "config": {
                    "connector.class": MIRROR,
                    "tasks.max": "1",
                    "topics": name,
                    "source.cluster.alias": "a",
                },
            })),
        )
        .await?;
    ensure!(
        status.is_success(),
        "Kafka Connect answered {status}: {body}"
    );
    let config = WorkerConfig::new(&kafka.bootstrap())?
        .set("plugin.path", "")
        .set("group.id", &group)
        .set("config.storage.topic", &format!("{group}-configs"))
        .set("offset.storage.topic", &format!("{group}-offsets"))
        .set("status.storage.topic", &format!("{group}-status"));
    let Err(refused) = TestWorker::start(config.clone()).await else {
        anyhow::bail!("both run");
    };
    let why = format!("{refused:#}");
    ensure!(why.contains("workers of Kafka Connect"), "{why}");
    let ended = jvm.stop().await?;
    println!("Kafka Connect ended with {ended}");
    let worker = TestWorker::start(config).await?;
    let taken = worker.rest().get(&format!("/connectors/{name}")).await?;
    ensure!(
        taken["config"]["connector.class"] == json!(MIRROR),
        "{taken}"
    );
    // It has no such connector: it says so of this one, and runs others.
    wait_until(LIMIT, "the connector to be shown", async || {
        let status = worker.rest().status(&name).await?;
        let state = status["connector"]["state"].as_str().context("no state")?;
        ensure!(state == "FAILED" || state == "STOPPED", "{status}");
        Ok(true)
    })
    .await?;
    let lines = harness::run::folder("lines")?.join("lines.txt");
    std::fs::write(&lines, "one\n")?;
    let other = names::unique("own");
    worker
        .rest()
        .create(&json!({
            "name": other,
            "config": {
                "connector.class": FILE_SOURCE,
                "tasks.max": "1",
                "topic": other,
                "file": lines,
            },
        }))
        .await?;
    worker.rest().wait_for_state(&other, "RUNNING").await
}

/// A connector that is on the class path of Kafka Connect.
const MIRROR: &str = "org.apache.kafka.connect.tools.VerifiableSinkConnector";
