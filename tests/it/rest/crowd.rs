//! Many connections and few descriptors: the worker answers, and what it runs goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::wire::plain;

const LIMIT: Duration = Duration::from_secs(60);

async fn limited(files: u32) -> Result<TestWorker> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config.set("plugin.path", "").limit_files(files);
    TestWorker::start(config.set("offset.flush.interval.ms", "100")).await
}

/// Connections that have said this and wait.
async fn crowd(worker: &TestWorker, many: usize, said: &str) -> Result<Vec<TcpStream>> {
    let address = worker.rest().base().trim_start_matches("http://");
    let mut held = Vec::new();
    for _ in 0..many {
        let mut stream = TcpStream::connect(address).await?;
        // It may have been closed already, to make room for another.
        let _ = stream.write_all(said.as_bytes()).await;
        held.push(stream);
    }
    Ok(held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_waits_keeps_nobody_out() -> Result<()> {
    let worker = limited(256).await?;
    let ledger = Ledger::shared("crowd", 2).await?;
    ledger.deploy(worker.rest(), &[]).await?;
    ledger.produce(10).await?;
    ledger.complete(worker.rest()).await?;
    let half = crowd(&worker, 600, "GET /connectors HTTP/1.1\r\nHost: loc").await?;
    let idle = crowd(&worker, 600, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let body = "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let bodies = crowd(&worker, 300, body).await?;
    for path in ["/health", "/connectors", "/health"] {
        assert_eq!(plain(worker.rest(), "GET", path).await?.code, 200);
    }
    // Kafka's and the target's connections have been left alone.
    ledger.produce(10).await?;
    ledger.complete(worker.rest()).await?;
    ensure!(!worker.log()?.contains("AllBrokersDown"), "Kafka was lost");
    drop((half, idle, bodies));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_descriptors_the_worker_answers_and_says_so() -> Result<()> {
    // A worker has some eighty open before its first task.
    let worker = limited(128).await?;
    let rest = worker.rest();
    let mut ledgers = Vec::new();
    for _ in 0..6 {
        let ledger = Ledger::shared("few", 2).await?;
        ledger.create(rest, &[("tasks.max", "2")]).await?;
        ledgers.push(ledger);
    }
    for turn in 0..20 {
        let health = plain(rest, "GET", "/health").await?;
        assert_eq!(health.code, 200, "turn {turn}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    wait_until(LIMIT, "a line about open files", async || {
        let log = worker.log()?;
        ensure!(log.contains("open files (ulimit -n)"), "no such line");
        Ok(true)
    })
    .await?;
    let mut told = 0;
    for ledger in &ledgers {
        let status = rest.status(&ledger.name).await?.to_string();
        told += usize::from(status.contains("open files"));
    }
    ensure!(told > 0, "no status tells why nothing is done");
    Ok(())
}
