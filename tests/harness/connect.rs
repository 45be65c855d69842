//! A thin client of the worker's REST API, as `curl` would use it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::postgres::{PASSWORD, USER};
use crate::wait::wait_until;
use crate::{http, install};

/// Talks to one worker.
#[derive(Clone)]
pub struct ConnectClient {
    base: String,
}

impl ConnectClient {
    /// A client of the worker at `base`, such as `http://127.0.0.1:8083`.
    pub fn new(base: String) -> Self {
        Self { base }
    }

    /// The worker's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One request; the answer is its code and body, null when empty or no JSON.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = http::client()?.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.timeout(Duration::from_secs(60)).send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// `GET path`, which must succeed.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.request(Method::GET, path, None).await?;
        ensure!(status.is_success(), "GET {path} answered {status}: {body}");
        Ok(body)
    }

    /// Creates a connector from `{"name": …, "config": {…}}`.
    pub async fn create(&self, connector: &Value) -> Result<Value> {
        let (status, body) = self
            .request(Method::POST, "/connectors", Some(connector))
            .await?;
        ensure!(
            status == StatusCode::CREATED,
            "POST /connectors answered {status}: {body}"
        );
        Ok(body)
    }

    /// Deletes a connector.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let path = format!("/connectors/{name}");
        let (status, body) = self.request(Method::DELETE, &path, None).await?;
        ensure!(
            status == StatusCode::NO_CONTENT,
            "DELETE {path} answered {status}: {body}"
        );
        Ok(())
    }

    /// A connector's status as `GET /connectors/NAME/status` gives it.
    pub async fn status(&self, name: &str) -> Result<Value> {
        self.get(&format!("/connectors/{name}/status")).await
    }

    /// The trace of a failed task.
    pub async fn trace(&self, name: &str) -> Result<Option<String>> {
        let status = self.status(name).await?;
        let tasks = status["tasks"]
            .as_array()
            .context("no tasks in the status")?;
        let failed = tasks.iter().find(|task| task["state"] == "FAILED");
        Ok(failed.map(|task| task["trace"].as_str().unwrap_or_default().to_owned()))
    }

    /// Waits until the connector and all its tasks are in a state, such as `RUNNING`; a task that
    /// fails meanwhile ends the wait with its trace.
    pub async fn wait_for_state(&self, name: &str, state: &str) -> Result<()> {
        let mut failed = None;
        wait_until(
            Duration::from_secs(30),
            &format!("{name} to be {state}"),
            async || {
                let status = self.status(name).await?;
                let tasks = status["tasks"]
                    .as_array()
                    .context("no tasks in the status")?;
                let trace = tasks.iter().find(|task| task["state"] == "FAILED");
                if let Some(task) = trace.filter(|_| state != "FAILED") {
                    failed = Some(task["trace"].to_string());
                    return Ok(true);
                }
                let reached = !tasks.is_empty() && tasks.iter().all(|task| task["state"] == state);
                ensure!(reached, "its status is {status}");
                Ok(true)
            },
        )
        .await?;
        if let Some(trace) = failed {
            bail!("{name} has a failed task: {trace}");
        }
        Ok(())
    }
}

/// A sink of plain JSON in one task, which the tests' role writes.
const SINK: &[(&str, &str)] = &[
    ("connector.class", "FerrulePostgresSink"),
    ("tasks.max", "1"),
    ("connection.user", USER),
    ("connection.password", PASSWORD),
    (
        "key.converter",
        "org.apache.kafka.connect.storage.StringConverter",
    ),
    (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    ("value.converter.schemas.enable", "false"),
];

/// The configuration of a sink, with settings changed or added by one layer after another.
pub fn sink_config(layers: &[&[(&str, &str)]]) -> Value {
    let mut config = Map::new();
    for (key, value) in SINK.iter().chain(layers.iter().copied().flatten()) {
        config.insert((*key).to_owned(), json!(value));
    }
    config.into()
}

/// A file of `connectors/` as it would be POSTed, under another name and with other settings.
pub fn connector(file: &str, name: &str, settings: &[(&str, &str)]) -> Result<Value> {
    let path = install::repository().join("connectors").join(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut connector: Value = serde_json::from_str(&text)?;
    connector["name"] = json!(name);
    let config = connector["config"]
        .as_object_mut()
        .context("the file has no config")?;
    config.remove("name");
    // Tests run side by side: each connector is in the group of its own name.
    if let Some(group) = config.get_mut("consumer.override.group.id") {
        *group = json!(format!("connect-{name}"));
    }
    for (key, value) in settings {
        config.insert((*key).to_owned(), json!(value));
    }
    Ok(connector)
}
