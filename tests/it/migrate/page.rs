//! The page of the way from Kafka Connect and back, as it stands: a real worker of Kafka Connect
//! with three connectors, Ferrule on its topics, and Kafka Connect again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::record::Received;
use harness::wait::wait_until;
use harness::{names, run};
use serde_json::json;

use super::{LIMIT, lines};
use crate::pages::{Step, blocks, is_as_shown, page, shell, steps};

/// What a command shows may take a minute: so often a source's offsets are stored.
const PAGE_LIMIT: Duration = Duration::from_secs(150);

/// Where the page's files are, and the addresses that it does not know.
struct Stage {
    folder: PathBuf,
    address: String,
}

impl Drop for Stage {
    /// The worker of a page that failed half-way must not outlive the test.
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.folder.join("ferrule.pid")) {
            let killed = Command::new("kill").args(["-KILL", pid.trim()]).output();
            drop(killed);
        }
    }
}

impl Stage {
    /// Runs the commands below a heading, each again until it tells what the page shows.
    async fn follow(&self, text: &str, heading: &str) -> Result<()> {
        for block in blocks(text, heading, "console")? {
            for Step { command, shown } in steps(&block) {
                let own = command.replace("localhost:8083", &self.address);
                let what = format!("{heading}: $ {command}");
                if shown.is_empty() {
                    shell(&own, &self.folder, &[]).await.context(what)?;
                    continue;
                }
                wait_until(PAGE_LIMIT, &what, async || {
                    let told = shell(&own, &self.folder, &[]).await?;
                    ensure!(
                        is_as_shown(&told, &shown),
                        "{told}\n--- is shown as\n{shown}"
                    );
                    Ok(true)
                })
                .await?;
            }
        }
        Ok(())
    }
}

async fn create(jvm: &KafkaConnect, topic: &str, folder: &Path) -> Result<()> {
    fs::write(folder.join("lines.txt"), "one\ntwo\n")?;
    let mut audit = lines(topic, &folder.join("audit.txt"));
    audit["batch.sise"] = json!("10");
    let archive = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "topics": topic,
        "file": folder.join("archive.txt"),
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let own = lines(topic, &folder.join("lines.txt"));
    for (name, config) in [("lines", own), ("audit", audit), ("archive", archive)] {
        let body = json!({ "name": name, "config": config });
        jvm.rest().create(&body).await?;
        jvm.rest().wait_for_state(name, "RUNNING").await?;
    }
    Ok(())
}

/// Waits until the topic has these lines, each once.
async fn sent(topic: &str, all: &[&str]) -> Result<()> {
    let kafka = TestKafka::shared().await?;
    wait_until(LIMIT, &format!("the lines {all:?}"), async || {
        let read = kafka.read(topic).await?;
        let read: Vec<_> = read.iter().map(Received::text).collect();
        ensure!(read == all, "the topic has {read:?}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_there_and_back_is_as_its_page_says() -> Result<()> {
    let text = page("docs/migrate.md")?;
    let kafka = TestKafka::shared().await?;
    let (group, topic) = (names::unique("page"), names::unique("page-lines"));
    let plugins = run::folder("plugins")?;
    kafka.create_topic(&topic, 1).await?;
    let jvm = KafkaConnect::start(kafka, &group, &plugins).await?;
    let stage = Stage {
        folder: run::folder("page")?,
        address: jvm.rest().base().trim_start_matches("http://").to_owned(),
    };
    fs::copy(
        jvm.properties(),
        stage.folder.join("connect-distributed.properties"),
    )?;
    fs::write(stage.folder.join("connect.pid"), jvm.pid().to_string())?;
    create(&jvm, &topic, &stage.folder).await?;
    sent(&topic, &["one", "two"]).await?;

    stage.follow(&text, "Look").await?;
    stage.follow(&text, "Stop Kafka Connect").await?;
    jvm.stop().await?;
    stage.follow(&text, "Start Ferrule").await?;
    sent(&topic, &["one", "two", "three"]).await?;
    stage.follow(&text, "Go back").await?;

    let jvm = KafkaConnect::start(kafka, &group, &plugins).await?;
    for name in ["lines", "audit", "archive"] {
        jvm.rest().wait_for_state(name, "RUNNING").await?;
    }
    fs::write(stage.folder.join("lines.txt"), "one\ntwo\nthree\nfour\n")?;
    sent(&topic, &["one", "two", "three", "four"]).await?;
    wait_until(LIMIT, "the archive", async || {
        let archive = fs::read_to_string(stage.folder.join("archive.txt"))?;
        ensure!(archive == "one\ntwo\nthree\nfour\n", "{archive}");
        Ok(true)
    })
    .await?;
    jvm.stop().await?;
    Ok(())
}
