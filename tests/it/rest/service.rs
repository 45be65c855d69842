//! What the worker says of itself: `/`, `/health`, `/metrics`, `/admin/loggers`.

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use super::{keys, shared};
use crate::wire::{plain, send, send_json};
use harness::ledger::Ledger;

#[tokio::test(flavor = "multi_thread")]
async fn the_root_names_a_version_that_tools_can_read() -> Result<()> {
    let answer = plain(shared().await?, "GET", "/").await?;
    assert_eq!(
        (answer.code, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let root = answer.json()?;
    assert_eq!(keys(&root)?, ["commit", "kafka_cluster_id", "version"]);
    let version = root["version"].as_str().context("the version is no text")?;
    let numbers: Vec<&str> = version.split('.').collect();
    ensure!(
        numbers[0].parse::<u32>()? >= 3 && numbers[1].parse::<u32>().is_ok(),
        "{version}"
    );
    ensure!(
        root["commit"]
            .as_str()
            .is_some_and(|commit| !commit.is_empty()),
        "{root}"
    );
    assert_eq!(root["kafka_cluster_id"], "ZmVycnVsZS10ZXN0cy0wMQ");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_is_healthy() -> Result<()> {
    for path in ["/health", "/health/"] {
        let answer = plain(shared().await?, "GET", path).await?;
        let message = "Worker has completed startup and is ready to handle requests.";
        assert_eq!(answer.code, 200);
        assert_eq!(
            answer.json()?,
            json!({ "status": "healthy", "message": message })
        );
    }
    let log = TestWorker::shared().await?.log()?;
    ensure!(
        log.contains("Kafka version") && log.contains("Joined group"),
        "no such lines"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_hold_those_of_each_task() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("metrics", 2).await?);
    ledger.deploy(rest, &[]).await?;
    ledger.produce(25).await?;
    ledger.complete(rest).await?;
    let answer = plain(rest, "GET", "/metrics").await?;
    ensure!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain")),
        "type"
    );
    let labels = format!("{{connector=\"{}\",task=\"0\"}}", ledger.name);
    for (name, value) in [
        ("kafka_connect_sink_task_sink_record_read_total", "50"),
        ("kafka_connect_sink_task_sink_record_send_total", "50"),
        ("kafka_connect_sink_task_partition_count", "2"),
        ("kafka_connect_task_error_total_record_failures", "0"),
        ("kafka_connect_task_error_total_records_skipped", "0"),
        (
            "kafka_connect_task_error_deadletterqueue_produce_requests",
            "0",
        ),
        ("ferrule_task_target_unavailable", "0"),
    ] {
        let line = format!("{name}{labels} {value}");
        ensure!(
            answer.text.lines().any(|it| it == line),
            "no {line} in\n{}",
            answer.text
        );
    }
    ensure!(!answer.text.contains("password"), "a secret in the metrics");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_of_logging_can_be_seen_and_set() -> Result<()> {
    // Of its own: what is set here would show in the logs of the others.
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let worker = TestWorker::start(config).await?;
    let rest = worker.rest();
    for path in ["/admin/loggers", "/admin/loggers/"] {
        let all = plain(rest, "GET", path).await?.json()?;
        assert_eq!(
            all["root"],
            json!({ "level": "INFO", "last_modified": null })
        );
    }
    let (path, debug) = (
        "/admin/loggers/connect_runtime",
        json!({ "level": "debug" }),
    );
    let set = send_json(rest, "PUT", path, &debug).await?;
    assert_eq!(set.code, 200);
    let affected = set.json()?;
    ensure!(
        affected
            .as_array()
            .is_some_and(|it| it.contains(&json!("connect_runtime"))),
        "{affected}"
    );
    let level = plain(rest, "GET", path).await?.json()?;
    assert_eq!(level["level"], "DEBUG");
    ensure!(level["last_modified"].is_i64(), "{level}");

    let cluster = send_json(rest, "PUT", &format!("{path}?scope=cluster"), &debug).await?;
    assert_eq!((cluster.code, cluster.text.as_str()), (204, ""));
    let missing = plain(rest, "GET", "/admin/loggers/none.such")
        .await?
        .error(404)?;
    assert_eq!(missing, "Logger none.such not found.");
    let none = send_json(rest, "PUT", path, &json!({})).await?.error(400)?;
    assert_eq!(
        none,
        "Desired 'level' parameter was not specified in request."
    );
    let odd = send_json(rest, "PUT", path, &json!({ "level": "LOUD" }))
        .await?
        .error(404)?;
    assert_eq!(odd, "invalid log level 'LOUD'.");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_answered_as_errors() -> Result<()> {
    let rest = shared().await?;
    let text = plain(rest, "GET", "/none/such").await?.error(404)?;
    assert_eq!(text, "HTTP 404 Not Found");
    let text = plain(rest, "DELETE", "/connectors").await?.error(405)?;
    assert_eq!(text, "HTTP 405 Method Not Allowed");
    let headers = [("Content-Type", "text/plain")];
    let text = send(rest, "POST", "/connectors", &headers, Some("{}"))
        .await?
        .error(415)?;
    assert_eq!(text, "HTTP 415 Unsupported Media Type");
    Ok(())
}
