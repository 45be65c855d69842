//! The file source: lines of a file to a topic, whatever stops in between.

mod exactly_once;
mod offsets;
mod plugins;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::record::Received;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{names, run};
use reqwest::Method;
use serde_json::{Value, json};

use crate::wire::metric;

const LIMIT: Duration = Duration::from_secs(60);
const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";

async fn shared() -> Result<&'static ConnectClient> {
    Ok(TestWorker::shared().await?.rest())
}

/// A file, a topic of one partition of the same name, and a connector between them.
struct Lines {
    name: String,
    path: PathBuf,
    written: usize,
    kafka: &'static TestKafka,
}

impl Lines {
    async fn new(stem: &str) -> Result<Self> {
        let (name, kafka) = (names::unique(stem), TestKafka::shared().await?);
        kafka.create_topic(&name, 1).await?;
        Ok(Self {
            path: run::folder(stem)?.join("lines.txt"),
            name,
            written: 0,
            kafka,
        })
    }

    fn config(&self, settings: &[(&str, &str)]) -> Value {
        let mut config = json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "file": self.path,
            "topic": self.name,
            "value.converter": STRINGS,
        });
        for (key, value) in settings {
            config[key] = json!(value);
        }
        config
    }

    async fn deploy(&self, rest: &ConnectClient, settings: &[(&str, &str)]) -> Result<()> {
        let body = json!({ "name": self.name, "config": self.config(settings) });
        let created = rest.create(&body).await?;
        ensure!(created["type"] == "source", "{created}");
        rest.wait_for_state(&self.name, "RUNNING").await
    }

    fn append(&self, text: &str) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// Appends lines that tell their number.
    fn add(&mut self, count: usize) -> Result<()> {
        let mut text = String::new();
        for _ in 0..count {
            writeln!(text, "line {}", self.written)?;
            self.written += 1;
        }
        self.append(&text)
    }

    fn expected(&self) -> Vec<String> {
        (0..self.written).map(|n| format!("line {n}")).collect()
    }

    /// What committed transactions have written, in order.
    async fn read(&self) -> Result<Vec<String>> {
        let records = self.kafka.read(&self.name).await?;
        Ok(records.iter().map(Received::text).collect())
    }

    /// Waits until the topic holds exactly these lines.
    async fn holds(&self, expected: &[String]) -> Result<()> {
        wait_until(LIMIT, "the lines", async || {
            let found = self.read().await?;
            ensure!(
                found == expected,
                "{} of {}: {found:?}",
                found.len(),
                expected.len()
            );
            Ok(true)
        })
        .await
    }

    async fn order(&self, rest: &ConnectClient, order: &str) -> Result<()> {
        let path = format!("/connectors/{}/{order}", self.name);
        let (status, body) = rest.request(Method::PUT, &path, None).await?;
        ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
        Ok(())
    }

    async fn offsets(&self, rest: &ConnectClient) -> Result<Value> {
        rest.get(&format!("/connectors/{}/offsets", self.name))
            .await
    }

    /// Offsets as REST shows them, with the file read up to here.
    fn at(&self, position: usize) -> Value {
        json!({ "offsets": [{
            "partition": { "filename": self.path },
            "offset": { "position": position },
        }] })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_arrive_in_order_as_the_file_grows() -> Result<()> {
    let (rest, mut lines) = (shared().await?, Lines::new("grows").await?);
    // The file does not exist yet.
    lines
        .deploy(rest, &[("batch.size", "10"), ("tasks.max", "3")])
        .await?;
    let status = rest.status(&lines.name).await?;
    ensure!(
        status["tasks"].as_array().is_some_and(|t| t.len() == 1),
        "{status}"
    );
    ensure!(status["type"] == "source", "{status}");
    lines.add(25)?;
    lines.holds(&lines.expected()).await?;
    lines.append("half a ")?;
    lines.append("line\n\n")?;
    let mut expected = lines.expected();
    expected.extend(["half a line".to_owned(), String::new()]);
    lines.holds(&expected).await?;
    let record = lines.kafka.read(&lines.name).await?.remove(0);
    ensure!(record.key.is_none(), "{record:?}");
    for total in ["poll", "write"] {
        let name = format!("kafka_connect_source_task_source_record_{total}_total");
        wait_until(LIMIT, &name, async || {
            let count = metric(rest, &name, &lines.name).await?;
            ensure!(count == 27.0, "{name} is {count}");
            Ok(true)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_source_reads_no_further() -> Result<()> {
    let (rest, mut lines) = (shared().await?, Lines::new("paused").await?);
    lines.add(5)?;
    lines.deploy(rest, &[]).await?;
    lines.holds(&lines.expected()).await?;
    lines.order(rest, "pause").await?;
    rest.wait_for_state(&lines.name, "PAUSED").await?;
    let before = lines.expected();
    lines.add(5)?;
    // Another source reads meanwhile.
    let mut other = Lines::new("meanwhile").await?;
    other.add(5)?;
    other.deploy(rest, &[]).await?;
    other.holds(&other.expected()).await?;
    ensure!(lines.read().await? == before);
    lines.order(rest, "resume").await?;
    lines.holds(&lines.expected()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_worker_goes_on_from_the_stored_offset() -> Result<()> {
    let (mut worker, mut lines) = (TestWorker::own().await?, Lines::new("restarted").await?);
    lines.add(100)?;
    lines.deploy(worker.rest(), &[]).await?;
    lines.holds(&lines.expected()).await?;
    // In order: the offset is stored on the way out, though the interval is a minute.
    worker.restart().await?;
    lines.add(100)?;
    lines.holds(&lines.expected()).await
}

/// After a crash lines may come twice, but none is lost and those that come again are in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_no_line() -> Result<()> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("offset.flush.interval.ms", "50");
    let (mut worker, mut lines) = (
        TestWorker::start(config).await?,
        Lines::new("killed").await?,
    );
    lines.deploy(worker.rest(), &[("batch.size", "7")]).await?;
    for round in 1..=3 {
        lines.add(2000)?;
        wait_until(LIMIT, "some lines", async || {
            Ok(lines.read().await?.len() > round * 2000 - 1500)
        })
        .await?;
        worker.kill()?;
        worker.start_again().await?;
    }
    let expected = lines.expected();
    wait_until(LIMIT, "the last line", async || {
        Ok(lines.read().await?.last() == expected.last())
    })
    .await?;
    let found = lines.read().await?;
    let mut next = 0;
    for line in found {
        let number: usize = line.trim_start_matches("line ").parse()?;
        ensure!(
            number <= next,
            "line {next} was left out in front of {line}"
        );
        next = number + 1;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_created_as_the_config_says() -> Result<()> {
    let (rest, mut lines) = (shared().await?, Lines::new("created").await?);
    lines.add(3)?;
    let topic = format!("{}-made", lines.name);
    let settings = [
        ("topic", topic.as_str()),
        ("topic.creation.default.partitions", "3"),
        ("topic.creation.default.replication.factor", "1"),
        ("topic.creation.default.retention.ms", "-1"),
        ("key.converter", STRINGS),
    ];
    lines.deploy(rest, &settings).await?;
    wait_until(LIMIT, "the topic", async || {
        Ok(lines.kafka.read(&topic).await?.len() == 3)
    })
    .await?;
    ensure!(lines.kafka.partitions(&topic).await? == [0, 1, 2]);
    Ok(())
}
