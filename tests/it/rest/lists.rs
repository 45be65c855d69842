//! Reading: lists, descriptions, statuses, tasks, offsets, topics.

use anyhow::{Result, ensure};
use harness::wait::wait_until;
use serde_json::{Value, json};

use super::{keys, shared};
use crate::wire::{plain, send};
use harness::ledger::Ledger;

async fn get(path: &str) -> Result<Value> {
    let answer = plain(shared().await?, "GET", path).await?;
    ensure!(answer.code == 200, "{path}: {answer:?}");
    ensure!(
        answer.header("content-type") == Some("application/json"),
        "{path}: {answer:?}"
    );
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_shown_in_every_form() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("shown", 2).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[("tasks.max", "2")]).await?;
    let config = ledger.config(&[("tasks.max", "2")]);
    let tasks = json!([{ "connector": name, "task": 0 }, { "connector": name, "task": 1 }]);
    let info = json!({ "name": name, "config": config, "tasks": tasks, "type": "sink" });
    assert_eq!(get(&format!("/connectors/{name}")).await?, info);
    assert_eq!(get(&format!("/connectors/{name}/")).await?, info);
    assert_eq!(get(&format!("/connectors/{name}/config")).await?, config);

    let status = get(&format!("/connectors/{name}/status")).await?;
    assert_eq!(keys(&status)?, ["connector", "name", "tasks", "type"]);
    assert_eq!(
        (&status["name"], &status["type"]),
        (&json!(name), &json!("sink"))
    );
    let connector = status["connector"]
        .as_object()
        .map(|it| it.values().all(Value::is_string));
    assert_eq!(connector, Some(true), "{status}");
    assert_eq!(status["connector"]["state"], "RUNNING");
    ensure!(status["connector"].get("trace").is_none(), "{status}");
    let worker_id = rest.base().trim_start_matches("http://");
    for (id, task) in status["tasks"].as_array().into_iter().flatten().enumerate() {
        assert_eq!(
            (&task["id"], &task["state"]),
            (&json!(id), &json!("RUNNING"))
        );
        assert_eq!(task["worker_id"], worker_id);
        ensure!(task.get("trace").is_none(), "{status}");
        let path = format!("/connectors/{name}/tasks/{id}/status");
        assert_eq!(get(&path).await?, *task);
    }
    assert_eq!(status["tasks"].as_array().map(Vec::len), Some(2));

    let list = get(&format!("/connectors/{name}/tasks")).await?;
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert_eq!(list[1]["id"], json!({ "connector": name, "task": 1 }));
    assert_eq!(list[1]["config"]["topics"], name);

    for path in ["/connectors", "/connectors/"] {
        let names = get(path).await?;
        ensure!(
            names.as_array().is_some_and(|it| it.contains(&json!(name))),
            "{names}"
        );
    }
    let both = get("/connectors?expand=info&expand=status").await?;
    assert_eq!(keys(&both[name])?, ["info", "status"]);
    assert_eq!(
        (&both[name]["info"], &both[name]["status"]),
        (&info, &status)
    );
    assert_eq!(
        get("/connectors?expand=info").await?[name],
        json!({ "info": info })
    );
    assert_eq!(
        get("/connectors/?expand=status").await?[name],
        json!({ "status": status })
    );
    assert_eq!(get("/connectors?expand=tasks").await?[name], json!({}));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_topics_follow_the_records() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("followed", 2).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(30).await?;
    ledger.complete(rest).await?;
    let element = |partition: i32| {
        json!({ "partition": { "kafka_topic": name, "kafka_partition": partition },
                "offset": { "kafka_offset": 30 } })
    };
    let limit = std::time::Duration::from_secs(10);
    wait_until(limit, "the offsets", async || {
        let offsets = get(&format!("/connectors/{name}/offsets")).await?;
        let found = offsets["offsets"].as_array().cloned().unwrap_or_default();
        let all = found.len() == 2 && [0, 1].iter().all(|at| found.contains(&element(*at)));
        ensure!(all, "{offsets}");
        Ok(true)
    })
    .await?;
    let topics = get(&format!("/connectors/{name}/topics")).await?;
    assert_eq!(topics, json!({ name: { "topics": [name] } }));
    let reset = plain(rest, "PUT", &format!("/connectors/{name}/topics/reset")).await?;
    assert_eq!((reset.code, reset.text.as_str()), (202, ""));
    let topics = get(&format!("/connectors/{name}/topics")).await?;
    assert_eq!(topics, json!({ name: { "topics": [] } }));
    let unknown = get("/connectors/none-such/topics").await?;
    assert_eq!(unknown, json!({ "none-such": { "topics": [] } }));

    let path = format!("/connectors/{name}/offsets");
    let text = plain(rest, "DELETE", &path).await?.error(400)?;
    ensure!(
        text.starts_with("Connectors must be in the STOPPED state before"),
        "{text}"
    );
    let none = [("Content-Type", "application/json")];
    let text = send(rest, "PATCH", &path, &none, Some("{\"offsets\": []}"))
        .await?
        .error(400)?;
    assert_eq!(
        text,
        "Partitions / offsets need to be provided for an alter offsets request"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_with_its_text() -> Result<()> {
    let rest = shared().await?;
    let base = "/connectors/none-such";
    for (method, path, text) in [
        ("GET", "", "Connector none-such not found"),
        ("GET", "/config", "Connector none-such not found"),
        ("GET", "/tasks", "Connector none-such not found"),
        ("GET", "/offsets", "Connector none-such not found"),
        ("DELETE", "", "Connector none-such not found"),
        ("GET", "/status", "No status found for connector none-such"),
        (
            "GET",
            "/tasks/0/status",
            "No status found for task none-such-0",
        ),
        ("PUT", "/pause", "Unknown connector none-such"),
        ("PUT", "/resume", "Unknown connector none-such"),
        ("POST", "/restart", "Unknown connector: none-such"),
    ] {
        let found = plain(rest, method, &format!("{base}{path}")).await?;
        assert_eq!(found.error(404)?, text, "{method} {path}");
    }
    plain(rest, "PUT", &format!("{base}/stop"))
        .await?
        .error(404)?;
    plain(rest, "POST", &format!("{base}/tasks/0/restart"))
        .await?
        .error(404)?;
    Ok(())
}
