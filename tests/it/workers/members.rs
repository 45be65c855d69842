//! Workers that come and go.

use std::time::Instant;

use anyhow::{Result, ensure};
use harness::ledger::Ledger;

use super::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_shared_and_each_row_is_written_once() -> Result<()> {
    let ledger = Ledger::shared("shared_tasks", 6).await?;
    let mut cluster = Cluster::start(1).await?;
    ledger
        .deploy(cluster.workers[0].rest(), &[("tasks.max", "6")])
        .await?;
    cluster.balanced(0, &ledger.name, 1).await?;
    let (rest, joining) = (cluster.workers[0].rest().clone(), async {
        for workers in 2..=3 {
            cluster.add().await?;
            cluster.balanced(workers - 1, &ledger.name, workers).await?;
        }
        // In order: the others take over before it ends.
        let mut leaves = cluster.workers.remove(0);
        let began = Instant::now();
        let status = leaves.stop().await?;
        ensure!(status.success(), "the worker ended with {status}");
        println!("a worker ended in {:?}", began.elapsed());
        cluster.balanced(0, &ledger.name, 2).await?;
        // And without a word.
        let mut dies = cluster.workers.remove(1);
        dies.kill()?;
        let began = Instant::now();
        cluster.balanced(0, &ledger.name, 1).await?;
        println!("tasks of a killed worker ran after {:?}", began.elapsed());
        Ok(())
    });
    ledger.meanwhile(joining).await?;
    drop(rest);
    ledger.complete(cluster.workers[0].rest()).await
}
