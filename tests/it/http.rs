//! HTTP in and out: the documents' requests, refusals, deaths under load, queries.

mod clients;
mod deaths;
mod query;
mod source;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::{ConnectClient, connector};
use harness::kafka::TestKafka;
use harness::names;
use harness::wait::wait_until;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// An HTTP source, its topic, and the address that it listens on.
struct Inlet {
    name: String,
    topic: String,
    address: String,
    path: &'static str,
    http: Client,
}

/// What a request was answered with.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await?;
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).with_context(|| text.to_owned())?,
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

impl Inlet {
    async fn new(kafka: &TestKafka, stem: &str, path: &'static str) -> Result<Self> {
        let name = names::unique(stem);
        kafka.create_topic(&name, 3).await?;
        Ok(Self {
            topic: name.clone(),
            name,
            address: format!("127.0.0.1:{}", names::free_port()?),
            path,
            http: Client::builder().build()?,
        })
    }

    /// Deploys a file of `connectors/` with the inlet's own names.
    async fn deploy_file(
        &self,
        rest: &ConnectClient,
        file: &str,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let listener = format!("http://{}", self.address);
        let mut all = vec![("http.listener", listener.as_str()), ("topic", &self.topic)];
        all.extend(settings);
        rest.create(&connector(file, &self.name, &all)?).await?;
        self.is_ready(rest).await
    }

    /// Deploys a plain source.
    async fn deploy(&self, rest: &ConnectClient, settings: &[(&str, &str)]) -> Result<()> {
        let mut config = json!({
            "connector.class": "FerruleHttpSource",
            "topic": self.topic,
            "http.listener": format!("http://{}", self.address),
            "http.path": self.path,
        });
        for (key, value) in settings {
            config[key] = json!(value);
        }
        let body = json!({ "name": self.name, "config": config });
        let created = rest.create(&body).await?;
        ensure!(created["type"] == "source", "{created}");
        self.is_ready(rest).await
    }

    async fn is_ready(&self, rest: &ConnectClient) -> Result<()> {
        rest.wait_for_state(&self.name, "RUNNING").await?;
        self.is_healthy().await
    }

    async fn is_healthy(&self) -> Result<()> {
        wait_until(LIMIT, "the listener to be well", async || {
            let path = format!("/health?connector={}", self.name);
            let health = answer(self.http.get(self.url(&path))).await?;
            ensure!(health.status == StatusCode::OK, "{health:?}");
            Ok(true)
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self, body: &Value) -> RequestBuilder {
        self.http.post(self.url(self.path)).json(body)
    }

    /// Posts a body that must be taken.
    async fn taken(&self, body: &Value) -> Result<()> {
        let answer = answer(self.post(body)).await?;
        ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
        ensure!(answer.body == json!({"status": "queued"}), "{answer:?}");
        Ok(())
    }
}
