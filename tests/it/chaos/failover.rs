//! The target goes back: a standby that was behind is promoted, a server crashes with commits that
//! were not on disk, its table of offsets is dropped.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::pipeline::Pipeline;
use harness::postgres::TestPostgres;
use harness::proxy::FaultProxy;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use reqwest::Method;

use crate::wasm::state::{self, COUNTING, PARTITIONS, orders};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_promoted_standby_has_lost_is_written_again() -> Result<()> {
    let primary = TestPostgres::start().await?;
    let replication = FaultProxy::to(primary.port()).await?;
    let service = FaultProxy::to(primary.port()).await?;
    let mut ledger = Ledger::new(TestKafka::shared().await?, &primary, "failover", 2).await?;
    let rest = TestWorker::shared().await?.rest();
    let url = ledger.database.jdbc_url_through(&service);
    ledger.deploy(rest, &[("connection.url", &url)]).await?;
    ledger.produce(200).await?;
    ledger.complete(rest).await?;

    let standby = primary.standby(replication.port()).await?;
    let replica = standby.existing(ledger.database.name()).await?;
    wait_until(LIMIT, "the standby to follow", async || {
        Ok(replica.count("ledger").await? == 400)
    })
    .await?;
    replication.refuse();
    ledger.produce(300).await?;
    ledger.complete(rest).await?;
    ensure!(
        replica.count("ledger").await? == 400,
        "the standby is not behind"
    );

    // The sink knows of offsets, and the group has been told of them, that the new primary has not.
    primary.crash().await?;
    service.lead_to(standby.port());
    service.cut();
    // Until it is promoted it takes no writes, and is waited for.
    ledger.produce(100).await?;
    standby.promote().await?;
    ledger.database = replica;
    ledger.complete(rest).await
}

/// The figure is for a person to read: how long a machine takes is no matter of right and wrong.
async fn told<T>(what: &str, since: Instant, done: impl Future<Output = Result<T>>) -> Result<T> {
    let done = done.await?;
    println!("{what}: complete {:?} after the promotion", since.elapsed());
    Ok(done)
}

async fn group_has_the_stored_offsets(ledger: &Ledger<'_>) -> Result<()> {
    wait_until(LIMIT, "the group to be told", async || {
        Ok(ledger.committed().await? == ledger.stored().await?)
    })
    .await
}

/// A primary that its standby follows through a proxy, and that the sinks reach through another.
struct Stand {
    primary: TestPostgres,
    replication: FaultProxy,
    service: FaultProxy,
}

impl Stand {
    async fn start() -> Result<Self> {
        let primary = TestPostgres::start().await?;
        Ok(Self {
            replication: FaultProxy::to(primary.port()).await?,
            service: FaultProxy::to(primary.port()).await?,
            primary,
        })
    }

    /// Deploys the connector, and writes some rows.
    async fn deploy(&self, rest: &ConnectClient, ledger: &Ledger<'_>) -> Result<()> {
        let url = ledger.database.jdbc_url_through(&self.service);
        ledger.deploy(rest, &[("connection.url", &url)]).await?;
        ledger.produce(100).await?;
        ledger.complete(rest).await
    }

    /// The primary is gone, and the sinks are led to the standby, which is not promoted yet.
    async fn lose_primary(&self, standby: &TestPostgres) -> Result<()> {
        self.primary.crash().await?;
        self.service.lead_to(standby.port());
        self.service.cut();
        Ok(())
    }
}

/// A connector whose plugin counts records in its state, in the database of a server.
async fn counting(stand: &Stand, worker: &TestWorker) -> Result<Pipeline> {
    let counted = Pipeline::over(worker, "counted_failover", PARTITIONS, &stand.primary).await?;
    state::table(&counted).await?;
    let url = counted.database.jdbc_url_through(&stand.service);
    let settings = [COUNTING, &[("connection.url", url.as_str())]].concat();
    counted.deploy(&settings).await?;
    counted.produce(orders(60)).await?;
    counted.drained().await?;
    Ok(counted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_loses_no_row_of_old_and_new_quiet_and_busy_connectors() -> Result<()> {
    let stand = Stand::start().await?;
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let rest = worker.rest();
    let mut ledgers = Vec::new();
    for stem in ["old_quiet", "old_busy", "new_quiet", "new_busy"] {
        ledgers.push(Ledger::new(kafka, &stand.primary, stem, 2).await?);
    }
    let mut counted = counting(&stand, worker).await?;
    for old in &ledgers[..2] {
        stand.deploy(rest, old).await?;
    }
    let standby = stand.primary.standby(stand.replication.port()).await?;
    stand.replication.refuse();
    for new in &ledgers[2..] {
        // The standby never hears of these connectors.
        stand.deploy(rest, new).await?;
    }
    for old in &ledgers[..2] {
        old.produce(100).await?;
        old.complete(rest).await?;
    }
    counted.produce(orders(40)).await?;
    counted.drained().await?;
    for ledger in &ledgers {
        group_has_the_stored_offsets(ledger).await?;
    }
    stand.lose_primary(&standby).await?;
    for busy in [1, 3] {
        ledgers[busy].produce(50).await?;
    }
    counted.database = standby.existing(counted.database.name()).await?;
    let behind = counted.database.count("counts").await?;
    ensure!(
        behind == 60 * i64::from(PARTITIONS),
        "the standby is not behind: {behind}"
    );
    standby.promote().await?;
    let promoted = Instant::now();
    for ledger in &mut ledgers {
        ledger.database = standby.existing(ledger.database.name()).await?;
    }
    for ledger in &ledgers {
        told(&ledger.name, promoted, ledger.complete(rest)).await?;
    }
    let complete = wait_until(LIMIT, "the counts", async || {
        Ok(counted.database.count("counts").await? >= 100 * i64::from(PARTITIONS))
    });
    told(&counted.name, promoted, complete).await?;
    state::assert_counts(&counted, &[100; PARTITIONS as usize]).await?;
    for ledger in &ledgers {
        let status = rest.status(&ledger.name).await?;
        ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
        ledger.produce(5).await?;
        ledger.complete(rest).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_a_crash_took_are_written_again_while_the_topic_is_quiet() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let mut admin = postgres.admin().await?;
    // What was committed asynchronously reaches the disk late.
    for statement in [
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::query(statement).execute(&mut admin).await?;
    }
    drop(admin);
    let ledger = Ledger::new(TestKafka::shared().await?, &postgres, "unsynced", 2).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger
        .deploy(rest, &[("synchronous.commit", "off")])
        .await?;
    let mut lost = 0;
    for _ in 0..5 {
        ledger.produce(50).await?;
        ledger.complete(rest).await?;
        let before = ledger.rows().await?;
        postgres.crash().await?;
        postgres.start_again().await?;
        // The task has not written them again within the first moment, or the test sees less.
        lost += before - ledger.rows().await?;
        ledger.complete(rest).await?;
    }
    println!("the crashes took {lost} rows");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_offsets_that_is_gone_stops_the_task_until_it_is_told_where_to_go_on()
-> Result<()> {
    let ledger = Ledger::shared("dropped", 1).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(60).await?;
    ledger.complete(rest).await?;
    group_has_the_stored_offsets(&ledger).await?;
    ledger
        .database
        .execute("DROP SCHEMA ferrule CASCADE")
        .await?;
    let trace = ledger.failure(rest).await?;
    ensure!(trace.contains("ferrule.offsets"), "{trace}");
    let restart = format!("/connectors/{}/tasks/0/restart", ledger.name);
    rest.request(Method::POST, &restart, None).await?;
    let lost = format!("the group has offset 60 of {}-0", ledger.name);
    wait_until(LIMIT, "the task to say what is lost", async || {
        let trace = ledger.trace(rest).await?.unwrap_or_default();
        ensure!(
            trace.contains(&lost) && trace.contains("delivery.lost.offsets"),
            "{trace}"
        );
        Ok(true)
    })
    .await?;
    ensure!(ledger.rows().await? == 60, "rows were written");

    // The rows are there, so the group's offset is right this time.
    let path = format!("/connectors/{}/config", ledger.name);
    let config = ledger.config(&[("delivery.lost.offsets", "group")]);
    rest.request(Method::PUT, &path, Some(&config)).await?;
    rest.wait_for_state(&ledger.name, "RUNNING").await?;
    ledger.produce(10).await?;
    ledger.complete(rest).await
}
