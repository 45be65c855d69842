//! The rolling replacement of all workers of a group, under load.
//!
//! `FERRULE_OLD_BIN` is a binary of an earlier version that the group begins with, so that both run
//! side by side; without it, the group begins with the binary that was built here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::connect::ConnectClient;
use harness::ledger::Ledger;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Cluster;

const WORKERS: usize = 3;
const PARTITIONS: i32 = 6;

/// Asks one worker after the other, as a load balancer does: one that refuses the connection is
/// passed over.
struct RoundRobin {
    workers: Mutex<Vec<ConnectClient>>,
    next: std::sync::atomic::AtomicUsize,
    answers: Mutex<Vec<(String, StatusCode, Duration)>>,
}

impl RoundRobin {
    fn new() -> Self {
        Self {
            workers: Mutex::default(),
            next: std::sync::atomic::AtomicUsize::default(),
            answers: Mutex::default(),
        }
    }

    fn lead_to(&self, cluster: &Cluster<'_>) {
        let all = cluster.workers.iter().map(|worker| worker.rest().clone());
        *self.workers.lock().unwrap_or_else(PoisonError::into_inner) = all.collect();
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let began = Instant::now();
        for _ in 0..100 {
            let worker = {
                let all = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
                let at = self.next.fetch_add(1, Ordering::Relaxed) % all.len();
                all[at].clone()
            };
            match worker.request(method.clone(), path, body).await {
                Ok((status, answer)) => {
                    let what = format!("{method} {path} by {}: {answer}", worker.base());
                    let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.push((what, status, began.elapsed()));
                    return Ok(answer);
                }
                Err(cause) => {
                    let refused = cause
                        .downcast_ref::<reqwest::Error>()
                        .is_some_and(reqwest::Error::is_connect);
                    ensure!(refused, "{method} {path} by {}: {cause:#}", worker.base());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        bail!("nobody answers {method} {path}")
    }

    /// Reads and writes, one after the other: connectors are made, changed, and deleted.
    async fn work(&self, name: &str, connector: &Value, done: &AtomicBool) -> Result<()> {
        let mut number = 0;
        while !done.load(Ordering::Relaxed) {
            number += 1;
            let own = format!("{name}-{number}");
            let mut body = json!({ "name": own, "config": connector, "initial_state": "STOPPED" });
            self.request(Method::POST, "/connectors", Some(&body))
                .await?;
            body["config"]["tasks.max"] = json!("2");
            body["config"]["name"] = json!(own);
            let path = format!("/connectors/{own}");
            let config = format!("{path}/config");
            let put = Some(&body["config"]);
            self.request(Method::PUT, &config, put).await?;
            // What was written by one worker is read by the next.
            let read = self.request(Method::GET, &config, None).await?;
            ensure!(read["tasks.max"] == "2", "{config} is {read}");
            for path in [
                "/connectors?expand=status",
                &format!("/connectors/{name}/status"),
            ] {
                self.request(Method::GET, path, None).await?;
            }
            self.request(Method::DELETE, &path, None).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn judge(&self) -> Result<()> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = answers
            .iter()
            .find(|(_, status, _)| !status.is_success())
            .map(|(what, status, took)| format!("{status} after {took:?}: {what}"));
        if let Some(wrong) = wrong {
            bail!(wrong);
        }
        let mut times: Vec<_> = answers.iter().map(|(_, _, took)| *took).collect();
        times.sort_unstable();
        let longest = times.last().context("nothing was asked")?;
        println!(
            "{} requests through a round-robin client, all answered 2xx: p99 {:?}, at most {longest:?}",
            times.len(),
            times[times.len() * 99 / 100],
        );
        Ok(())
    }
}

/// How often each task has moved to another worker.
async fn moves(cluster: &Cluster<'_>, connector: &str) -> Result<BTreeMap<String, usize>> {
    let mut on: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (task, status) in cluster.statuses(connector).await? {
        let worker = status["worker_id"].as_str().context("no worker")?;
        let on = on.entry(task).or_default();
        if status["state"] == "RUNNING" && on.last().is_none_or(|last| last != worker) {
            on.push(worker.to_owned());
        }
    }
    let count = |(task, on): (String, Vec<String>)| (task, on.len().saturating_sub(1));
    Ok(on.into_iter().map(count).collect())
}

/// The longest time between two rows of a partition, in seconds: each has records all the time.
async fn longest_pause(ledger: &Ledger<'_>) -> Result<String> {
    let query = "SELECT (max(pause))::text FROM (SELECT extract(epoch FROM written - lag(written) \
                 OVER (PARTITION BY part ORDER BY written)) AS pause FROM ledger) pauses";
    let found = ledger.database.texts(query).await?;
    Ok(found.first().cloned().flatten().unwrap_or_default())
}

/// Each worker is stopped and replaced by a new process, which takes as long as it takes.
async fn replace_all(cluster: &mut Cluster<'_>, client: &RoundRobin, name: &str) -> Result<()> {
    for number in 0..WORKERS {
        let mut old = cluster.workers.remove(0);
        let began = Instant::now();
        let status = old.stop().await?;
        ensure!(
            status.code() == Some(0),
            "worker {number} ended with {status}"
        );
        println!("worker {number} ended after {:?}", began.elapsed());
        client.lead_to(cluster);
        cluster.add().await?;
        client.lead_to(cluster);
        cluster.balanced(WORKERS - 1, name, WORKERS).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_are_replaced_one_by_one_under_load() -> Result<()> {
    let ledger = Ledger::shared("rolling", PARTITIONS).await?;
    ledger
        .database
        .execute("ALTER TABLE ledger ADD COLUMN written timestamptz DEFAULT clock_timestamp()")
        .await?;
    let mut cluster = Cluster::start(0).await?;
    let old = std::env::var_os("FERRULE_OLD_BIN");
    for _ in 0..WORKERS {
        let config = cluster.config.clone();
        let config = match &old {
            Some(binary) => config.binary(binary.into()),
            None => config,
        };
        cluster.add_of(config).await?;
    }
    let tasks = PARTITIONS.to_string();
    ledger
        .deploy(cluster.workers[0].rest(), &[("tasks.max", &tasks)])
        .await?;
    cluster.balanced(0, &ledger.name, WORKERS).await?;
    let client = RoundRobin::new();
    client.lead_to(&cluster);
    let (done, connector) = (AtomicBool::new(false), ledger.config(&[]));
    let before = moves(&cluster, &ledger.name).await?;
    let mut other = connector.clone();
    other.as_object_mut().map(|config| config.remove("name"));
    let replacing = async {
        let outcome = replace_all(&mut cluster, &client, &ledger.name).await;
        done.store(true, Ordering::Relaxed);
        outcome
    };
    let working = client.work(&ledger.name, &other, &done);
    let both = ledger.meanwhile(async {
        let (replaced, worked) = tokio::join!(replacing, working);
        replaced.and(worked)
    });
    Box::pin(both).await?;
    ledger.complete(cluster.workers[0].rest()).await?;
    client.judge()?;
    println!(
        "{} rows, none lost or doubled; the longest pause of a partition {} s",
        ledger.rows().await?,
        longest_pause(&ledger).await?
    );
    let after = moves(&cluster, &ledger.name).await?;
    let moved: BTreeMap<_, _> = after
        .iter()
        .map(|(task, count)| (task, count - before.get(task).unwrap_or(&0)))
        .collect();
    println!("moves of each task: {moved:?}");
    // While a worker of an earlier version leads, its rules decide which tasks move.
    let is_fair = old.is_some() || moved.values().all(|count| *count <= 2);
    ensure!(is_fair, "{moved:?}");
    Ok(())
}
