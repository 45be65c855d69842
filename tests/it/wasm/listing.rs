//! Plugins as the REST API shows them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, run};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const LIST: &str = "/connector-plugins?connectorsOnly=false";

async fn listed(rest: &ConnectClient, plugin: &str) -> Result<Option<Value>> {
    let list = rest.get(LIST).await?;
    let list = list.as_array().context("the list is none")?;
    Ok(list.iter().find(|entry| entry["class"] == plugin).cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_listed_with_their_versions() -> Result<()> {
    let worker = TestWorker::shared().await?;
    for plugin in [
        "activity-event",
        "iot-measurement",
        "telescope-data",
        "test-guest",
    ] {
        let expected = json!({ "class": plugin, "type": "transformation", "version": "0.1.0" });
        assert_eq!(listed(worker.rest(), plugin).await?, Some(expected));
    }
    // Without the question only connectors are listed.
    let connectors = worker.rest().get("/connector-plugins").await?;
    let connectors = connectors.as_array().context("the list is none")?;
    ensure!(!connectors.is_empty());
    assert!(
        connectors
            .iter()
            .all(|entry| entry["type"] == "sink" || entry["type"] == "source"),
        "{connectors:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_comes_later_is_found() -> Result<()> {
    let path = run::folder("plugins")?;
    let copy = |file: &str| -> Result<()> {
        let hidden = path.join(format!(".{file}"));
        std::fs::copy(install::plugins()?.join(file), &hidden)?;
        Ok(std::fs::rename(hidden, path.join(file))?)
    };
    copy("iot-measurement.wasm")?;
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config.set("plugin.path", &path.display().to_string());
    let worker = TestWorker::start(config).await?;
    ensure!(listed(worker.rest(), "iot-measurement").await?.is_some());
    ensure!(listed(worker.rest(), "activity-event").await?.is_none());

    copy("activity-event.wasm")?;
    wait_until(
        Duration::from_secs(10),
        "the new plugin to be listed",
        async || Ok(listed(worker.rest(), "activity-event").await?.is_some()),
    )
    .await?;
    // What is no plugin is passed over, and the rest stays.
    std::fs::write(path.join("broken.wasm"), b"\0asm\x01\0\0\0 and no more")?;
    ensure!(listed(worker.rest(), "iot-measurement").await?.is_some());
    ensure!(listed(worker.rest(), "activity-event").await?.is_some());
    Ok(())
}

fn config(settings: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "name": "any",
        "connector.class": "FerrulePostgresSink",
        "topics": "any",
        "connection.url": "jdbc:postgresql://localhost:5432/any",
        "transforms": "check",
        "transforms.check.type": "telescope-data",
    });
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    config
}

async fn validated(settings: &[(&str, &str)]) -> Result<Value> {
    let worker = TestWorker::shared().await?;
    let path = "/connector-plugins/FerrulePostgresSink/config/validate";
    let body = config(settings);
    let (status, infos) = worker
        .rest()
        .request(Method::PUT, path, Some(&body))
        .await?;
    ensure!(status == StatusCode::OK, "{status}: {infos}");
    Ok(infos)
}

fn entry<'a>(infos: &'a Value, key: &str) -> Result<&'a Value> {
    let configs = infos["configs"].as_array().context("no configs")?;
    let found = configs.iter().find(|entry| entry["value"]["name"] == key);
    found.with_context(|| format!("{key} is not among the keys"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_plugin_are_validated() -> Result<()> {
    let good = validated(&[("transforms.check.timestamp.min", "1000")]).await?;
    assert_eq!(good["error_count"], 0, "{good}");
    let key = entry(&good, "transforms.check.timestamp.min")?;
    assert_eq!(key["value"]["value"], "1000");
    assert_eq!(key["value"]["errors"], json!([]));
    let definition = &key["definition"];
    assert_eq!(definition["type"], "LONG");
    assert_eq!(definition["default_value"], "1");
    assert_eq!(definition["required"], false);
    assert_eq!(definition["group"], "Transforms: check");
    let documentation = definition["documentation"].as_str().unwrap_or_default();
    assert!(
        documentation.starts_with("Least timestamp allowed"),
        "{documentation}"
    );
    // The worker's own keys of a plugin stand beside them.
    entry(&good, "transforms.check.call.timeout.ms")?;

    let bad = [
        // More than the worker gives.
        ("transforms.check.call.timeout.ms", "999999"),
        ("transforms.check.memory.max.bytes", "99999999999"),
        ("transforms.check.output.max.bytes", "99999999999"),
        ("transforms.check.state.max.bytes", "99999999999"),
        ("transforms.check.timestamp.min", "now"),
        ("transforms.check.max.payload.bytes", "-1"),
    ];
    let infos = validated(&bad).await?;
    assert_eq!(infos["error_count"], 6, "{infos}");
    for (key, value) in bad {
        let errors = &entry(&infos, key)?["value"]["errors"];
        let text = errors[0].as_str().unwrap_or_default();
        assert!(
            text.starts_with(&format!("Invalid value {value} for configuration")),
            "{errors}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_not_there_is_refused() -> Result<()> {
    let infos = validated(&[("transforms.check.type", "no-such-plugin")]).await?;
    let errors = entry(&infos, "transforms.check.type")?["value"]["errors"].to_string();
    assert!(errors.contains("no-such-plugin"), "{errors}");

    let worker = TestWorker::shared().await?;
    let body =
        json!({ "name": "any", "config": config(&[("transforms.check.type", "none-such")]) });
    let (status, body) = worker
        .rest()
        .request(Method::POST, "/connectors", Some(&body))
        .await?;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert!(body["message"].to_string().contains("none-such"), "{body}");

    let most = config(&[("transforms.check.call.timeout.ms", "999999")]);
    let body = json!({ "name": "any", "config": most });
    let (status, body) = worker
        .rest()
        .request(Method::POST, "/connectors", Some(&body))
        .await?;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let message = body["message"].as_str().unwrap_or_default();
    let expected = "Invalid value 999999 for configuration transforms.check.call.timeout.ms: \
                    Value must be no more than 2000";
    assert!(message.contains(expected), "{message}");
    Ok(())
}
