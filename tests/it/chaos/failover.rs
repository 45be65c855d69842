//! The primary is lost with commits that its standby never had.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::FaultProxy;
use harness::wait::wait_until;
use harness::worker::TestWorker;

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
