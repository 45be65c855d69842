//! The offsets in the database are moved, or the log under them is.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use reqwest::Method;
use sqlx::PgExecutor;

use harness::ledger::Ledger;

const LIMIT: Duration = Duration::from_secs(30);

async fn offsets(ledger: &Ledger<'_>, change: &str) -> Result<()> {
    ledger
        .database
        .execute(&format!("UPDATE ferrule.offsets SET {change}"))
        .await
}

/// Stops the connector, and waits until it has no tasks.
async fn stop(ledger: &Ledger<'_>) -> Result<()> {
    let rest = TestWorker::shared().await?.rest();
    rest.request(
        Method::PUT,
        &format!("/connectors/{}/stop", ledger.name),
        None,
    )
    .await?;
    let path = format!("/connectors/{}/offsets", ledger.name);
    wait_until(LIMIT, "the connector to stop", async || {
        // Once the tasks have ended, the group has what the table has.
        let offsets = rest.get(&path).await?;
        ensure!(
            ledger.committed().await? == ledger.stored().await?,
            "{offsets}"
        );
        Ok(rest.status(&ledger.name).await?["connector"]["state"] == "STOPPED")
    })
    .await
}

/// How many rows there are, and the sum of the epochs, at one moment.
async fn rows_and_epochs(database: impl PgExecutor<'_>) -> Result<(i64, i64)> {
    let query = "SELECT (SELECT count(*) FROM ledger), \
                 (SELECT sum(epoch)::bigint FROM ferrule.offsets)";
    Ok(sqlx::query_as(query).fetch_one(database).await?)
}

async fn resume(ledger: &Ledger<'_>) -> Result<()> {
    let rest = TestWorker::shared().await?.rest();
    rest.request(
        Method::PUT,
        &format!("/connectors/{}/resume", ledger.name),
        None,
    )
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_fenced_opens_its_partitions_anew() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let ledger = Ledger::shared("fenced", 3).await?;
    ledger.deploy(worker.rest(), &[]).await?;
    let fencing = async {
        ledger.progress().await?;
        // The change waits for the transactions that hold the rows of the offsets. No other lands
        // before the task has taken the partitions over, which changes their epochs.
        let pool = ledger.database.pool();
        let mut change = pool.begin().await?;
        let fence = sqlx::query("UPDATE ferrule.offsets SET epoch = epoch + 7");
        fence.execute(&mut *change).await?;
        let (rows, epochs) = rows_and_epochs(&mut *change).await?;
        change.commit().await?;
        wait_until(LIMIT, "the task to open its partitions", async || {
            let now = rows_and_epochs(pool).await?;
            let fenced = now.1 == epochs;
            assert!(now.0 == rows || !fenced, "a fenced task writes on");
            Ok(!fenced)
        })
        .await?;
        ledger.progress().await
    };
    ledger.meanwhile(fencing).await?;
    ledger.complete(worker.rest()).await?;
    let lines = worker.log()?;
    let rewound = |line: &str| line.contains(&ledger.name) && line.contains("another owner");
    ensure!(
        lines.lines().any(rewound),
        "the log does not say that the task was fenced"
    );
    let taken = ledger
        .database
        .count("ferrule.offsets WHERE epoch >= 9")
        .await?;
    ensure!(taken == 3, "{taken} partitions were taken over anew");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_offset_beyond_the_log_fails_the_task() -> Result<()> {
    let rest = TestWorker::shared().await?.rest();
    let ledger = Ledger::shared("beyond", 1).await?;
    ledger.produce(100).await?;
    ledger.deploy(rest, &[]).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    offsets(&ledger, "next_offset = 1000").await?;
    resume(&ledger).await?;
    let trace = ledger.failure(rest).await?;
    let place = format!(
        "stored offset 1000 of {}-0 is outside its log (0 to 100)",
        ledger.name
    );
    ensure!(trace.contains(&place), "{trace}");
    ensure!(trace.contains("\nCaused by: "), "{trace}");
    // Put right, a restart of the task is enough.
    offsets(&ledger, "next_offset = 100").await?;
    ledger.produce(10).await?;
    let path = format!("/connectors/{}/tasks/0/restart", ledger.name);
    rest.request(Method::POST, &path, None).await?;
    rest.wait_for_state(&ledger.name, "RUNNING").await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_fails_the_task() -> Result<()> {
    let (kafka, rest) = (
        TestKafka::shared().await?,
        TestWorker::shared().await?.rest(),
    );
    let ledger = Ledger::shared("anew", 1).await?;
    ledger.produce(100).await?;
    ledger.deploy(rest, &[]).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    kafka.delete_topic(&ledger.name).await?;
    wait_until(LIMIT, "the topic to be gone", async || {
        let again = kafka.create_topic(&ledger.name, 1).await;
        Ok(again.is_ok())
    })
    .await?;
    resume(&ledger).await?;
    let trace = ledger.failure(rest).await?;
    ensure!(trace.contains("deleted and created anew"), "{trace}");
    ensure!(ledger.rows().await? == 100, "rows were written or lost");
    Ok(())
}
