//! Workers of Kafka Connect, before and after: the same group, the same topics.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::names;
use harness::record::Received;
use harness::run;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// Adds lines to the file of the source, and waits until the topic has all so far, each once.
async fn lines(file: &Path, topic: &str, lines: &[&str], all: &str) -> Result<()> {
    let mut writer = File::options().append(true).create(true).open(file)?;
    for line in lines {
        writeln!(writer, "{line}")?;
    }
    let kafka = TestKafka::shared().await?;
    wait_until(LIMIT, &format!("the lines {all}"), async || {
        let read = kafka.read(topic).await?;
        let read: Vec<_> = read.iter().map(Received::text).collect();
        let read = read.join(" ");
        ensure!(read == all, "the topic has {read}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_moves_from_kafka_connect_and_back_without_a_line_twice() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (group, name) = (names::unique("jvm"), names::unique("moved"));
    let (plugins, folder) = (run::folder("plugins")?, run::folder("lines")?);
    let file = folder.join("lines.txt");
    kafka.create_topic(&name, 1).await?;

    let jvm = KafkaConnect::start(kafka, &group, &plugins).await?;
    let config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "topic": name,
        "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    lines(&file, &name, &[], "").await?;
    jvm.rest()
        .create(&json!({ "name": name, "config": config }))
        .await?;
    lines(&file, &name, &["one", "two"], "one two").await?;

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

    let mut worker = TestWorker::start(config).await?;
    worker.rest().wait_for_state(&name, "RUNNING").await?;
    lines(&file, &name, &["three", "four"], "one two three four").await?;
    let ended = worker.stop().await?;
    ensure!(ended.success(), "the worker ended with {ended}");

    let jvm = KafkaConnect::start(kafka, &group, &plugins).await?;
    jvm.rest().wait_for_state(&name, "RUNNING").await?;
    lines(&file, &name, &["five"], "one two three four five").await?;
    jvm.stop().await?;
    Ok(())
}
