//! Hundreds of connectors that come and go at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::names;
use harness::wait::wait_until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Cluster, LIMIT, blackhole, figures};

const CLIENTS: usize = 4;
const EACH: usize = 50;

/// What a client has seen.
#[derive(Default)]
struct Seen {
    /// From a request to its answer.
    answers: Vec<Duration>,
    /// From the answer to what it promised.
    effects: Vec<Duration>,
    /// For how long a request was refused with 409 or 503.
    conflicts: Duration,
}

/// Sends a request until it is not refused for the moment.
async fn insist(
    rest: &ConnectClient,
    method: Method,
    path: &str,
    body: Option<&Value>,
    seen: &mut Seen,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let (status, body) = rest.request(method.clone(), path, body).await?;
        // The other is what a client hears who asks more than the machine can answer.
        let waits = [StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE];
        if waits.contains(&status) && began.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        ensure!(status.is_success(), "{method} {path}: {status} {body}");
        seen.answers.push(asked.elapsed());
        seen.conflicts = seen.conflicts.max(asked - began);
        return Ok(());
    }
}

async fn create(
    rest: ConnectClient,
    other: ConnectClient,
    name: String,
    topic: String,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let body = json!({ "name": name, "config": blackhole(&topic, 1) });
    insist(&rest, Method::POST, "/connectors", Some(&body), &mut seen).await?;
    let created = Instant::now();
    // No `wait_until`: what it borrows cannot be sent to another thread.
    loop {
        let status = other.status(&name).await.unwrap_or_default();
        let task = &status["tasks"][0]["state"];
        if *task == "RUNNING" && status["connector"]["state"] == "RUNNING" {
            break;
        }
        ensure!(created.elapsed() < LIMIT, "{name} does not run: {status}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    seen.effects.push(created.elapsed());
    Ok(seen)
}

async fn delete(rest: ConnectClient, other: ConnectClient, name: String) -> Result<Seen> {
    let mut seen = Seen::default();
    let path = format!("/connectors/{name}");
    insist(&rest, Method::DELETE, &path, None, &mut seen).await?;
    let deleted = Instant::now();
    while other.request(Method::GET, &path, None).await?.0 != StatusCode::NOT_FOUND {
        ensure!(deleted.elapsed() < LIMIT, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    seen.effects.push(deleted.elapsed());
    Ok(seen)
}

/// Four clients, each with its connectors, one request after the other; the effects are watched
/// beside.
async fn crowd<F>(work: impl Fn(usize) -> F) -> Result<Seen>
where
    F: Future<Output = Result<Seen>> + Send + 'static,
{
    let mut all = Seen::default();
    let mut running = JoinSet::new();
    for turn in 0..EACH {
        for client in 0..CLIENTS {
            running.spawn(work(turn * CLIENTS + client));
        }
        // As fast as 200 in 30 s, and some.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    while let Some(seen) = running.join_next().await {
        let seen = seen??;
        all.answers.extend(seen.answers);
        all.effects.extend(seen.effects);
        all.conflicts = all.conflicts.max(seen.conflicts);
    }
    Ok(all)
}

/// How many starts of each task the status topic tells of.
async fn starts(cluster: &Cluster<'_>) -> Result<BTreeMap<String, Vec<u64>>> {
    let records = cluster.status_records(TestKafka::shared().await?).await?;
    let mut starts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, value) in records {
        let Some(generation) = value["generation"].as_u64() else {
            continue;
        };
        let of = starts.entry(key).or_default();
        if key_is_new(of, generation) {
            of.push(generation);
        }
    }
    Ok(starts)
}

fn key_is_new(known: &[u64], generation: u64) -> bool {
    !known.contains(&generation)
}

/// Statuses of connectors that are not there any more.
async fn left_behind(cluster: &Cluster<'_>, stem: &str) -> Result<Vec<String>> {
    let mut known = BTreeMap::new();
    for (key, value) in cluster.status_records(TestKafka::shared().await?).await? {
        known.insert(key, value);
    }
    known.retain(|key, value| key.contains(stem) && !value.is_null());
    Ok(known.into_keys().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connectors_come_and_go_without_a_restart_of_another() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let ledger = Ledger::shared("stays_in_a_crowd", 3).await?;
    ledger
        .deploy(cluster.rest(0), &[("tasks.max", "3")])
        .await?;
    cluster.balanced(0, &ledger.name, 3).await?;
    let (stem, topic) = (names::unique("crowd"), names::unique("crowd_topic"));
    TestKafka::shared().await?.create_topic(&topic, 1).await?;
    let others = |of: &BTreeMap<String, Vec<u64>>| {
        let tasks = of.iter().filter(|(key, _)| key.contains(&ledger.name));
        tasks.map(|(_, starts)| starts.len()).collect::<Vec<_>>()
    };
    let before = others(&starts(&cluster).await?);

    let name = |number: usize| format!("{stem}-{number}");
    let came = crowd(|number| {
        let (rest, other) = (cluster.rest(number), cluster.rest(number + 1));
        create(rest.clone(), other.clone(), name(number), topic.clone())
    });
    let came = ledger.meanwhile(came).await?;
    figures("POST answered", &came.answers);
    figures("RUNNING after 201", &came.effects);
    println!("refused with 409 or 503 for {:?} at most", came.conflicts);
    let started = starts(&cluster).await?;
    ensure!(
        others(&started) == before,
        "a task of the ledger was restarted"
    );
    let again: Vec<_> = started
        .iter()
        .filter(|(key, starts)| {
            key.starts_with("status-task") && key.contains(&stem) && starts.len() > 1
        })
        .collect();
    ensure!(again.is_empty(), "started more than once: {again:?}");

    let went = crowd(|number| {
        let (rest, other) = (cluster.rest(number + 2), cluster.rest(number));
        delete(rest.clone(), other.clone(), name(number))
    });
    let went = ledger.meanwhile(went).await?;
    figures("DELETE answered", &went.answers);
    figures("gone everywhere after 204", &went.effects);
    println!("refused with 409 or 503 for {:?} at most", went.conflicts);
    let ended = starts(&cluster).await?;
    ensure!(
        others(&ended) == before,
        "a task of the ledger was restarted"
    );
    // Those that are to be deleted next are not moved for the balance either.
    let moved = ended.iter().filter(|(key, starts)| {
        let key = key.as_str();
        key.starts_with("status-task") && key.contains(&stem) && starts.len() > 1
    });
    println!("{} tasks moved while others were deleted", moved.count());
    wait_until(LIMIT, "no status of what is gone", async || {
        let left = left_behind(&cluster, &stem).await?;
        ensure!(
            left.is_empty(),
            "{} are left: {:?}",
            left.len(),
            left.first()
        );
        Ok(true)
    })
    .await?;
    ledger.complete(cluster.rest(0)).await
}
