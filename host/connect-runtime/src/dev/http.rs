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

/// How long the worker may take to show state: the next time, it may have more leisure.
const STATE_LIMIT: Duration = Duration::from_secs(5);
/// Before a request is sent again.
const PAUSE: Duration = Duration::from_millis(200);

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

    /// `curl -X POST … -d @file`, with the addresses in use where they are not the usual ones.
    /// Gives the consumer group of the connector.
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
        let samples: Vec<_> = samples.iter().cloned().enumerate().collect();
        for part in samples.chunks(samples.len().div_ceil(AT_ONCE).max(1)) {
            let (part, url, client) = (part.to_vec(), Arc::clone(&url), self.client.clone());
            tasks.spawn(async move {
                let mut posts = Posts::default();
                for (index, sample) in part {
                    let status = post_one(&client, &url, index, &sample).await?;
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

    /// The same, one after the other.
    pub async fn post_in_turn(&self, path: &str, samples: &[Sample]) -> Result<Posts> {
        let url = format!("http://{}{path}", self.addresses.http);
        self.listening(&url).await?;
        let mut posts = Posts::default();
        for (index, sample) in samples.iter().enumerate() {
            posts.add(sample, post_one(&self.client, &url, index, sample).await?);
        }
        Ok(posts)
    }

    /// How many rows a GET of this path gives.
    pub async fn rows(&self, path: &str) -> Result<u64> {
        let url = format!("http://{}{path}", self.addresses.http);
        self.listening(&url).await?;
        let answer = self.client.get(&url).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await.context("the answer is no JSON")?;
        ensure!(status.is_success(), "GET {url}: {status}: {answer}");
        match answer.as_array() {
            Some(events) => Ok(events.len() as u64),
            None => bail!("GET {url}: no list: {answer}"),
        }
    }

    /// How many entries the plugins of a connector keep, as the worker shows them; none when
    /// it has no answer, as while the connector starts.
    pub async fn state_entries(&self, connector: &str) -> Option<u64> {
        let rest = &self.addresses.rest;
        let url = format!("{rest}/connectors/{connector}/state?limit={MOST_ENTRIES}");
        let answer = self
            .client
            .get(url)
            .timeout(STATE_LIMIT)
            .send()
            .await
            .ok()?;
        let answer: Value = answer.error_for_status().ok()?.json().await.ok()?;
        Some(answer["state"].as_array()?.len() as u64)
    }
}

/// POSTs a record until the answer is final, as a client does: 429 and 503 ask to try again, and so
/// does 500, which analytics has for a connector that starts or a Kafka that is away. The
/// idempotency key sees to it that a record is in the topic once, also where the fate of the first
/// attempt was not known. Gives the status.
async fn post_one(client: &Client, url: &str, index: usize, sample: &Sample) -> Result<u16> {
    let started = Instant::now();
    loop {
        let request = client
            .post(url)
            .header("Idempotency-Key", index.to_string());
        let answer = as_json(request, sample.value.clone()).send().await?;
        let status = answer.status().as_u16();
        if matches!(status, 202 | 400) {
            return Ok(status);
        }
        let text = answer.text().await.unwrap_or_default();
        ensure!(
            matches!(status, 429 | 500 | 503),
            "POST {url}: {status}: {text}"
        );
        ensure!(
            started.elapsed() < LIMIT,
            "POST {url}: {status} after {} s: {text}",
            LIMIT.as_secs()
        );
        tokio::time::sleep(PAUSE).await;
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
    // A user of a blank is a text that is not empty.
    topic == ACTIVITY.topic || kind != Malformed::EmptyId
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::produce::generate::USER_ACTIVITY;

    #[test]
    fn an_answer_is_right_or_wrong_by_what_the_record_is() {
        let sample = |expect| Sample {
            topic: ACTIVITY.topic,
            key: String::new(),
            value: Vec::new(),
            timestamp: None,
            expect,
            planted: None,
        };
        let mut posts = Posts::default();
        for (expect, status) in [
            (Expect::Landed, 202),
            (Expect::Refused(Malformed::InvalidJson), 400),
            (Expect::Refused(Malformed::BadTimestamp), 400),
            (Expect::Landed, 503),
            (Expect::Landed, 400),
            (Expect::Refused(Malformed::InvalidJson), 202),
            (Expect::Refused(Malformed::BadTimestamp), 202),
        ] {
            posts.add(&sample(expect), status);
        }
        let of_users = Sample {
            topic: USER_ACTIVITY.topic,
            ..sample(Expect::Refused(Malformed::EmptyId))
        };
        posts.add(&of_users, 202);
        let expected = Posts {
            accepted: 1,
            passed: 1,
            refused: 2,
            wrong: 4,
        };
        assert_eq!(posts, expected);
    }
}
