//! A connection that breaks at the very message that matters.

use std::time::Duration;

use anyhow::Result;
use harness::dice::Dice;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::{Act, COMMIT, COPY, FaultProxy};
use harness::worker::TestWorker;

const LIMIT: Duration = Duration::from_secs(30);

/// Springs a trap several times while records flow, and checks the table.
async fn breaks(stem: &str, bytes: &'static [u8], acts: Vec<Act>) -> Result<()> {
    let ledger = Ledger::shared(stem, 3).await?;
    let proxy = FaultProxy::to(TestPostgres::shared().await?.port()).await?;
    let rest = TestWorker::shared().await?.rest();
    let url = ledger.database.jdbc_url_through(&proxy);
    ledger.deploy(rest, &[("connection.url", &url)]).await?;
    let breaking = async {
        for act in acts {
            proxy.trap(bytes, act);
            proxy.springs(LIMIT).await?;
            ledger.progress().await?;
        }
        Ok(())
    };
    ledger.meanwhile(breaking).await?;
    ledger.complete(rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_may_break_anywhere() -> Result<()> {
    let mut dice = Dice::new("mid_copy");
    let far = |length| usize::try_from(dice.below(length)).unwrap_or(0);
    let acts = [40, 200, 2000, 20_000, 20_000].map(far).map(Act::CutAfter);
    breaks("mid_copy", COPY, acts.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_arrive_is_repeated() -> Result<()> {
    breaks("commit_lost", COMMIT, vec![Act::CutBefore; 4]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_does_not_arrive_is_not_repeated() -> Result<()> {
    breaks("answer_lost", COMMIT, vec![Act::CutAnswer; 4]).await
}
