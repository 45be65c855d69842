//! Partitions change their owner while the one before is in mid-transaction.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::{Act, COMMIT, FaultProxy};
use harness::wait::wait_until;
use harness::worker::TestWorker;

const LIMIT: Duration = Duration::from_secs(30);
/// How long the new owner waits for the rows' locks before it ends the session that holds them.
const SOON: (&str, &str) = ("lock.timeout.ms", "1000");

/// A connector on a worker of its own, whose way to Postgres a test can trap.
struct Owner {
    ledger: Ledger<'static>,
    worker: TestWorker,
    proxy: FaultProxy,
}

impl Owner {
    async fn new(stem: &str) -> Result<Self> {
        let owner = Self {
            ledger: Ledger::shared(stem, 2).await?,
            worker: TestWorker::own().await?,
            proxy: FaultProxy::to(TestPostgres::shared().await?.port()).await?,
        };
        let url = owner.ledger.database.jdbc_url_through(&owner.proxy);
        let settings = [("connection.url", url.as_str()), SOON];
        owner.ledger.deploy(owner.worker.rest(), &settings).await?;
        Ok(owner)
    }

    /// Stops in mid-transaction: all is written but the COMMIT, and the rows are locked.
    async fn hold(&self) -> Result<()> {
        self.proxy.trap(COMMIT, Act::Hold);
        self.ledger.produce(50).await?;
        self.proxy.springs(LIMIT).await?;
        ensure!(self.holding().await? > 0, "no session holds the rows");
        Ok(())
    }

    async fn holding(&self) -> Result<i64> {
        let idle = "pg_stat_activity WHERE datname = current_database() \
                    AND state LIKE 'idle in transaction%'";
        self.ledger.database.count(idle).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_that_holds_the_rows_is_succeeded() -> Result<()> {
    let mut owner = Owner::new("held_kill").await?;
    let second = TestWorker::own().await?;
    owner.hold().await?;
    // The proxy keeps the connection: to the server its client is still there, as it is when a
    // machine or its network is lost.
    owner.worker.kill()?;
    owner.ledger.deploy(second.rest(), &[SOON]).await?;
    owner.ledger.complete(second.rest()).await?;
    owner.proxy.release();
    owner.ledger.produce(20).await?;
    owner.ledger.complete(second.rest()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_that_holds_the_rows_is_succeeded_and_writes_nothing() -> Result<()> {
    let owner = Owner::new("held_stop").await?;
    let second = TestWorker::own().await?;
    owner.hold().await?;
    owner.worker.signal("STOP")?;
    owner.ledger.deploy(second.rest(), &[SOON]).await?;
    owner.ledger.complete(second.rest()).await?;
    // It wakes up with a transaction that it believes to be its own, and whose COMMIT is on its
    // way.
    owner.proxy.release();
    owner.worker.signal("CONT")?;
    let flowing = async {
        for _ in 0..5 {
            owner.ledger.progress().await?;
        }
        wait_until(LIMIT, "both to own partitions", async || {
            Ok(owner.ledger.owners().await? == 2)
        })
        .await
    };
    owner.ledger.meanwhile(flowing).await?;
    owner.ledger.complete(second.rest()).await?;
    let trace = owner.ledger.trace(owner.worker.rest()).await?;
    ensure!(trace.is_none(), "the sleeper failed: {trace:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_in_mid_transaction_loses_nothing() -> Result<()> {
    let owner = Owner::new("held_rebalance").await?;
    let second = TestWorker::own().await?;
    for hold in [Duration::from_millis(700), Duration::from_secs(7)] {
        owner.hold().await?;
        // A member joins, and the partitions are asked back; the second time for longer than the
        // task waits for its transaction.
        owner.ledger.deploy(second.rest(), &[SOON]).await?;
        tokio::time::sleep(hold).await;
        owner.proxy.release();
        owner.ledger.produce(50).await?;
        owner.ledger.complete(owner.worker.rest()).await?;
        second.rest().delete(&owner.ledger.name).await?;
        owner.ledger.produce(50).await?;
        owner.ledger.complete(owner.worker.rest()).await?;
    }
    Ok(())
}
