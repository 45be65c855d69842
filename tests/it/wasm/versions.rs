//! What a plugin is started from: the file that is there, and secrets that only it is told.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, run};
use reqwest::{Method, StatusCode};
use serde_json::json;

const GUEST: &[(&str, &str)] = &[
    ("table.name.format", "counts"),
    ("transforms", "guest"),
    ("transforms.guest.type", "test-guest"),
];
const CANARY: &str = "canary-of-a-plugin";

async fn pipeline(worker: &TestWorker, stem: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::on(worker, stem, 1).await?;
    let table = "CREATE TABLE counts (id bigserial, count bigint, cmd text)";
    pipeline.database.execute(table).await?;
    Ok(pipeline)
}

fn command(text: &str) -> Record {
    Record::json(&json!({ "cmd": text }))
}

/// Puts a file in its place as a whole.
fn put(folder: &Path, bytes: &[u8]) -> Result<()> {
    let hidden = folder.join(".guest");
    fs::write(&hidden, bytes)?;
    Ok(fs::rename(hidden, folder.join("guest.wasm"))?)
}

async fn restart(pipeline: &Pipeline) -> Result<()> {
    let path = format!("/connectors/{}/tasks/0/restart", pipeline.name);
    let (status, body) = pipeline.rest().request(Method::POST, &path, None).await?;
    ensure!(status == StatusCode::NO_CONTENT, "{status}: {body}");
    Ok(())
}

async fn told(pipeline: &Pipeline) -> Result<String> {
    let status = pipeline.rest().status(&pipeline.name).await?;
    let plugins = status["tasks"][0]["plugins"].as_str();
    Ok(plugins.with_context(|| status.to_string())?.to_owned())
}

/// The counts that have landed, and the one that is kept.
async fn assert_counted(pipeline: &Pipeline, last: i64) -> Result<()> {
    let rows = pipeline
        .database
        .texts("SELECT count::text FROM counts ORDER BY id");
    let wanted: Vec<_> = (1..=last).map(|count| Some(count.to_string())).collect();
    ensure!(rows.await? == wanted);
    let query = "SELECT e.value FROM ferrule.state e JOIN ferrule.stores s ON s.id = e.store \
                 WHERE s.connector = $1";
    let kept: Vec<(Vec<u8>,)> = sqlx::query_as(query)
        .bind(&pipeline.name)
        .fetch_all(pipeline.database.pool())
        .await?;
    ensure!(kept == [(last.to_le_bytes().to_vec(),)], "{kept:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_takes_the_file_that_is_there_and_leaves_the_state() -> Result<()> {
    let good = fs::read(install::plugins()?.join("test-guest.wasm"))?;
    let path = run::folder("versions")?;
    put(&path, &good)?;
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config.set("plugin.path", &path.display().to_string());
    let worker = TestWorker::start(config).await?;
    let pipeline = pipeline(&worker, "versions").await?;
    pipeline.deploy(GUEST).await?;
    pipeline
        .produce([command("count"), command("count")])
        .await?;
    pipeline.drained().await?;
    assert_counted(&pipeline, 2).await?;
    let first = told(&pipeline).await?;
    ensure!(
        first.starts_with("guest: plugin test-guest 0.1.0 (sha256 "),
        "{first}"
    );
    let log = worker.log()?;
    let started = log
        .lines()
        .find(|line| line.contains("started") && line.contains(&first));
    ensure!(started.is_some(), "the log does not tell {first}");

    put(&path, &good[..good.len() / 2])?;
    restart(&pipeline).await?;
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "FAILED")
        .await?;
    let trace = pipeline.trace().await?.unwrap_or_default();
    ensure!(
        trace.contains("guest.wasm is no more the WASM plugin test-guest: "),
        "{trace}"
    );
    assert_counted(&pipeline, 2).await?;

    // A custom section: another file, which does the same.
    put(&path, &[&*good, b"\0\x03\x01v1"].concat())?;
    pipeline.produce([command("count")]).await?;
    restart(&pipeline).await?;
    pipeline.drained().await?;
    assert_counted(&pipeline, 3).await?;
    let second = told(&pipeline).await?;
    ensure!(
        second != first && second.contains("test-guest 0.1.0"),
        "{second}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_to_the_plugin_alone() -> Result<()> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("config.providers", "env")
        .set(
            "config.providers.env.class",
            "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        )
        .env("GUEST_SECRET", CANARY)
        .env("GUEST_NOTE", &format!("{CANARY}-noted"))
        .env("FERRULE_LOG", "debug");
    let worker = TestWorker::start(config).await?;
    let pipeline = pipeline(&worker, "told").await?;
    // The one is a password; the other is hidden because it comes by a provider.
    let secret = [
        ("transforms.guest.secret", "${env:GUEST_SECRET}"),
        ("transforms.guest.note", "see ${env:GUEST_NOTE}"),
    ];
    let settings = [GUEST, &secret].concat();
    pipeline.deploy(&settings).await?;
    let orders = ["secret", "secret-panic", "keep", "secret-fail"].map(command);
    pipeline.produce(orders).await?;
    pipeline.drained().await?;
    let rows = pipeline
        .database
        .texts("SELECT cmd FROM counts ORDER BY id")
        .await?;
    let backwards: String = CANARY.chars().rev().collect();
    ensure!(rows == [Some(backwards), Some("keep".into())], "{rows:?}");

    let failing = self::pipeline(&worker, "refused").await?;
    let panic = [("transforms.guest.configure.panic", "true")];
    failing
        .create(&[settings.as_slice(), &panic].concat())
        .await?;
    failing
        .rest()
        .wait_for_state(&failing.name, "FAILED")
        .await?;
    let trace = failing.trace().await?.unwrap_or_default();
    ensure!(trace.contains("the secret is [hidden]"), "{trace}");

    let letters = pipeline.letters().await?;
    let told = letters
        .get(&(0, 3))
        .and_then(|letter| letter.header("__connect.errors.exception.message"));
    let told = told.unwrap_or_default();
    let reason = "[hidden]: the secret is [hidden], and the note is see [hidden]!";
    ensure!(told.contains(reason), "{told}");

    let mut shown = vec![trace, told, worker.log()?];
    for path in ["", "/config", "/status", "/tasks"] {
        let path = format!("/connectors/{}{path}", pipeline.name);
        shown.push(pipeline.rest().get(&path).await?.to_string());
    }
    let body = pipeline.config(&settings);
    let class = body["connector.class"].as_str().unwrap_or_default();
    let path = format!("/connector-plugins/{class}/config/validate");
    let (status, infos) = pipeline
        .rest()
        .request(Method::PUT, &path, Some(&body))
        .await?;
    ensure!(status == StatusCode::OK, "{status}: {infos}");
    shown.push(infos.to_string());
    for text in shown {
        let line = text.lines().find(|line| line.contains(CANARY));
        ensure!(line.is_none(), "{line:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_offsets_begin_with_no_state() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let pipeline = pipeline(worker, "rewound").await?;
    pipeline.deploy(GUEST).await?;
    pipeline.produce(["count"; 3].map(command)).await?;
    pipeline.drained().await?;
    assert_counted(&pipeline, 3).await?;
    let order = async |method: Method, what: &str, body: Option<&serde_json::Value>| {
        let path = format!("/connectors/{}/{what}", pipeline.name);
        let (status, answer) = pipeline.rest().request(method, &path, body).await?;
        ensure!(status.is_success(), "{status}: {answer}");
        anyhow::Ok(())
    };
    order(Method::PUT, "stop", None).await?;
    wait_until(Duration::from_secs(30), "the end of the task", async || {
        let status = pipeline.rest().status(&pipeline.name).await?;
        Ok(status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([]))
    })
    .await?;
    let place = json!({ "kafka_topic": pipeline.name, "kafka_partition": 0 });
    let body = json!({ "offsets": [{ "partition": place, "offset": { "kafka_offset": 1 } }] });
    order(Method::PATCH, "offsets", Some(&body)).await?;
    pipeline.database.execute("TRUNCATE counts").await?;
    order(Method::PUT, "resume", None).await?;
    pipeline.drained().await?;
    // The two records from offset 1 on are counted as if none had been before them.
    assert_counted(&pipeline, 2).await
}
