//! The table changes while rows flow into it.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::ledger::Ledger;
use harness::worker::TestWorker;
use reqwest::Method;

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_and_change_in_mid_flight() -> Result<()> {
    let ledger = Ledger::shared("altered", 2).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    let altering = async {
        for change in [
            "ALTER TABLE ledger ADD extra int DEFAULT 7",
            // Of the same width: the bytes of the one would be taken for the other.
            "ALTER TABLE ledger ALTER seq TYPE float8",
            "ALTER TABLE ledger ALTER seq TYPE numeric",
            "ALTER TABLE ledger ALTER seq TYPE bigint",
            "ALTER TABLE ledger RENAME pad TO other; ALTER TABLE ledger ADD pad text",
            "ALTER TABLE ledger DROP extra",
        ] {
            ledger.progress().await?;
            ledger.database.execute(change).await?;
            ledger.progress().await?;
        }
        Ok(())
    };
    ledger.meanwhile(altering).await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_fails_the_task_and_loses_nothing_more() -> Result<()> {
    let ledger = Ledger::shared("dropped", 2).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    let dropping = async {
        ledger.progress().await?;
        // What was in it is kept, so that it can be audited.
        let drop = "CREATE TABLE kept (LIKE ledger); \
                    BEGIN; LOCK TABLE ledger; INSERT INTO kept SELECT * FROM ledger; \
                    DROP TABLE ledger; COMMIT";
        ledger.database.execute(drop).await?;
        let trace = ledger.failure(rest).await?;
        ensure!(trace.contains("table ledger"), "{trace}");
        let again = "CREATE TABLE ledger (LIKE kept); \
                     ALTER TABLE ledger ALTER id ADD GENERATED ALWAYS AS IDENTITY; \
                     INSERT INTO ledger OVERRIDING SYSTEM VALUE SELECT * FROM kept; \
                     SELECT setval(pg_get_serial_sequence('ledger', 'id'), max(id)) FROM kept";
        ledger.database.execute(again).await?;
        let path = format!("/connectors/{}/tasks/0/restart", ledger.name);
        rest.request(Method::POST, &path, None).await?;
        rest.wait_for_state(&ledger.name, "RUNNING").await?;
        ledger.progress().await
    };
    ledger.meanwhile(dropping).await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlogged_table_is_refused() -> Result<()> {
    let ledger = Ledger::shared("unlogged", 1).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger
        .database
        .execute("ALTER TABLE ledger SET UNLOGGED")
        .await?;
    ledger.produce(10).await?;
    ledger.create(rest, &[]).await?;
    let trace = ledger.failure(rest).await?;
    ensure!(trace.contains("is UNLOGGED"), "{trace}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    ensure!(ledger.rows().await? == 0, "rows were written");
    Ok(())
}
