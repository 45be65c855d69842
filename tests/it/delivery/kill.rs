//! The worker is killed in the middle of a drain.

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::worker::{TestWorker, WorkerConfig};

use crate::dice::Dice;
use crate::ledger::Ledger;

const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_and_double_nothing() -> Result<()> {
    let mut dice = Dice::new("twenty_kills");
    let ledger = Ledger::shared("kills", 3).await?;
    // It starts often, and needs no plugins.
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?.set("plugin.path", "");
    let mut worker = TestWorker::start(config).await?;
    let settings = [
        // A transaction takes some of each partition, also of those with a backlog.
        ("consumer.override.max.poll.records", "400"),
        ("consumer.override.fetch.message.max.bytes", "10000"),
        ("consumer.override.session.timeout.ms", "1000"),
        ("consumer.override.heartbeat.interval.ms", "200"),
    ];
    ledger.deploy(worker.rest(), &settings).await?;
    let mut mid_drain = 0;
    let killing = async {
        for kill in 0..KILLS {
            // One in five dies before it has begun: while it reads its topics, joins its group
            // or takes its partitions over.
            let rows = ledger.rows().await?;
            if dice.below(5) > 0 {
                ledger.progress().await?;
            }
            tokio::time::sleep(dice.time(300)).await;
            worker.kill()?;
            mid_drain += usize::from(ledger.rows().await? > rows);
            println!("kill {kill} at {} rows", ledger.rows().await?);
            worker.start_again().await?;
        }
        Ok(())
    };
    ledger.meanwhile(killing).await?;
    ensure!(
        mid_drain >= KILLS / 2,
        "only {mid_drain} kills were in the middle of a drain"
    );
    ledger.complete(worker.rest()).await
}
