//! The offsets of a source: as REST shows and changes them, and as Kafka has them.

use super::*;
use crate::wire::{plain, send_json};

async fn change(rest: &ConnectClient, lines: &Lines, offsets: &Value) -> Result<(u16, String)> {
    let path = format!("/connectors/{}/offsets", lines.name);
    let answer = send_json(rest, "PATCH", &path, offsets).await?;
    let message = answer.json()?["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok((answer.code, message))
}

async fn stop(rest: &ConnectClient, lines: &Lines) -> Result<()> {
    lines.order(rest, "stop").await?;
    wait_until(LIMIT, "the task to have stored its offset", async || {
        Ok(lines.offsets(rest).await? == lines.at(35))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_altered_and_reset() -> Result<()> {
    let (rest, mut lines) = (shared().await?, Lines::new("altered").await?);
    lines.add(5)?;
    lines.deploy(rest, &[]).await?;
    lines.holds(&lines.expected()).await?;
    let (code, message) = change(rest, &lines, &lines.at(0)).await?;
    ensure!(
        code == 400 && message.contains("STOPPED state"),
        "{code}: {message}"
    );
    stop(rest, &lines).await?;
    for (position, expected) in [(json!(-1), "non-negative"), (json!("7"), "a Long value")] {
        let mut wrong = lines.at(0);
        wrong["offsets"][0]["offset"]["position"] = position;
        let (code, message) = change(rest, &lines, &wrong).await?;
        ensure!(
            code == 400 && message.contains(expected),
            "{code}: {message}"
        );
    }
    let (code, message) = change(rest, &lines, &lines.at(21)).await?;
    let altered = "The offsets for this connector have been altered successfully";
    ensure!(code == 200 && message == altered, "{code}: {message}");
    let offsets = lines.offsets(rest).await?;
    ensure!(offsets == lines.at(21), "{offsets}");
    lines.order(rest, "resume").await?;
    let mut expected = lines.expected();
    expected.extend(lines.expected().split_off(3));
    lines.holds(&expected).await?;
    stop(rest, &lines).await?;
    let path = format!("/connectors/{}/offsets", lines.name);
    let answer = plain(rest, "DELETE", &path).await?;
    ensure!(answer.code == 200, "{}: {}", answer.code, answer.text);
    let offsets = lines.offsets(rest).await?;
    ensure!(offsets == json!({ "offsets": [] }), "{offsets}");
    lines.order(rest, "resume").await?;
    expected.extend(lines.expected());
    lines.holds(&expected).await
}

/// A worker of the JVM must find what this one has stored.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_in_kafka_connects_format() -> Result<()> {
    let topic = names::unique("offsets");
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("offset.flush.interval.ms", "50")
        .set("offset.storage.topic", &topic);
    let (worker, mut lines) = (
        TestWorker::start(config).await?,
        Lines::new("format").await?,
    );
    lines.add(3)?;
    lines.deploy(worker.rest(), &[]).await?;
    wait_until(LIMIT, "the offset", async || {
        let records = lines.kafka.read(&topic).await?;
        let last = records.last().ok_or_else(|| anyhow::anyhow!("no offset"))?;
        let key = String::from_utf8(last.key.clone().unwrap_or_default())?;
        let filename = lines.path.display();
        ensure!(
            key == format!(r#"["{}",{{"filename":"{filename}"}}]"#, lines.name),
            "{key}"
        );
        ensure!(last.text() == r#"{"position":21}"#, "{}", last.text());
        Ok(true)
    })
    .await?;
    ensure!(lines.kafka.partitions(&topic).await?.len() == 25);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_listed_and_validated_as_a_source() -> Result<()> {
    let (rest, lines) = (shared().await?, Lines::new("validated").await?);
    let plugins = rest.get("/connector-plugins").await?;
    for class in [
        "FerruleFileStreamSource",
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
    ] {
        let plugins = plugins.as_array().into_iter().flatten();
        let types: Vec<_> = plugins
            .filter(|p| p["class"] == class)
            .map(|p| &p["type"])
            .collect();
        ensure!(types == ["source"], "{class}: {types:?}");
    }
    let config = lines.config(&[
        ("name", lines.name.as_str()),
        ("exactly.once.support", "required"),
        ("transaction.boundary", "connector"),
        ("batch.size", "0"),
    ]);
    let path = "/connector-plugins/FileStreamSource/config/validate";
    let answer = send_json(rest, "PUT", path, &config).await?.json()?;
    let values: Vec<&Value> = answer["configs"].as_array().into_iter().flatten().collect();
    let errors = |name: &str| {
        let found = values.iter().find(|config| config["value"]["name"] == name);
        found.map(|config| config["value"]["errors"].to_string())
    };
    for (name, expected) in [
        (
            "exactly.once.support",
            "does not have exactly-once source support enabled",
        ),
        (
            "transaction.boundary",
            "connector-defined transaction boundaries",
        ),
        ("batch.size", "Value must be at least 1"),
    ] {
        let found = errors(name).unwrap_or_default();
        ensure!(found.contains(expected), "{name}: {found}");
    }
    for absent in [
        "topics",
        "topics.regex",
        "errors.deadletterqueue.topic.name",
    ] {
        ensure!(
            errors(absent).is_none(),
            "{absent} is an option of a source"
        );
    }
    let body = json!({ "name": lines.name, "config": config });
    let answer = send_json(rest, "POST", "/connectors", &body).await?;
    ensure!(answer.code == 400, "{}: {}", answer.code, answer.text);
    Ok(())
}
