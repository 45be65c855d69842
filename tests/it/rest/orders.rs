//! Orders: pause, resume, stop, restart, and the states that they lead to.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::wait::wait_until;
use reqwest::Method;
use serde_json::json;

use super::offsets::tasks_have_left;
use super::shared;
use crate::wire::{Answer, plain, send};
use harness::ledger::Ledger;

const LIMIT: Duration = Duration::from_secs(20);

/// Gives an order without a body and without a type; the answer must have neither.
async fn order(ledger: &Ledger<'_>, method: &str, path: &str, code: u16) -> Result<()> {
    let path = format!("/connectors/{}/{path}", ledger.name);
    let answer = plain(shared().await?, method, &path).await?;
    ensure!(
        answer.code == code && answer.text.is_empty(),
        "{path}: {answer:?}"
    );
    ensure!(
        answer.header("content-type").is_none(),
        "{path}: {answer:?}"
    );
    Ok(())
}

async fn reach(ledger: &Ledger<'_>, connector: &str, tasks: &[&str]) -> Result<()> {
    wait_until(LIMIT, &format!("{connector} {tasks:?}"), async || {
        let status = shared().await?.status(&ledger.name).await?;
        let states = status["tasks"].as_array().into_iter().flatten();
        let states: Vec<_> = states.map(|task| task["state"].clone()).collect();
        ensure!(
            status["connector"]["state"] == connector && states == tasks,
            "{status}"
        );
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_pauses_stops_and_resumes() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("orders", 1).await?);
    ledger.deploy(rest, &[]).await?;
    ledger.produce(5).await?;
    ledger.complete(rest).await?;

    order(&ledger, "PUT", "pause", 202).await?;
    reach(&ledger, "PAUSED", &["PAUSED"]).await?;
    order(&ledger, "PUT", "pause", 202).await?;
    ledger.produce(5).await?;
    Ledger::outlast(rest).await?;
    ensure!(ledger.rows().await? == 5, "a paused task wrote rows");
    order(&ledger, "PUT", "resume", 202).await?;
    reach(&ledger, "RUNNING", &["RUNNING"]).await?;
    ledger.complete(rest).await?;

    order(&ledger, "PUT", "stop", 204).await?;
    reach(&ledger, "STOPPED", &[]).await?;
    let tasks = rest
        .get(&format!("/connectors/{}/tasks", ledger.name))
        .await?;
    assert_eq!(tasks, json!([]));
    let path = format!("/connectors/{}/tasks/0/restart", ledger.name);
    let text = plain(rest, "POST", &path).await?.error(404)?;
    assert_eq!(text, format!("Unknown task: {}-0", ledger.name));
    // The answer does not wait for the tasks' end.
    tasks_have_left(&ledger, 10).await?;
    ledger.produce(5).await?;
    // From stopped to paused, and on: the tasks come when it is resumed.
    order(&ledger, "PUT", "pause/", 202).await?;
    reach(&ledger, "PAUSED", &[]).await?;
    Ledger::outlast(rest).await?;
    ensure!(ledger.rows().await? == 10, "a stopped connector wrote rows");
    order(&ledger, "PUT", "resume", 202).await?;
    ledger.complete(rest).await
}

async fn restart(ledger: &Ledger<'_>, query: &str) -> Result<Answer> {
    let path = format!("/connectors/{}/restart{query}", ledger.name);
    // As clients send it: an empty text.
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
    ];
    send(shared().await?, "POST", &path, &headers, Some("")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_answered_with_its_plan() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("restarted", 2).await?);
    ledger.deploy(rest, &[("tasks.max", "2")]).await?;
    order(&ledger, "POST", "restart", 204).await?;
    reach(&ledger, "RUNNING", &["RUNNING", "RUNNING"]).await?;
    let plan = restart(&ledger, "?includeTasks=True&onlyFailed=false").await?;
    assert_eq!(plan.code, 202);
    let plan = plan.json()?;
    assert_eq!(plan["name"], json!(ledger.name));
    assert_eq!(plan["connector"]["state"], "RESTARTING");
    assert_eq!(plan["tasks"][1]["state"], "RESTARTING");
    reach(&ledger, "RUNNING", &["RUNNING", "RUNNING"]).await?;
    // None has failed: there is nothing to do.
    let plan = restart(&ledger, "?includeTasks=true&onlyFailed=true")
        .await?
        .json()?;
    assert_eq!(plan["tasks"][0]["state"], "RUNNING");
    order(&ledger, "POST", "tasks/1/restart", 204).await?;
    plain(
        rest,
        "POST",
        &format!("/connectors/{}/tasks/7/restart", ledger.name),
    )
    .await?
    .error(404)?;
    reach(&ledger, "RUNNING", &["RUNNING", "RUNNING"]).await?;
    ledger.produce(5).await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_has_a_trace_and_is_restarted_by_order() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("failed", 1).await?);
    ledger
        .database
        .execute("ALTER TABLE ledger RENAME TO elsewhere")
        .await?;
    ledger.produce(5).await?;
    ledger.create(rest, &[]).await?;
    let trace = ledger.failure(rest).await?;
    let lines: Vec<&str> = trace.lines().collect();
    ensure!(
        lines[0].starts_with("org.apache.kafka.connect.errors.ConnectException: "),
        "{trace}"
    );
    ensure!(lines[1].starts_with("\tat "), "{trace}");
    ensure!(
        lines.iter().any(|line| line.starts_with("Caused by: ")),
        "{trace}"
    );
    ensure!(trace.contains("ledger"), "{trace}");
    // The connector itself has not failed, and another task is none of its business.
    let status = rest.status(&ledger.name).await?;
    assert_eq!(status["connector"]["state"], "RUNNING");
    ledger
        .database
        .execute("ALTER TABLE elsewhere RENAME TO ledger")
        .await?;
    let plan = restart(&ledger, "?includeTasks=true&onlyFailed=true").await?;
    assert_eq!(plan.code, 202);
    let plan = plan.json()?;
    assert_eq!(plan["tasks"][0]["state"], "RESTARTING");
    reach(&ledger, "RUNNING", &["RUNNING"]).await?;
    let status = rest.status(&ledger.name).await?;
    ensure!(status["tasks"][0].get("trace").is_none(), "{status}");
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_in_a_row_leave_the_last_one_standing() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("flurry", 1).await?);
    ledger.deploy(rest, &[]).await?;
    let base = format!("/connectors/{}", ledger.name);
    let flurry = async {
        for last in ["pause", "stop", "resume"].iter().cycle().take(12) {
            let (status, body) = rest
                .request(Method::PUT, &format!("{base}/{last}"), None)
                .await?;
            ensure!(status.is_success(), "{last}: {status} {body}");
        }
        Ok(())
    };
    ledger.meanwhile(flurry).await?;
    reach(&ledger, "RUNNING", &["RUNNING"]).await?;
    ledger.complete(rest).await
}
