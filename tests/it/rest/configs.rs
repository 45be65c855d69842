//! Writing: configs are kept exactly as they were given.

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::postgres::PASSWORD;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use super::shared;
use crate::wire::{plain, send, send_json};
use harness::ledger::Ledger;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_created_once() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("once", 1).await?);
    let (name, mut config) = (ledger.name.as_str(), ledger.config(&[]));
    let own = config
        .as_object_mut()
        .and_then(|config| config.remove("name"));
    assert_eq!(own, Some(json!(name)));
    let body = json!({ "name": name, "config": config });
    // Without a type it may be a page's.
    let untyped = send(rest, "POST", "/connectors/", &[], Some(&body.to_string())).await?;
    let text = untyped.error(415)?;
    assert_eq!(text, "HTTP 415 Unsupported Media Type");
    let created = send_json(rest, "POST", "/connectors/", &body).await?;
    assert_eq!(created.code, 201, "{created:?}");
    assert_eq!(
        created.header("location"),
        Some(format!("{}/connectors/{name}", rest.base()).as_str())
    );
    let info = created.json()?;
    assert_eq!(
        (&info["name"], &info["type"]),
        (&json!(name), &json!("sink"))
    );
    // The name is filled in.
    assert_eq!(info["config"], ledger.config(&[]));

    let again = send_json(rest, "POST", "/connectors", &body)
        .await?
        .error(409)?;
    assert_eq!(again, format!("Connector {name} already exists"));

    let path = format!("/connectors/{name}");
    let deleted = send(rest, "DELETE", &path, &[], Some("")).await?;
    assert_eq!((deleted.code, deleted.text.as_str()), (204, ""));
    assert_eq!(deleted.header("content-type"), None);
    plain(rest, "GET", &path).await?.error(404)?;
    plain(rest, "GET", &format!("{path}/status"))
        .await?
        .error(404)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn put_creates_and_replaces_and_patch_changes() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("put", 1).await?);
    let base = format!("/connectors/{}", ledger.name);
    let path = format!("{base}/config");
    let created = send_json(rest, "PUT", &path, &ledger.config(&[])).await?;
    assert_eq!(
        (created.code, created.header("location")),
        (201, Some(format!("{}{base}", rest.base()).as_str()))
    );

    // Scalars become texts, and what is odd stays odd.
    let mut config = ledger.config(&[("odd", "  Spaces And CAPS ")]);
    config["tasks.max"] = json!(2);
    config["errors.log.enable"] = json!(true);
    let replaced = send_json(rest, "PUT", &path, &config).await?;
    assert_eq!((replaced.code, replaced.header("location")), (200, None));
    config["tasks.max"] = json!("2");
    config["errors.log.enable"] = json!("true");
    assert_eq!(replaced.json()?["config"], config);
    assert_eq!(plain(rest, "GET", &path).await?.json()?, config);

    let patch = json!({ "odd": null, "tasks.max": "1", "absent": null });
    let patched = send_json(rest, "PATCH", &path, &patch).await?;
    assert_eq!(patched.code, 200, "{patched:?}");
    let wanted = ledger.config(&[("errors.log.enable", "true")]);
    assert_eq!(patched.json()?["config"], wanted);
    assert_eq!(plain(rest, "GET", &path).await?.json()?, wanted);

    // What is refused changes nothing.
    let bad = json!({ "tasks.max": "many" });
    let refused = send_json(rest, "PATCH", &path, &bad).await?.error(400)?;
    ensure!(
        refused.contains("Invalid value many for configuration tasks.max"),
        "{refused}"
    );
    assert_eq!(plain(rest, "GET", &path).await?.json()?, wanted);
    let unknown = send_json(rest, "PATCH", "/connectors/none-such/config", &json!({})).await?;
    assert_eq!(unknown.error(404)?, "Connector none-such not found");
    // It still works.
    rest.wait_for_state(&ledger.name, "RUNNING").await?;
    ledger.produce(3).await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_from_the_path_as_they_were_meant() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("escaped", 1).await?);
    let name = format!("{} a->b/é", ledger.name);
    let config = ledger.config(&[("name", &name)]);
    let body = json!({ "name": name, "config": config });
    let created = send_json(rest, "POST", "/connectors", &body).await?;
    assert_eq!(created.code, 201, "{created:?}");
    let path = format!("/connectors/{}%20a-%3Eb%2F%C3%A9", ledger.name);
    let location = format!("{}{path}", rest.base());
    assert_eq!(created.header("location"), Some(location.as_str()));
    let shown = plain(rest, "GET", &path).await?.json()?;
    assert_eq!(shown["name"], json!(name));
    assert_eq!(plain(rest, "DELETE", &path).await?.code, 204);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_with_their_providers() -> Result<()> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("config.providers", "env")
        .set(
            "config.providers.env.class",
            "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        )
        .env("LEDGER_PASSWORD", PASSWORD)
        .env("LEDGER_TABLE", "ledger");
    let worker = TestWorker::start(config).await?;
    let rest = worker.rest();
    let ledger = Ledger::shared("provided", 1).await?;
    let settings = [
        ("connection.password", "${env:LEDGER_PASSWORD}"),
        ("table.name.format", "${env:LEDGER_TABLE}"),
    ];
    ledger.deploy(rest, &settings).await?;
    ledger.produce(5).await?;
    ledger.complete(rest).await?;
    let base = format!("/connectors/{}", ledger.name);
    let shown = plain(rest, "GET", &format!("{base}/config"))
        .await?
        .json()?;
    assert_eq!(shown, ledger.config(&settings));
    let tasks = plain(rest, "GET", &format!("{base}/tasks")).await?.json()?;
    assert_eq!(
        tasks[0]["config"]["connection.password"],
        "${env:LEDGER_PASSWORD}"
    );
    Ok(())
}
