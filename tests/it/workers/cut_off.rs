//! A worker that is cut off, from the brokers alone or from Postgres alone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::{FaultProxy, Flow, Shape};
use harness::wait::wait_until;
use harness::worker::WorkerConfig;

use super::{Cluster, LIMIT};

const LOST: Shape = Shape {
    delay: Duration::ZERO,
    bytes_per_second: None,
    slice: None,
    flow: Flow::Lost,
};

fn sessions_lost(log: &str) -> usize {
    log.matches("session=Lost").count()
}

/// Waits until a worker says the same of the tasks as the others do.
async fn agrees(cluster: &Cluster<'_>, asked: usize, name: &str, on: &[String]) -> Result<()> {
    wait_until(LIMIT, "the worker to agree", async || {
        let said = cluster.runs(asked, name).await?;
        ensure!(said.as_deref() == Some(on), "{said:?}, and {on:?}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_brokers_stops_its_tasks_and_others_run_them() -> Result<()> {
    let (kafka, proxy) = TestKafka::start_behind_proxy().await?;
    let ledger = Ledger::new(&kafka, TestPostgres::shared().await?, "no_brokers", 6).await?;
    let mut cluster = Cluster::none_yet(&kafka)?;
    let behind = format!("127.0.0.1:{}", proxy.port());
    let config = cluster.config.clone().set("bootstrap.servers", &behind);
    // It leads until it is cut off for the first time.
    cluster.add_of(config).await?;
    for _ in 0..2 {
        cluster.add().await?;
    }
    // A batch of the one that is cut off holds its locks until its session ends.
    let settings = [("tasks.max", "6"), ("lock.timeout.ms", "1500")];
    ledger.deploy(cluster.rest(0), &settings).await?;
    cluster.balanced(0, &ledger.name, 3).await?;
    let cutting = async {
        for (what, cut) in [("refused", true), ("lost", false)] {
            ledger.progress().await?;
            let known = sessions_lost(cluster.workers[0].log()?.as_str());
            match cut {
                true => proxy.refuse(),
                false => proxy.shape(LOST),
            }
            let began = Instant::now();
            cluster.balanced(1, &ledger.name, 2).await?;
            println!(
                "{what}: others run its tasks after {:?}, of a session of 5 s",
                began.elapsed()
            );
            ledger.progress().await?;
            // Longer than a session: whatever it was to give up, it has.
            tokio::time::sleep(Duration::from_secs(6)).await;
            let lost = sessions_lost(cluster.workers[0].log()?.as_str());
            ensure!(lost > known, "it does not know that its session is over");
            proxy.restore();
            let on = cluster.balanced(2, &ledger.name, 3).await?;
            agrees(&cluster, 0, &ledger.name, &on).await?;
        }
        Ok(())
    };
    ledger.meanwhile(cutting).await?;
    ledger.complete(cluster.rest(0)).await?;
    cluster.statuses_are_the_newest(&kafka).await
}

/// Workers whose `LEDGER_URL` names the ledger's database, and the same through the proxy.
async fn configs(
    cluster: &Cluster<'_>,
    ledger: &Ledger<'_>,
    proxy: &FaultProxy,
) -> Result<(WorkerConfig, WorkerConfig)> {
    let url = ledger.database.jdbc_url();
    let own = TestPostgres::shared().await?.port().to_string();
    let behind = url.replacen(&own, &proxy.port().to_string(), 1);
    ensure!(behind != url, "{url} does not name the port");
    let class = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
    let config = cluster.config.clone().set("config.providers", "env");
    let config = config.set("config.providers.env.class", class);
    let of = |url: &str| config.clone().env("LEDGER_URL", url);
    Ok((of(&url), of(&behind)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_postgres_waits_and_moves_nothing() -> Result<()> {
    let ledger = Ledger::shared("no_postgres", 6).await?;
    let postgres = TestPostgres::shared().await?;
    let proxy = FaultProxy::to(postgres.port()).await?;
    let mut cluster = Cluster::none_yet(TestKafka::shared().await?)?;
    let (direct, behind) = configs(&cluster, &ledger, &proxy).await?;
    for config in [&direct, &direct, &behind] {
        cluster.add_of(config.clone()).await?;
    }
    let settings = [
        ("tasks.max", "6"),
        ("connection.url", "${env:LEDGER_URL}"),
        // A server that says nothing is missed after so long.
        ("socket.timeout.ms", "10000"),
    ];
    ledger.deploy(cluster.rest(0), &settings).await?;
    let before = cluster.balanced(0, &ledger.name, 3).await?;
    let cutting = async {
        for (what, cut) in [("refused", true), ("lost", false)] {
            ledger.progress().await?;
            match cut {
                true => proxy.refuse(),
                false => proxy.shape(LOST),
            }
            let began = Instant::now();
            let name = &ledger.name;
            wait_until(LIMIT, "a task that says what it waits for", async || {
                let status = cluster.rest(1).status(name).await?;
                let tasks = status["tasks"].as_array().context("no tasks")?;
                Ok(tasks.iter().any(|task| task["message"].is_string()))
            })
            .await?;
            println!("{what}: the status says so after {:?}", began.elapsed());
            // The partitions of the others go on.
            ledger.progress().await?;
            let during = cluster.balanced(0, name, 3).await?;
            ensure!(during == before, "tasks have moved: {during:?}");
            proxy.restore();
            let began = Instant::now();
            wait_until(LIMIT, "tasks that wait for nothing", async || {
                let status = cluster.rest(1).status(name).await?;
                let tasks = status["tasks"].as_array().context("no tasks")?;
                Ok(tasks.iter().all(|task| !task["message"].is_string()))
            })
            .await?;
            println!(
                "{what}: it goes on {:?} after Postgres is back",
                began.elapsed()
            );
        }
        Ok(())
    };
    ledger.meanwhile(cutting).await?;
    ledger.complete(cluster.rest(2)).await?;
    cluster
        .statuses_are_the_newest(TestKafka::shared().await?)
        .await
}

/// Its tasks are given partitions that they cannot open; the group has to go on without them.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_meets_postgres_keeps_no_other_from_its_rows() -> Result<()> {
    let ledger = Ledger::shared("never_met", 6).await?;
    let postgres = TestPostgres::shared().await?;
    let proxy = FaultProxy::to(postgres.port()).await?;
    proxy.refuse();
    let mut cluster = Cluster::none_yet(TestKafka::shared().await?)?;
    let (direct, behind) = configs(&cluster, &ledger, &proxy).await?;
    cluster.add_of(behind).await?;
    let settings = [("tasks.max", "6"), ("connection.url", "${env:LEDGER_URL}")];
    ledger.deploy(cluster.rest(0), &settings).await?;
    let name = &ledger.name;
    wait_until(LIMIT, "tasks that wait", async || {
        let status = cluster.rest(0).status(name).await?;
        let tasks = status["tasks"].as_array().context("no tasks")?;
        Ok(tasks.iter().all(|task| task["message"].is_string()))
    })
    .await?;
    for _ in 0..2 {
        cluster.add_of(direct.clone()).await?;
    }
    let others = async {
        for _ in 0..3 {
            ledger.progress().await?;
        }
        proxy.restore();
        Ok(())
    };
    ledger.meanwhile(others).await?;
    ledger.complete(cluster.rest(2)).await
}
