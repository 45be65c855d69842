//! Failed tasks that are restarted by `task.restart.policy`.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::record::{Received, Record};
use harness::wait::wait_until;
use harness::worker::TestWorker;
use harness::{names, run};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Cluster, LIMIT};
use crate::wire::metric;

const RESTARTS: &str = "ferrule_task_restart_count";
const EXHAUSTED: &str = "ferrule_task_restart_exhausted";
const SOON: [(&str, &str); 2] = [
    ("task.restart.backoff.ms", "300"),
    ("task.restart.backoff.max.ms", "600"),
];

/// Waits until the status of a connector's only task is as wanted.
async fn task(
    rest: &ConnectClient,
    name: &str,
    what: &str,
    is: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let mut task = Value::Null;
    wait_until(LIMIT, what, async || {
        let status = rest.status(name).await?;
        ensure!(is(&status["tasks"][0]), "its status is {status}");
        task = status["tasks"][0].clone();
        Ok(true)
    })
    .await?;
    Ok(task)
}

fn is_due(task: &Value) -> bool {
    task["state"] == "FAILED" && task["next_restart"].is_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_goes_on_by_itself_once_its_table_is_made() -> Result<()> {
    let ledger = Ledger::shared("missing_table", 2).await?;
    ledger
        .database
        .execute("ALTER TABLE ledger RENAME TO later")
        .await?;
    ledger.produce(10).await?;
    let mut cluster = Cluster::start(2).await?;
    let transient = [("task.restart.policy", "transient"), SOON[0], SOON[1]];
    let rest = cluster.workers[0].rest().clone();
    ledger.create(&rest, &transient).await?;
    let failed = task(&rest, &ledger.name, "a failed task with a restart", is_due).await?;
    let message = failed["message"].as_str().unwrap_or_default();
    ensure!(message.contains("task.restart.policy"), "{failed}");
    // The other worker shows the same, and the worker that has the task counts.
    let other = cluster.workers[1].rest().clone();
    let third = |task: &Value| is_due(task) && task["restarts"].as_u64() >= Some(3);
    let failed = task(&other, &ledger.name, "a third restart", third).await?;
    let on = cluster
        .workers
        .iter()
        .position(|worker| Some(worker.rest().base()) == at(&failed).as_deref());
    let on = on.unwrap_or_default();
    wait_until(LIMIT, "the count in the metrics", async || {
        let counted = metric(cluster.workers[on].rest(), RESTARTS, &ledger.name).await?;
        Ok(counted >= 3.0)
    })
    .await?;
    // It moves, and takes its count along.
    cluster.workers.remove(on).kill()?;
    let rest = cluster.workers[0].rest().clone();
    let here = |task: &Value| at(task).as_deref() == Some(rest.base()) && third(task);
    task(&rest, &ledger.name, "the task on the other worker", here).await?;
    ledger
        .database
        .execute("ALTER TABLE later RENAME TO ledger")
        .await?;
    let runs = |task: &Value| task["state"] == "RUNNING" && task["trace"].is_null();
    task(&rest, &ledger.name, "a running task", runs).await?;
    ledger.produce(10).await?;
    wait_until(LIMIT, "all rows", async || Ok(ledger.rows().await? >= 40)).await?;
    ledger.audit().await
}

/// The address of the worker that has the task.
fn at(task: &Value) -> Option<String> {
    Some(format!("http://{}", task["worker_id"].as_str()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_three_times_ends_its_task() -> Result<()> {
    let ledger = Ledger::shared("same_record", 1).await?;
    ledger.produce(10).await?;
    let kafka = TestKafka::shared().await?;
    kafka
        .produce(&ledger.name, [Record::of("{ no JSON").partition(0)])
        .await?;
    let worker = TestWorker::own().await?;
    let rest = worker.rest();
    let always = [("task.restart.policy", "always"), SOON[0], SOON[1]];
    ledger.create(rest, &always).await?;
    let ended = |task: &Value| {
        let message = task["message"].as_str().unwrap_or_default();
        task["state"] == "FAILED" && message.contains("3 times on the record")
    };
    for _ in 0..2 {
        let stays = task(rest, &ledger.name, "a task that stays failed", ended).await?;
        ensure!(stays["next_restart"].is_null(), "{stays}");
        ensure!(stays["restarts"] == 2, "{stays}");
        ensure!(ledger.rows().await? == 10, "a row twice");
        let exhausted = metric(rest, EXHAUSTED, &ledger.name).await?;
        ensure!(exhausted > 0.5, "{EXHAUSTED} is {exhausted}");
        // By hand it has as many tries again.
        let path = format!("/connectors/{}/tasks/0/restart", ledger.name);
        let (status, body) = rest.request(Method::POST, &path, None).await?;
        ensure!(status.is_success(), "POST {path} answered {status}: {body}");
        let again = |task: &Value| !ended(task);
        task(rest, &ledger.name, "a task that is restarted", again).await?;
    }
    // A config that passes over the record is obeyed at once.
    let tolerant = ledger.config(&[("errors.tolerance", "all")]);
    let path = format!("/connectors/{}/config", ledger.name);
    let (status, body) = rest.request(Method::PUT, &path, Some(&tolerant)).await?;
    ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
    let runs = |task: &Value| task["state"] == "RUNNING" && task["restarts"].is_null();
    task(rest, &ledger.name, "a running task", runs).await?;
    ledger.audit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_goes_on_by_itself_once_its_file_can_be_read() -> Result<()> {
    let (name, kafka) = (names::unique("unreadable"), TestKafka::shared().await?);
    kafka.create_topic(&name, 1).await?;
    let path = run::folder("unreadable")?.join("lines.txt");
    std::fs::create_dir(&path)?;
    let worker = TestWorker::own().await?;
    let mut config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": path,
        "topic": name,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "task.restart.policy": "transient",
    });
    for (key, value) in SOON {
        config[key] = json!(value);
    }
    let rest = worker.rest();
    rest.create(&json!({ "name": name, "config": config }))
        .await?;
    task(rest, &name, "a failed task with a restart", is_due).await?;
    // A task that waits for its restart is stopped and started like any other.
    for (order, state) in [("stop", "STOPPED"), ("resume", "RUNNING")] {
        let order = format!("/connectors/{name}/{order}");
        let (status, body) = rest.request(Method::PUT, &order, None).await?;
        ensure!(status.is_success(), "PUT {order} answered {status}: {body}");
        wait_until(LIMIT, state, async || {
            Ok(rest.status(&name).await?["connector"]["state"] == state)
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    task(rest, &name, "a failed task with a restart", is_due).await?;
    std::fs::remove_dir(&path)?;
    std::fs::write(&path, "one\ntwo\n")?;
    wait_until(LIMIT, "the lines", async || {
        let records = kafka.read(&name).await?;
        let lines: Vec<_> = records.iter().map(Received::text).collect();
        ensure!(lines == ["one", "two"], "{lines:?}");
        Ok(true)
    })
    .await
}
