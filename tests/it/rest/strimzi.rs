//! What Strimzi's operator asks of the REST API while it reconciles a KafkaConnector, in its order,
//! and what it needs of each answer (KafkaConnectApi of strimzi-kafka-operator).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::wait::wait_until;
use harness::{names, run};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::shared;

const LIMIT: Duration = Duration::from_secs(20);

/// One request, whose code must be one of these; the answer's body.
async fn ask(method: Method, path: &str, body: Option<&Value>, codes: &[u16]) -> Result<Value> {
    let (code, answer) = shared().await?.request(method.clone(), path, body).await?;
    ensure!(
        codes.contains(&code.as_u16()),
        "{method} {path}: {code} {answer}"
    );
    Ok(answer)
}

async fn get(path: &str) -> Result<Value> {
    ask(Method::GET, path, None, &[200, 201]).await
}

/// The operator polls with a back-off while the status is not there.
async fn reach(name: &str, state: &str) -> Result<()> {
    wait_until(LIMIT, &format!("{name} to be {state}"), async || {
        let status = get(&format!("/connectors/{name}/status")).await?;
        // It takes the state as a text, and counts the tasks.
        let connector = status["connector"]["state"].as_str();
        let connector = connector.context("no $.connector.state")?;
        let tasks = status["tasks"].as_array().context("no tasks")?;
        let tasks: Vec<_> = tasks.iter().map(|task| &task["state"]).collect();
        let expected = match state {
            "STOPPED" => tasks.is_empty(),
            state => tasks == [state],
        };
        ensure!(connector == state && expected, "{status}");
        Ok(true)
    })
    .await
}

/// What the operator compares with the config that is there: every value as text, and the name.
fn desired(name: &str, config: &Value) -> Result<Map<String, Value>> {
    let config = config.as_object().context("no object")?;
    let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
    let own = config
        .iter()
        .map(|(key, value)| (key.clone(), json!(text(value))));
    Ok(own.chain([("name".to_owned(), json!(name))]).collect())
}

async fn has_config(name: &str, config: &Value) -> Result<()> {
    let actual = get(&format!("/connectors/{name}/config")).await?;
    let wanted = Value::from(desired(name, config)?);
    ensure!(
        actual == wanted,
        "it would be configured anew for ever: {actual} {wanted}"
    );
    Ok(())
}

/// What is asked for the workers as a whole.
async fn cluster() -> Result<()> {
    let plugins = get("/connector-plugins").await?;
    for plugin in plugins.as_array().context("no list")? {
        for key in ["class", "type", "version"] {
            ensure!(plugin[key].is_string(), "{plugin}");
        }
    }
    let names = get("/connectors").await?;
    let names = names.as_array().context("no list")?;
    ensure!(names.iter().all(Value::is_string), "{names:?}");
    for path in ["/admin/loggers", "/admin/loggers/"] {
        let loggers = get(path).await?;
        for (name, logger) in loggers.as_object().context("no object")? {
            ensure!(logger["level"].is_string(), "{name}: {logger}");
        }
    }
    // Those that are there are set as they are, and with them what the operator's own default says.
    for (name, level) in [("root", "INFO"), ("org.reflections", "ERROR")] {
        let path = format!("/admin/loggers/{name}");
        let level = json!({ "level": level });
        ask(Method::PUT, &path, Some(&level), &[200]).await?;
        let set = get("/admin/loggers").await?;
        ensure!(set[name]["level"] == level["level"], "{set}");
    }
    Ok(())
}

/// Pause, resume and stop, and what a stopped connector lets change.
async fn states(name: &str, file: &str) -> Result<()> {
    let path = |rest: &str| format!("/connectors/{name}/{rest}");
    ask(Method::PUT, &path("pause"), None, &[202]).await?;
    reach(name, "PAUSED").await?;
    ask(Method::PUT, &path("resume"), None, &[202]).await?;
    reach(name, "RUNNING").await?;
    ask(Method::PUT, &path("stop"), None, &[202, 204]).await?;
    reach(name, "STOPPED").await?;

    let offsets = json!({ "offsets": [
        { "partition": { "filename": file }, "offset": { "position": 4 } },
    ]});
    let altered = ask(Method::PATCH, &path("offsets"), Some(&offsets), &[200]).await?;
    ensure!(altered["message"].is_string(), "{altered}");
    ensure!(get(&path("offsets")).await? == offsets);
    let reset = ask(Method::DELETE, &path("offsets"), None, &[200]).await?;
    ensure!(reset["message"].is_string(), "{reset}");
    ensure!(get(&path("offsets")).await? == json!({ "offsets": [] }));
    ask(Method::PUT, &path("resume"), None, &[202]).await?;
    reach(name, "RUNNING").await
}

/// By annotation, or by the operator itself for what has failed.
async fn restarts(name: &str) -> Result<()> {
    for (tasks, failed) in [(false, false), (true, false), (false, true), (true, true)] {
        let path = format!("/connectors/{name}/restart?includeTasks={tasks}&onlyFailed={failed}");
        let (code, answer) = shared().await?.request(Method::POST, &path, None).await?;
        match code {
            StatusCode::ACCEPTED => {
                ensure!(answer["connector"]["state"].is_string(), "{path}: {answer}");
            }
            code => ensure!(code == StatusCode::NO_CONTENT, "{path}: {code} {answer}"),
        }
    }
    let path = format!("/connectors/{name}/tasks/0/restart");
    ask(Method::POST, &path, None, &[204]).await?;
    reach(name, "RUNNING").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_connector_of_strimzi_is_reconciled() -> Result<()> {
    let name = names::unique("strimzi");
    TestKafka::shared().await?.create_topic(&name, 1).await?;
    let file = run::folder("strimzi")?.join("lines.txt");
    std::fs::write(&file, "one\ntwo\n")?;
    let path = |rest: &str| format!("/connectors/{name}/{rest}");
    cluster().await?;

    let absent = ask(Method::GET, &path("config"), None, &[404]).await?;
    ensure!(absent["message"].is_string(), "{absent}");
    // spec.tasksMax is a number, and spec.config holds whatever YAML has.
    let mut config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": 1,
        "topic": name,
        "file": file,
        "batch.size": 100,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": false,
    });
    ask(Method::PUT, &path("config"), Some(&config), &[201]).await?;
    reach(&name, "RUNNING").await?;
    has_config(&name, &config).await?;
    let topics = get(&path("topics")).await?;
    let used = topics[&name]["topics"].as_array();
    ensure!(
        used.is_some_and(|it| it.iter().all(Value::is_string)),
        "{topics}"
    );

    config["batch.size"] = json!(200);
    ask(Method::PUT, &path("config"), Some(&config), &[200]).await?;
    reach(&name, "RUNNING").await?;
    has_config(&name, &config).await?;
    states(&name, &file.display().to_string()).await?;
    restarts(&name).await?;

    // A refusal becomes the condition of the resource.
    config["batch.size"] = json!("many");
    let refused = ask(Method::PUT, &path("config"), Some(&config), &[400]).await?;
    let message = refused["message"].as_str().context("no message")?;
    ensure!(message.contains("batch.size"), "{message}");

    ask(Method::DELETE, &format!("/connectors/{name}"), None, &[204]).await?;
    wait_until(LIMIT, "the status to be gone", async || {
        let gone = ask(Method::GET, &path("status"), None, &[404]).await?;
        ensure!(gone["message"].is_string(), "{gone}");
        Ok(true)
    })
    .await
}
