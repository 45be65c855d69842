//! A worker, by its REST API.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::Value as Json;

use super::files::Connector;
use crate::plugin::say::say;

/// How long the worker may take for an answer.
const LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is asked again while it is busy with a change of before: HTTP 409.
const BUSY: Duration = Duration::from_secs(30);
/// How long all tasks must run until it is believed. A sink meets its target once it has its
/// partitions, and Kafka gives a new group its first ones 3 s after its first member has come
/// (group.initial.rebalance.delay.ms).
const SETTLED: Duration = Duration::from_secs(5);

/// A worker.
pub struct Worker {
    base: Url,
    client: Client,
    user: Option<(String, Option<String>)>,
}

/// What the worker did with a config.
pub enum Outcome {
    /// The connector is new.
    Created,
    /// It was there.
    Updated,
    /// The worker does not take it.
    Refused(String),
}

/// How a connector is.
pub enum Condition {
    /// It and its tasks run; with what they wait for, if they do.
    Running { tasks: usize, messages: Vec<String> },
    /// Something of it failed, with its trace.
    Failed(Vec<Trace>),
    /// It does not run in time.
    Late(String),
}

/// Why a connector or a task failed.
pub struct Trace {
    /// `connector`, or `task N`.
    whose: String,
    text: String,
}

impl Condition {
    /// Tells it; whether it is good.
    pub fn tell(&self, name: &str) -> bool {
        match self {
            Self::Running { tasks, messages } => {
                let word = if *tasks == 1 { "task" } else { "tasks" };
                say!("running   {name}  {tasks} {word}");
                for message in messages {
                    say!("            {message}");
                }
                true
            }
            Self::Failed(traces) => {
                say!("FAILED    {name}");
                for Trace { whose, text } in traces {
                    say!("  {whose}:");
                    for line in text.lines() {
                        say!("            {line}");
                    }
                }
                false
            }
            Self::Late(state) => {
                say!("NOT YET   {name}  {state}");
                false
            }
        }
    }
}

impl Worker {
    /// A worker at an address.
    pub fn new(base: &Url, user: Option<&str>, cacert: Option<&Path>) -> Result<Self> {
        // An error is: there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().no_proxy().timeout(LIMIT);
        if let Some(file) = cacert {
            let named = || format!("--cacert {}", file.display());
            let pem = std::fs::read(file).with_context(named)?;
            let certificates = Certificate::from_pem_bundle(&pem).with_context(named)?;
            client = client.tls_certs_only(certificates);
        }
        let user = user.map(|user| match user.split_once(':') {
            Some((name, password)) => (name.to_owned(), Some(password.to_owned())),
            None => (user.to_owned(), None),
        });
        Ok(Self {
            base: base.clone(),
            client: client.build().context("no HTTP client")?,
            user,
        })
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            bail!("{} is not the address of a worker", self.base);
        };
        segments.pop_if_empty().extend(path);
        drop(segments);
        let request = self.client.request(method, url);
        Ok(match &self.user {
            Some((name, password)) => request.basic_auth(name, password.as_ref()),
            None => request,
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Json)> {
        let answer = request.send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(|| {
            format!(
                "the worker at {} does not answer; is it running? Another one is named by --worker",
                self.base
            )
        })?;
        let status = answer.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            bail!("the worker at {} answers {status}: see --user", self.base);
        }
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    /// Creates or updates a connector. A worker that is busy with a change is asked again.
    pub async fn put(&self, connector: &Connector) -> Result<Outcome> {
        let started = Instant::now();
        loop {
            let path = ["connectors", &connector.name, "config"];
            let request = self.request(Method::PUT, &path)?.json(&connector.config);
            let (status, body) = self.send(request).await?;
            let message = body["message"].as_str().unwrap_or("no message").to_owned();
            return Ok(match status {
                StatusCode::CREATED => Outcome::Created,
                StatusCode::OK => Outcome::Updated,
                StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE
                    if started.elapsed() < BUSY =>
                {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                status if status.is_client_error() => Outcome::Refused(message),
                status => bail!("the worker at {} answers {status}: {message}", self.base),
            });
        }
    }

    /// Waits until a connector and all its tasks run, or one of them fails.
    pub async fn wait_for(&self, name: &str, limit: Duration) -> Result<Condition> {
        let started = Instant::now();
        let mut running_since: Option<Instant> = None;
        loop {
            let path = ["connectors", name, "status"];
            let (status, body) = self.send(self.request(Method::GET, &path)?).await?;
            // The status of a new connector is there a moment after it.
            if !status.is_success() && status != StatusCode::NOT_FOUND {
                let message = body["message"].as_str().unwrap_or("no message");
                return Err(anyhow!(
                    "the worker at {} answers {status}: {message}",
                    self.base
                ));
            }
            match condition(&body) {
                failed @ Condition::Failed(_) => return Ok(failed),
                running @ Condition::Running { .. } => {
                    let since = *running_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= SETTLED {
                        return Ok(running);
                    }
                }
                Condition::Late(state) => {
                    running_since = None;
                    if started.elapsed() >= limit {
                        return Ok(Condition::Late(state));
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a status says.
fn condition(status: &Json) -> Condition {
    let tasks: Vec<&Json> = status["tasks"].as_array().into_iter().flatten().collect();
    let connector = &status["connector"];
    let named = |task: &Json| format!("task {}", task["id"]);
    let all = std::iter::once(("connector".to_owned(), connector));
    let all: Vec<_> = all
        .chain(tasks.iter().map(|task| (named(task), *task)))
        .collect();
    let failed = all.iter().filter(|(_, part)| part["state"] == "FAILED");
    let traces = failed.map(|(whose, part)| Trace {
        whose: whose.clone(),
        text: part["trace"].as_str().unwrap_or("no trace").to_owned(),
    });
    let traces: Vec<_> = traces.collect();
    if !traces.is_empty() {
        return Condition::Failed(traces);
    }
    let states: Vec<String> = all
        .iter()
        .map(|(whose, part)| format!("{whose} {}", part["state"].as_str().unwrap_or("not there")))
        .collect();
    let is_running = |part: &Json| part["state"] == "RUNNING";
    if tasks.is_empty() || !all.iter().all(|(_, part)| is_running(part)) {
        return Condition::Late(match tasks.is_empty() {
            true => format!("{}, no task yet", states.join(", ")),
            false => states.join(", "),
        });
    }
    let messages = all.iter().filter_map(|(whose, part)| {
        let message = part["message"].as_str()?;
        Some(format!("{whose}: {message}"))
    });
    Condition::Running {
        tasks: tasks.len(),
        messages: messages.collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connector_runs_when_all_of_it_does() {
        let status = |connector: &str, tasks: &[&str]| {
            let task =
                |(id, state): (usize, &&str)| json!({ "id": id, "state": state, "trace": "why" });
            let tasks: Vec<_> = tasks.iter().enumerate().map(task).collect();
            condition(&json!({ "connector": { "state": connector }, "tasks": tasks }))
        };
        let is_running = |it: Condition| matches!(it, Condition::Running { .. });
        assert!(is_running(status("RUNNING", &["RUNNING", "RUNNING"])));
        assert!(!is_running(status("RUNNING", &[])));
        assert!(!is_running(status("UNASSIGNED", &["RUNNING"])));
        assert!(!is_running(status("RUNNING", &["RUNNING", "UNASSIGNED"])));
        let Condition::Failed(traces) = status("RUNNING", &["RUNNING", "FAILED"]) else {
            panic!("not failed")
        };
        assert_eq!((&*traces[0].whose, &*traces[0].text), ("task 1", "why"));
        let Condition::Late(state) = condition(&json!({ "error_code": 404 })) else {
            panic!("not late")
        };
        assert!(state.contains("no task yet"), "{state}");
    }
}
