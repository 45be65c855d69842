//! `/connector-plugins`: what there is, its options, and what is wrong with a config.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{keys, shared};
use crate::wire::{Answer, plain, send_json};
use harness::ledger::Ledger;

const CLASS: &str = "FerrulePostgresSink";

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_are_listed() -> Result<()> {
    let rest = shared().await?;
    for path in [
        "/connector-plugins",
        "/connector-plugins/?connectorsOnly=true",
    ] {
        let list = plain(rest, "GET", path).await?.json()?;
        let connectors = list.as_array().context("no array")?;
        let is_connector = |it: &Value| it["type"] == "sink" || it["type"] == "source";
        ensure!(connectors.iter().all(is_connector), "{list}");
        let own = connectors
            .iter()
            .find(|it| it["class"] == CLASS)
            .context("no sink")?;
        assert_eq!(keys(own)?, ["class", "type", "version"]);
    }
    let all = plain(rest, "GET", "/connector-plugins?connectorsOnly=False")
        .await?
        .json()?;
    for (class, kind) in [
        (CLASS, "sink"),
        (
            "org.apache.kafka.connect.transforms.InsertField$Value",
            "transformation",
        ),
        (
            "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
            "predicate",
        ),
        ("org.apache.kafka.connect.json.JsonConverter", "converter"),
        (
            "org.apache.kafka.connect.storage.SimpleHeaderConverter",
            "header_converter",
        ),
        ("activity-event", "transformation"),
    ] {
        let found = all
            .as_array()
            .into_iter()
            .flatten()
            .any(|it| it["class"] == class && it["type"] == kind);
        ensure!(found, "no {class} among {all}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_described_in_full() -> Result<()> {
    let rest = shared().await?;
    let list = plain(rest, "GET", &format!("/connector-plugins/{CLASS}/config"))
        .await?
        .json()?;
    let options = list.as_array().context("no array")?;
    for option in options {
        assert_eq!(
            keys(option)?,
            [
                "default_value",
                "dependents",
                "display_name",
                "documentation",
                "group",
                "importance",
                "name",
                "order",
                "order_in_group",
                "required",
                "type",
                "width"
            ]
        );
        let kinds = [
            "BOOLEAN", "CLASS", "DOUBLE", "INT", "LIST", "LONG", "PASSWORD", "SHORT", "STRING",
        ];
        ensure!(kinds.iter().any(|kind| option["type"] == *kind), "{option}");
        ensure!(
            ["LOW", "MEDIUM", "HIGH"]
                .iter()
                .any(|it| option["importance"] == *it),
            "{option}"
        );
        let default = &option["default_value"];
        ensure!(default.is_null() || default.is_string(), "{option}");
        ensure!(option["required"] == false || default.is_null(), "{option}");
    }
    let named = |name: &str| {
        options
            .iter()
            .find(|option| option["name"] == name)
            .cloned()
    };
    let tasks = named("tasks.max").context("no tasks.max")?;
    assert_eq!(
        (&tasks["type"], &tasks["default_value"]),
        (&json!("INT"), &json!("1"))
    );
    let password = named("connection.password").context("no connection.password")?;
    assert_eq!(password["type"], "PASSWORD");
    let names: Vec<&Value> = options.iter().map(|option| &option["name"]).collect();
    let doubled = names
        .iter()
        .enumerate()
        .find(|(at, name)| names[..*at].contains(name));
    ensure!(doubled.is_none(), "{doubled:?} comes twice");
    let missing = plain(rest, "GET", "/connector-plugins/NoSuch/config")
        .await?
        .error(404)?;
    assert_eq!(missing, "Unknown plugin NoSuch.");
    Ok(())
}

async fn validate(plugin: &str, config: &Value) -> Result<Answer> {
    let path = format!("/connector-plugins/{plugin}/config/validate");
    send_json(shared().await?, "PUT", &path, config).await
}

fn value(infos: &Value, name: &str) -> Result<Value> {
    let configs = infos["configs"].as_array().context("no configs")?;
    let found = configs
        .iter()
        .find(|config| config["value"]["name"] == name);
    Ok(found.with_context(|| format!("no {name}"))?["value"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_is_validated() -> Result<()> {
    let ledger = Ledger::shared("validated", 1).await?;
    let good = validate(CLASS, &ledger.config(&[])).await?;
    assert_eq!(good.code, 200);
    let good = good.json()?;
    assert_eq!(keys(&good)?, ["configs", "error_count", "groups", "name"]);
    assert_eq!(
        (&good["name"], &good["error_count"]),
        (&json!(CLASS), &json!(0))
    );
    assert_eq!(good["groups"][0], "Common");
    assert_eq!(value(&good, "connection.password")?["value"], "[hidden]");
    let transform = value(&good, "transforms.place.offset.field")?;
    assert_eq!(transform["value"], "at_offset");

    let texts =
        |infos: &Value| Ok::<_, anyhow::Error>(value(infos, "tasks.max")?["errors"].clone());
    let zero = validate(CLASS, &ledger.config(&[("tasks.max", "0")]))
        .await?
        .json()?;
    assert_eq!(zero["error_count"], 1);
    let least = "Invalid value 0 for configuration tasks.max: Value must be at least 1";
    assert_eq!(texts(&zero)?, json!([least]));
    let word = validate(CLASS, &ledger.config(&[("tasks.max", "many")]))
        .await?
        .json()?;
    assert_eq!(word["error_count"], 1);
    let wanted = "Invalid value many for configuration tasks.max: Not a number of type INT";
    assert_eq!(texts(&word)?, json!([wanted]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_empty_config_shows_a_form() -> Result<()> {
    // As a client does that wants the options of each plugin.
    let bare = validate(
        CLASS,
        &json!({ "connector.class": CLASS, "topics": "getPlugins" }),
    )
    .await?;
    assert_eq!(bare.code, 200, "{bare:?}");
    let bare = bare.json()?;
    let missing = "Missing required configuration \"connection.url\" which has no default value.";
    assert_eq!(value(&bare, "connection.url")?["errors"], json!([missing]));
    ensure!(
        bare["error_count"].as_i64().is_some_and(|count| count >= 2),
        "{bare}"
    );

    let text = validate(CLASS, &json!({ "topics": "x" }))
        .await?
        .error(400)?;
    assert_eq!(text, "Connector config contains no connector type");
    let other = json!({ "connector.class": CLASS, "topics": "x" });
    let text = validate("Another", &other).await?.error(400)?;
    assert_eq!(
        text,
        format!("Included connector type {CLASS} does not match request type Another")
    );
    Ok(())
}
