//! Workers whose advertised addresses are of no use.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::names;
use harness::wait::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Cluster, LIMIT, blackhole, figures};

/// A write and the code of its answer.
type Write = (Method, &'static str, Option<Value>, u16);

fn writes(topic: &str, name: &str) -> Vec<Write> {
    let config = blackhole(topic, 2);
    vec![
        (Method::PUT, "/config", Some(config), 200),
        (
            Method::PATCH,
            "/config",
            Some(json!({ "tasks.max": "1" })),
            200,
        ),
        (Method::PUT, "/pause", None, 202),
        (Method::PUT, "/resume", None, 202),
        (Method::POST, "/restart", None, 204),
        (
            Method::POST,
            "/restart?includeTasks=true&onlyFailed=false",
            None,
            202,
        ),
        (Method::POST, "/tasks/0/restart", None, 204),
        (Method::PUT, "/topics/reset", None, 202),
        (Method::PUT, "/stop", None, 204),
        (Method::PATCH, "/offsets", Some(offset(name, 0)), 200),
        (Method::DELETE, "/offsets", None, 200),
        (Method::PUT, "/resume?forward=true", None, 202),
        (Method::DELETE, "", None, 204),
    ]
}

fn offset(topic: &str, at: i64) -> Value {
    json!({ "offsets": [{
        "partition": { "kafka_topic": topic, "kafka_partition": 0 },
        "offset": { "kafka_offset": at },
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_can_resolve_breaks_no_write() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut cluster = Cluster::none_yet(kafka)?;
    for host in ["worker-a.invalid", "127.0.0.1", "worker-c.invalid"] {
        let config = cluster.config.clone();
        let config = config.set("rest.advertised.host.name", host);
        cluster.add_of(config).await?;
    }
    let topic = names::unique("unresolved");
    kafka.create_topic(&topic, 2).await?;
    let mut times = Vec::new();
    for round in 0..6 {
        let name = names::unique("unresolved");
        let rest = cluster.rest(round);
        let body = json!({ "name": name, "config": blackhole(&topic, 1) });
        let began = Instant::now();
        rest.create(&body).await?;
        times.push(began.elapsed());
        let mut slowest = (began.elapsed(), "POST /connectors".to_owned());
        cluster
            .rest(round + 1)
            .wait_for_state(&name, "RUNNING")
            .await?;
        for (turn, (method, path, body, expected)) in writes(&topic, &topic).into_iter().enumerate()
        {
            let rest = cluster.rest(round + turn);
            let path = format!("/connectors/{name}{path}");
            if path.ends_with("/tasks/0/restart") {
                rest.wait_for_state(&name, "RUNNING").await?;
            }
            let mut began = Instant::now();
            let mut answered = rest.request(method.clone(), &path, body.as_ref()).await?;
            // The group of a connector that was stopped a moment ago may still have a member.
            while path.ends_with("/offsets")
                && answered.0.as_u16() == 400
                && began.elapsed() < LIMIT
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
                began = Instant::now();
                answered = rest.request(method.clone(), &path, body.as_ref()).await?;
            }
            let (code, text) = answered;
            ensure!(code.as_u16() == expected, "{method} {path}: {code} {text}");
            times.push(began.elapsed());
            slowest = slowest.max((began.elapsed(), format!("{method} {path}")));
        }
        println!("the slowest of round {round}: {slowest:?}");
    }
    figures("writes through every worker", &times);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_advertise_one_address_share_the_tasks() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut cluster = Cluster::none_yet(kafka)?;
    cluster.config = cluster
        .config
        .set("rest.advertised.host.name", "connect")
        .set("rest.advertised.port", "8083");
    for _ in 0..3 {
        cluster.add().await?;
    }
    let log = cluster.workers[0].log()?;
    ensure!(
        !log.contains("another worker leads"),
        "the lead was taken from the first"
    );
    ensure!(
        log.contains("several workers have the same address"),
        "nobody is told"
    );
    let ledger = Ledger::shared("one_address", 6).await?;
    ledger
        .deploy(cluster.rest(1), &[("tasks.max", "6")])
        .await?;
    let changing = async {
        // Each of them has its share, and no more.
        wait_until(LIMIT, "two tasks on each worker", async || {
            for worker in &cluster.workers {
                let running = running_here(worker.log()?.as_str(), &ledger.name);
                ensure!(running == 2, "{running} tasks on one");
            }
            Ok(true)
        })
        .await?;
        ledger.progress().await?;
        cluster.workers.remove(2).kill()?;
        let killed = Instant::now();
        cluster
            .rest(0)
            .wait_for_state(&ledger.name, "RUNNING")
            .await?;
        wait_until(LIMIT, "three tasks on each worker", async || {
            for worker in &cluster.workers {
                let running = running_here(worker.log()?.as_str(), &ledger.name);
                ensure!(running == 3, "{running} tasks on one");
            }
            Ok(true)
        })
        .await?;
        println!("tasks of a killed worker ran after {:?}", killed.elapsed());
        let status = cluster.workers.remove(0).stop().await?;
        ensure!(status.success(), "the worker ended with {status}");
        ledger.progress().await
    };
    ledger.meanwhile(changing).await?;
    ledger.complete(cluster.rest(0)).await?;
    cluster.statuses_are_the_newest(kafka).await
}

/// How many tasks of a connector a worker runs, as its log tells.
fn running_here(log: &str, name: &str) -> usize {
    let mut states = BTreeMap::new();
    for line in log.lines() {
        let Some((_, status)) = line.split_once(&format!("key=status-task-{name}-")) else {
            continue;
        };
        let (task, state) = status.split_once(' ').unwrap_or((status, ""));
        states.insert(task, state.starts_with("state=\"RUNNING\""));
    }
    states.values().filter(|runs| **runs).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_config_is_patched_through_every_worker() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let cluster = Cluster::start(3).await?;
    let name = names::unique("large");
    kafka.create_topic(&name, 1).await?;
    let mut config = blackhole(&name, 1);
    // Each value is within the bounds of one, and all together are near what a record may hold.
    for number in 0..20 {
        config[format!("note.{number}")] = json!("x".repeat(30_000));
    }
    let body = json!({ "name": name, "config": config });
    cluster.rest(0).create(&body).await?;
    let path = format!("/connectors/{name}/config");
    for turn in 0..3 {
        let patch = json!({ "note.0": turn.to_string() });
        let began = Instant::now();
        let (code, text) = cluster
            .rest(turn)
            .request(Method::PATCH, &path, Some(&patch))
            .await?;
        ensure!(code.as_u16() == 200, "worker {turn}: {code} {text}");
        println!("a config of 600 KB was patched in {:?}", began.elapsed());
        let read = cluster.rest(turn).get(&path).await?;
        let note = read["note.0"].as_str().context("no note")?;
        ensure!(note == turn.to_string(), "{note}");
    }
    Ok(())
}
