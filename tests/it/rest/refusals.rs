//! What is refused, and in which words.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::shared;
use crate::wire::{send, send_json};
use harness::ledger::Ledger;

async fn refused(body: &Value) -> Result<String> {
    send_json(shared().await?, "POST", "/connectors", body)
        .await?
        .error(400)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_config_are_refused() -> Result<()> {
    let rest = shared().await?;
    let json = [("Content-Type", "application/json")];
    for body in [
        "{\"name\": ",
        "",
        "[]",
        "\"text\"",
        "{\"name\": \"x\", \"other\": 1}",
        "null",
    ] {
        let answer = send(rest, "POST", "/connectors", &json, Some(body)).await?;
        ensure!(answer.code == 400, "{body}: {answer:?}");
        answer.error(400)?;
    }
    let nested = json!({ "name": "nested", "config": { "topics": ["a", "b"] } });
    let text = refused(&nested).await?;
    ensure!(text.contains("topics"), "{text}");
    let odd = json!({ "name": "odd", "config": {}, "initial_state": "asleep" });
    let text = refused(&odd).await?;
    ensure!(text.contains("RUNNING, PAUSED, STOPPED"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_an_end() -> Result<()> {
    let rest = shared().await?;
    let body = json!({ "name": "long", "config": { "pad": "x".repeat(2 << 20) } });
    let text = send_json(rest, "POST", "/connectors", &body)
        .await?
        .error(413)?;
    ensure!(text.contains("larger than"), "{text}");
    // The worker is none the worse for it.
    ensure!(rest.get("/connectors").await?.is_array(), "no list");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_must_have_a_class_that_there_is() -> Result<()> {
    let ledger = Ledger::shared("classes", 1).await?;
    let name = ledger.name.as_str();
    let mut config = ledger.config(&[("connector.class", "com.example.NoSuchSink")]);
    let text = refused(&json!({ "name": name, "config": config })).await?;
    let start = "Failed to find any class that implements Connector and which name matches \
                 com.example.NoSuchSink, available connectors are: ";
    ensure!(text.starts_with(start), "{text}");
    if let Some(config) = config.as_object_mut() {
        config.remove("connector.class");
    }
    let text = refused(&json!({ "name": name, "config": config })).await?;
    assert_eq!(text, "Connector config contains no connector type");
    let text = refused(&json!({ "name": "other", "config": ledger.config(&[]) })).await?;
    let mismatch = format!(
        "Connector name configuration ({name}) doesn't match connector name in the URL (other)"
    );
    assert_eq!(text, mismatch);
    let config = ledger.config(&[]);
    let put = send_json(shared().await?, "PUT", "/connectors/other/config", &config).await?;
    assert_eq!(put.error(400)?, mismatch);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_at_once() -> Result<()> {
    let ledger = Ledger::shared("wrong", 1).await?;
    let end = "\nYou can also find the above list of errors at the endpoint \
               `/connector-plugins/{connectorType}/config/validate`";
    let config = ledger.config(&[("tasks.max", "invalid number")]);
    let text = refused(&json!({ "name": ledger.name, "config": config })).await?;
    let wanted = format!(
        "Connector configuration is invalid and contains the following 1 error(s):\n\
         Invalid value invalid number for configuration tasks.max: Not a number of type INT{end}"
    );
    assert_eq!(text, wanted);
    let config = ledger.config(&[
        ("tasks.max", "0"),
        ("insert.mode", "sideways"),
        ("topics", ""),
    ]);
    let text = refused(&json!({ "name": ledger.name, "config": config })).await?;
    for part in [
        "Invalid value 0 for configuration tasks.max: Value must be at least 1\n",
        "Invalid value sideways for configuration insert.mode: ",
        "Must configure one of topics or topics.regex\n",
    ] {
        ensure!(text.matches(part).count() == 1, "not once {part} in {text}");
    }
    ensure!(text.contains("the following 3 error(s)"), "{text}");
    let config = ledger.config(&[("errors.deadletterqueue.topic.name", &ledger.name)]);
    let text = refused(&json!({ "name": ledger.name, "config": config })).await?;
    ensure!(
        text.contains("may not be included in the list of topics"),
        "{text}"
    );
    Ok(())
}
