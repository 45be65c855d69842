//! The connection to Postgres breaks, at any byte.

use std::time::Duration;

use anyhow::Result;
use harness::postgres::TestPostgres;
use harness::proxy::FaultProxy;
use harness::wait::wait_until;
use harness::worker::TestWorker;

use harness::dice::Dice;
use harness::ledger::Ledger;

const CUTS: usize = 15;
const LIMIT: Duration = Duration::from_secs(30);

/// A transaction that takes its time to commit.
const SLOW_COMMIT: &str = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$; \
    CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW WHEN (NEW.seq % 500 = 0) EXECUTE FUNCTION linger()";

async fn through(proxy: &FaultProxy, ledger: &Ledger<'_>) -> Result<()> {
    let database = ledger.database.name();
    let url = format!("jdbc:postgresql://127.0.0.1:{}/{database}", proxy.port());
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[("connection.url", &url)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_break_at_any_byte() -> Result<()> {
    let mut dice = Dice::new("any_byte");
    let ledger = Ledger::shared("cuts", 3).await?;
    let proxy = FaultProxy::to(TestPostgres::shared().await?.port()).await?;
    through(&proxy, &ledger).await?;
    let cutting = async {
        for _ in 0..CUTS {
            ledger.progress().await?;
            let end = proxy.passed() + dice.below(60_000);
            wait_until(LIMIT, "bytes to pass", async || Ok(proxy.passed() >= end)).await?;
            proxy.cut();
        }
        Ok(())
    };
    ledger.meanwhile(cutting).await?;
    ledger.complete(TestWorker::shared().await?.rest()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_out() -> Result<()> {
    let ledger = Ledger::shared("commits", 2).await?;
    ledger.database.execute(SLOW_COMMIT).await?;
    let proxy = FaultProxy::to(TestPostgres::shared().await?.port()).await?;
    through(&proxy, &ledger).await?;
    let committing = "pg_stat_activity WHERE datname = current_database() AND state = 'active' \
                      AND query = 'COMMIT'";
    let cutting = async {
        for _ in 0..4 {
            wait_until(LIMIT, "a COMMIT under way", async || {
                Ok(ledger.database.count(committing).await? > 0)
            })
            .await?;
            proxy.cut();
            ledger.progress().await?;
        }
        Ok(())
    };
    ledger.meanwhile(cutting).await?;
    ledger.complete(TestWorker::shared().await?.rest()).await
}
