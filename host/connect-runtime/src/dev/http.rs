//! What the demo asks by HTTP: the worker's REST API, and the connectors that listen.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Addresses, say};
use crate::produce::generate::{ACTIVITY, Expect, Malformed, Sample};

const LIMIT: Duration = Duration::from_secs(60);
/// Requests that are under way at a time.
const AT_ONCE: usize = 16;
/// Entries that the worker shows at most.
const MOST_ENTRIES: u64 = 10_000;

/// Where the connectors listen, in their files.
pub const USUAL_LISTENER: &str = "127.0.0.1:8080";

/// A client.
#[derive(Clone)]
pub struct Http {
    client: Client,
    addresses: Addresses,
}

/// What became of the records that were POSTed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posts {
    /// Well-formed ones, answered 202.
    pub accepted: u64,
    /// Malformed ones, answered 202: what the connector does not look at.
    pub passed: u64,
    /// Malformed ones, answered 400.
    pub refused: u64,
    /// All others.
    pub wrong: u64,
}

impl Http {
    /// Makes a client.
    pub fn new(addresses: &Addresses) -> Result<Self> {
        let client = Client::builder().no_proxy().timeout(LIMIT).build()?;
        Ok(Self {
            client,
            addresses: addresses.clone(),
        })
    }

    /// Waits until the worker says that it is healthy.
    pub async fn healthy(&self) -> Result<()> {
        let started = Instant::now();
        let url = format!("{}/health", self.addresses.rest);
        loop {
            let answer = self.client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < LIMIT,
                "the worker does not become healthy"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `curl -X POST … -d @file`, with the addresses in use where they are not the usual ones. Gives
    /// the consumer group of the connector.
    pub async fn deploy(&self, file: &Path) -> Result<String> {
        let addresses = &self.addresses;
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let postgres = format!("localhost:{}", addresses.postgres.port());
        let body = text
            .replace("localhost:5432", &postgres)
            .replace("http://localhost:8081", &addresses.registry)
            .replace(USUAL_LISTENER, &addresses.http.to_string());
        let json: Value = serde_json::from_str(&body).context("the file is no JSON")?;
        let name = json["name"].as_str().unwrap_or_default();
        let group = json["config"]["consumer.override.group.id"].as_str();
        let group = group.map_or_else(|| format!("connect-{name}"), str::to_owned);
        let request = self.client.post(format!("{}/connectors", addresses.rest));
        let answer = as_json(request, body).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await.context("the answer is no JSON")?;
        ensure!(
            status.is_success(),
            "POST {}: {status}: {}",
            file.display(),
            answer["message"]
        );
        say(&format!("POST {} -> {status}", file.display()));
        Ok(group)
    }

    /// POSTs records to a path, several at a time.
    pub async fn post(&self, path: &str, samples: &[Sample]) -> Result<Posts> {
        let url: Arc<str> = format!("http://{}{path}", self.addresses.http).into();
        self.listening(&url).await?;
        let mut tasks = JoinSet::new();
        for part in samples.chunks(samples.len().div_ceil(AT_ONCE).max(1)) {
            let (part, url, client) = (part.to_vec(), url.clone(), self.client.clone());
            tasks.spawn(async move {
                let mut posts = Posts::default();
                for sample in part {
                    let answer = as_json(client.post(&*url), sample.value.clone());
                    let status = answer.send().await?.status().as_u16();
                    posts.add(&sample, status);
                }
                anyhow::Ok(posts)
            });
        }
        let mut all = Posts::default();
        while let Some(posts) = tasks.join_next().await {
            let posts = posts.context("a task that sends requests ended early")??;
            all.accepted += posts.accepted;
            all.passed += posts.passed;
            all.refused += posts.refused;
            all.wrong += posts.wrong;
        }
        Ok(all)
    }

    /// Waits until a connector takes requests at a URL: before, there is nobody, or no such path.
    async fn listening(&self, url: &str) -> Result<()> {
        let started = Instant::now();
        loop {
            // A GET is refused there, and changes nothing.
            let answer = self.client.get(url).send().await;
            if answer.is_ok_and(|answer| answer.status().as_u16() != 404) {
                return Ok(());
            }
            ensure!(started.elapsed() < LIMIT, "nobody listens at {url}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many events the history of a ship has.
    pub async fn history(&self, mmsi: &str) -> Result<u64> {
        let url = format!("http://{}/api/activity/mmsi/{mmsi}", self.addresses.http);
        self.listening(&url).await?;
        let answer = self.client.get(&url).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await.context("the history is no JSON")?;
        ensure!(status.is_success(), "GET {url}: {status}: {answer}");
        match answer.as_array() {
            Some(events) => Ok(events.len() as u64),
            None => bail!("GET {url}: no list: {answer}"),
        }
    }

    /// How many entries the plugins of a connector keep, as the worker shows them.
    pub async fn state_entries(&self, connector: &str) -> Result<u64> {
        let rest = &self.addresses.rest;
        let url = format!("{rest}/connectors/{connector}/state?limit={MOST_ENTRIES}");
        let answer = self.client.get(url).send().await?;
        if !answer.status().is_success() {
            return Ok(0);
        }
        let answer: Value = answer.json().await.context("the state is no JSON")?;
        Ok(answer["state"].as_array().map_or(0, Vec::len) as u64)
    }
}

fn as_json(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request
        .header("Content-Type", "application/json")
        .body(body)
}

impl Posts {
    fn add(&mut self, sample: &Sample, status: u16) {
        let count = match (sample.expect, status) {
            (Expect::Landed | Expect::Remembered, 202) => &mut self.accepted,
            (Expect::Refused(kind), 202) if !is_refused(sample.topic, kind) => &mut self.passed,
            (Expect::Refused(kind), 400) if is_refused(sample.topic, kind) => &mut self.refused,
            _ => &mut self.wrong,
        };
        *count += 1;
    }
}

/// Whether the connector that takes requests looks at it; what it does not look at, the sink does.
fn is_refused(topic: &str, kind: Malformed) -> bool {
    match topic == ACTIVITY.topic {
        true => kind != Malformed::BadTimestamp,
        // A user of a blank is a text that is not empty.
        false => kind != Malformed::EmptyId,
    }
}
