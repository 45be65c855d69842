//! A worker that dies over the same records again and again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use reqwest::Method;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
/// As many deaths as hold a partition.
const DEATHS: usize = 3;

fn record(n: usize, command: &str, partition: i32) -> Record {
    Record::json(&json!({ "n": n, "cmd": command })).partition(partition)
}

/// The attempts that the group's mark of partition 0 counts.
async fn attempts(kafka: &TestKafka, name: &str) -> Result<Option<usize>> {
    let group = format!("connect-{name}");
    let committed = kafka.committed_with_metadata(&group, name).await?;
    let (_, metadata) = committed.get(&0).cloned().unwrap_or_default();
    let mut words = metadata.split(' ');
    let counted = words.find_map(|word| word.strip_prefix("attempts="));
    Ok(counted.map(str::parse).transpose()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_over_which_workers_are_killed_is_held_and_the_rest_runs() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?;
    // The plugin is at work on the record for so long, and the worker is killed meanwhile.
    let config = config.set("ferrule.plugin.call.timeout.ms", "50000");
    let mut worker = TestWorker::start(config).await?;
    let pipeline = Pipeline::on(&worker, "deaths", 2).await?;
    let table = "CREATE TABLE items (written bigserial, n int, cmd text, count bigint)";
    pipeline.database.execute(table).await?;
    pipeline.produce([record(0, "loop", 0)]).await?;
    let settings = [
        ("table.name.format", "items"),
        ("tasks.max", "2"),
        ("transforms", "guest"),
        ("transforms.guest.type", "test-guest"),
        ("consumer.override.session.timeout.ms", "1500"),
        ("consumer.override.heartbeat.interval.ms", "300"),
    ];
    pipeline.create(&settings).await?;
    let name = pipeline.name.clone();
    for death in 1..=DEATHS {
        wait_until(LIMIT, "the record to be in hand", async || {
            Ok(attempts(kafka, &name).await? >= Some(death))
        })
        .await?;
        worker.kill()?;
        worker.start_again().await?;
    }
    let path = format!("/connectors/{name}/status");
    let rest = worker.rest();
    let messages = async || -> Result<String> {
        let (_, status) = rest.request(Method::GET, &path, None).await?;
        let tasks = status["tasks"].as_array().context("no tasks")?;
        let messages = tasks.iter().filter_map(|task| task["message"].as_str());
        Ok(messages.collect())
    };
    let held = format!("{name}-0 at offset 0");
    wait_until(LIMIT, "the partition to be held", async || {
        Ok(messages().await?.contains(&held))
    })
    .await?;
    pipeline.produce([record(1, "keep", 1)]).await?;
    wait_until(LIMIT, "the other partition's row", async || {
        Ok(pipeline.database.count("items").await? == 1)
    })
    .await?;
    ensure!(attempts(kafka, &name).await? == Some(DEATHS));
    // A restart in order tries again: the record is in hand once more, as if for the first time.
    let restart = format!("/connectors/{name}/restart?includeTasks=true");
    let (status, answer) = rest.request(Method::POST, &restart, None).await?;
    ensure!(status.is_success(), "{status}: {answer}");
    wait_until(LIMIT, "another attempt", async || {
        Ok(attempts(kafka, &name).await? == Some(1))
    })
    .await
}
