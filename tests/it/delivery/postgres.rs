//! Postgres goes away in the middle of a drain.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;
use harness::wait::wait_until;
use harness::worker::TestWorker;

use crate::ledger::Ledger;
use crate::wire::metric;

const UNAVAILABLE: &str = "ferrule_task_target_unavailable";
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_stops_or_crashes_is_waited_for() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let ledger = Ledger::new(TestKafka::shared().await?, &postgres, "outage", 3).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    let outages = async {
        for crash in [false, true, false, true] {
            ledger.progress().await?;
            if crash {
                postgres.crash().await?
            } else {
                postgres.stop().await?
            }
            wait_until(
                LIMIT,
                "the metrics to say that the task waits",
                async || Ok(metric(rest, UNAVAILABLE, &ledger.name).await? > 0.0),
            )
            .await?;
            let status = rest.status(&ledger.name).await?;
            ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
            ensure!(status["connector"]["state"] == "RUNNING", "{status}");
            postgres.start_again().await?;
        }
        // It goes on by itself.
        ledger.progress().await
    };
    ledger.meanwhile(outages).await?;
    ledger.complete(rest).await?;
    wait_until(
        LIMIT,
        "the metrics to say that it waits no more",
        async || Ok(metric(rest, UNAVAILABLE, &ledger.name).await? < 1.0),
    )
    .await
}
