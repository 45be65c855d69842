//! Configs and records that are made to take the worker: none of them runs code, writes to its
//! topics, stops it or tells a secret.

mod secrets;
mod topics;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

/// Settings of the client library that load code, run commands or break delivery.
const DENIED: &[(&str, &str)] = &[
    ("plugin.library.paths", "/tmp/no-such-library.so"),
    ("ssl.engine.location", "/tmp/no-such-library.so"),
    ("ssl.providers", "legacy"),
    ("sasl.kerberos.kinit.cmd", "true"),
    ("builtin.features", "plugins"),
    ("open_cb", "x"),
    ("opaque", "x"),
    ("enable.auto.commit", "true"),
    ("group.instance.id", "x"),
    ("transactional.id", "x"),
];

/// A connector of the worker itself, with one more option.
fn config(name: &str, option: &str, value: &str) -> Value {
    let mut config = json!({
        "connector.class": "FerruleBlackholeSink",
        "name": name,
        "topics": name,
    });
    config[option] = json!(value);
    config
}

/// A worker with these settings, and its config topic.
async fn worker(settings: &[(&str, &str)]) -> Result<(TestWorker, String)> {
    let topic = format!("{}-configs", names::unique("hostile"));
    let mut config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("config.storage.topic", &topic);
    for (key, value) in settings {
        config = config.set(key, value);
    }
    Ok((TestWorker::start(config).await?, topic))
}

/// Writes a record to the config topic, as whoever has the right may.
async fn write(topic: &str, key: &str, value: &Value) -> Result<()> {
    let record = Record::json(value).key(key.to_owned());
    TestKafka::shared().await?.produce(topic, [record]).await?;
    Ok(())
}

/// Waits until the connector, or its first task, has failed; its whole status.
async fn failed(rest: &ConnectClient, name: &str) -> Result<String> {
    let path = format!("/connectors/{name}/status");
    let mut told = String::new();
    wait_until(LIMIT, "the connector to fail", async || {
        let (code, status) = rest.request(Method::GET, &path, None).await?;
        let is = |part: &Value| part["state"] == "FAILED";
        told = status.to_string();
        Ok(code == StatusCode::OK && (is(&status["connector"]) || is(&status["tasks"][0])))
    })
    .await?;
    Ok(told)
}

async fn refused(rest: &ConnectClient, config: &Value) -> Result<String> {
    let name = config["name"].as_str().context("no name")?;
    let path = format!("/connectors/{name}/config");
    let (code, answer) = rest.request(Method::PUT, &path, Some(config)).await?;
    ensure!(code == StatusCode::BAD_REQUEST, "{code}: {answer}");
    Ok(answer["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_load_code_are_refused_whichever_way_they_come() -> Result<()> {
    let policy = [("connector.client.config.override.policy", "All")];
    let (worker, topic) = worker(&policy).await?;
    let rest = worker.rest();
    for (number, (setting, value)) in DENIED.iter().enumerate() {
        for client in ["consumer", "producer", "admin"] {
            let key = format!("{client}.override.{setting}");
            let told = refused(rest, &config("by-rest", &key, value)).await?;
            ensure!(told.contains(&key), "{key}: {told}");
        }
        let client = ["consumer", "producer", "admin"][number % 3];
        let key = format!("{client}.override.{setting}");
        let name = format!("by-topic-{number}");
        let properties = config(&name, &key, value);
        write(
            &topic,
            &format!("connector-{name}"),
            &json!({ "properties": properties }),
        )
        .await?;
        let told = failed(rest, &name).await?;
        ensure!(told.contains(&key), "{key}: {told}");
    }
    rest.get("/health").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_start_with_such_a_setting() -> Result<()> {
    for key in [
        "consumer.plugin.library.paths",
        "producer.ssl.engine.location",
        "ssl.providers",
    ] {
        let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
        let started = TestWorker::start(config.set(key, "/tmp/no-such-library.so")).await;
        ensure!(started.is_err(), "the worker has started with {key}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_an_end_stops_nothing() -> Result<()> {
    let folder = std::env::temp_dir().join(names::unique("hostile-files"));
    std::fs::create_dir_all(&folder)?;
    let fifo = folder.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status()?;
    ensure!(made.success(), "no FIFO");
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let settings = [
        ("config.providers", "file"),
        ("config.providers.file.class", class),
    ];
    let (mut worker, topic) = worker(&settings).await?;
    let paths = [
        fifo.display().to_string(),
        "/dev/zero".into(),
        "/proc/self/environ".into(),
    ];
    for (number, path) in paths.iter().enumerate() {
        let rest = worker.rest();
        let value = format!("${{file:{path}:x}}");
        let told = refused(rest, &config("by-rest", "errors.retry.timeout", &value)).await?;
        ensure!(
            told.contains("errors.retry.timeout: could not read"),
            "{told}"
        );
        let name = format!("by-topic-{number}");
        let properties = config(&name, "errors.retry.timeout", &value);
        write(
            &topic,
            &format!("connector-{name}"),
            &json!({ "properties": properties }),
        )
        .await?;
        failed(rest, &name).await?;
        rest.get("/health").await?;
    }
    // SIGTERM ends it as ever.
    ensure!(worker.stop().await?.success());
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_counts_and_names_fail_their_own_connectors_also_at_the_next_start() -> Result<()> {
    let (mut worker, topic) = worker(&[]).await?;
    let absurd = [
        ("tasks.max", "2147483647".to_owned()),
        ("tasks.max", "5000".to_owned()),
        ("topics", "a\0b".to_owned()),
        ("topics", "x".repeat(100_000)),
        ("topics.regex", "a\0".to_owned()),
        (
            "transforms",
            (0..40_000).map(|n| format!("t{n},")).collect(),
        ),
    ];
    for (number, (key, value)) in absurd.iter().enumerate() {
        let told = refused(worker.rest(), &config("by-rest", key, value)).await?;
        ensure!(told.contains(key), "{key}: {told}");
        let name = format!("by-topic-{number}");
        let properties = config(&name, key, value);
        write(
            &topic,
            &format!("connector-{name}"),
            &json!({ "properties": properties }),
        )
        .await?;
    }
    for (key, value) in [
        ("commit-by-topic-0", json!({ "tasks": 4_000_000_000_u64 })),
        ("commit-nobody", json!({ "tasks": u64::MAX })),
        ("connector-text", json!("no properties")),
        (
            "connector-nul\0",
            json!({ "properties": { "connector.class": "FerruleBlackholeSink" } }),
        ),
    ] {
        write(&topic, key, &value).await?;
    }
    let damaged = Record::of("{\"properties\": {").key("connector-damaged");
    TestKafka::shared()
        .await?
        .produce(&topic, [damaged])
        .await?;
    for start in 0..2 {
        for (number, (key, _)) in absurd.iter().enumerate() {
            let told = failed(worker.rest(), &format!("by-topic-{number}")).await?;
            ensure!(told.contains(key), "{key} at start {start}: {told}");
        }
        worker.rest().get("/health").await?;
        worker.restart().await?;
    }
    Ok(())
}

/// A number of /proc/PID/status.
fn of(pid: u32, key: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .context("no number")
}

/// Tasks that have no partition cost next to nothing, and those that have one work.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tasks_of_one_partition_leave_the_worker_room() -> Result<()> {
    let (mut worker, _) = worker(&[]).await?;
    let (kafka, name) = (TestKafka::shared().await?, names::unique("hostile-tasks"));
    kafka.create_topic(&name, 1).await?;
    let config = config(&name, "tasks.max", "1000");
    let rest = worker.rest();
    let pid = worker.pid().context("the worker is gone")?;
    let idle = of(pid, "VmRSS:")?;
    rest.create(&json!({ "name": name, "config": config }))
        .await?;
    let path = format!("/connectors/{name}/status");
    wait_until(LIMIT, "all tasks to run", async || {
        let (_, status) = rest.request(Method::GET, &path, None).await?;
        let tasks = status["tasks"].as_array().context("no tasks")?;
        let running = tasks.iter().filter(|task| task["state"] == "RUNNING");
        Ok(running.count() == 1000)
    })
    .await?;
    kafka.produce(&name, [Record::json(&json!({}))]).await?;
    let group = format!("connect-{name}");
    wait_until(LIMIT, "the record to be read", async || {
        let committed = kafka.committed(&group, &name).await?;
        Ok(committed.values().sum::<i64>() == 1)
    })
    .await?;
    let (threads, memory) = (of(pid, "Threads:")?, of(pid, "VmRSS:")?);
    println!("{memory} kB of memory for 1,000 tasks, and {idle} before");
    ensure!(threads < 1200, "{threads} threads");
    // What the worker itself takes is no part of it. Most of a task's is the stack that its config
    // is resolved on, whose frames are large in a build without optimisations.
    ensure!(
        memory < idle + 140_000,
        "{memory} kB of memory, and {idle} before"
    );
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    ensure!(files < 200, "{files} descriptors");
    rest.get("/health").await?;
    rest.delete(&name).await?;
    ensure!(worker.stop().await?.success());
    Ok(())
}
