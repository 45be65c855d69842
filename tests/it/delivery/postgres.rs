//! Postgres goes away in the middle of a drain.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use serde_json::Value;

use crate::wire::metric;
use harness::ledger::Ledger;

const UNAVAILABLE: &str = "ferrule_task_target_unavailable";
const LIMIT: Duration = Duration::from_secs(20);

/// Waits until the status says what the task waits for, or that it waits for nothing.
async fn told(
    rest: &ConnectClient,
    ledger: &Ledger<'_>,
    wanted: fn(Option<&str>) -> bool,
) -> Result<Value> {
    let mut status = Value::Null;
    wait_until(LIMIT, "the status to tell", async || {
        status = rest.status(&ledger.name).await?;
        Ok(wanted(status["tasks"][0]["message"].as_str()))
    })
    .await?;
    Ok(status)
}

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
                postgres.crash().await?;
            } else {
                postgres.stop().await?;
            }
            wait_until(
                LIMIT,
                "the metrics to say that the task waits",
                async || Ok(metric(rest, UNAVAILABLE, &ledger.name).await? > 0.0),
            )
            .await?;
            // Clients show a trace, and know no message and no other state.
            let status = told(rest, &ledger, |message| message.is_some()).await?;
            let task = &status["tasks"][0];
            ensure!(task["state"] == "RUNNING", "{status}");
            ensure!(task["trace"] == task["message"], "{status}");
            ensure!(status["connector"]["state"] == "RUNNING", "{status}");
            postgres.start_again().await?;
        }
        // It goes on by itself.
        ledger.progress().await
    };
    ledger.meanwhile(outages).await?;
    ledger.complete(rest).await?;
    told(rest, &ledger, |message| message.is_none()).await?;
    wait_until(
        LIMIT,
        "the metrics to say that it waits no more",
        async || Ok(metric(rest, UNAVAILABLE, &ledger.name).await? < 1.0),
    )
    .await
}
