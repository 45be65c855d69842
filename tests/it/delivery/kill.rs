//! The worker is killed in the middle of a drain.

use std::time::Instant;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use harness::dice::Dice;
use harness::ledger::Ledger;

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

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_again_within_the_default_session_after_a_kill() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let ledger = Ledger::shared("session", 1).await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?.set("plugin.path", "");
    let mut worker = TestWorker::start(config).await?;
    // Those of a test that does not wait for a session.
    let mut config = ledger.config(&[]);
    if let Some(config) = config.as_object_mut() {
        config.retain(|key, _| !key.ends_with("session.timeout.ms"));
        config.retain(|key, _| !key.ends_with("heartbeat.interval.ms"));
    }
    let connector = json!({ "name": ledger.name, "config": config });
    worker.rest().create(&connector).await?;
    ledger.produce(10).await?;
    ledger.complete(worker.rest()).await?;
    worker.kill()?;
    let killed = Instant::now();
    worker.start_again().await?;
    ledger.produce(10).await?;
    ledger.progress().await?;
    // Kafka Connect's clients wait for 45 s.
    println!(
        "the next row came {:?} after the kill of the worker",
        killed.elapsed()
    );
    ledger.complete(worker.rest()).await
}

/// What the sink refuses, and what no converter reads.
fn bad(partition: i32, number: usize) -> Record {
    match number % 2 {
        0 => Record::of("{"),
        _ => Record::json(&json!({ "part": partition, "seq": "no number" })),
    }
    .partition(partition)
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_double_no_dead_letter_of_the_table() -> Result<()> {
    let mut dice = Dice::new("kills_and_letters");
    let kafka = TestKafka::shared().await?;
    let ledger = Ledger::shared("letter_kills", 2).await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?.set("plugin.path", "");
    let mut worker = TestWorker::start(config).await?;
    let settings = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.table.name", "raw.letters"),
        ("consumer.override.max.poll.records", "50"),
        ("consumer.override.session.timeout.ms", "1000"),
        ("consumer.override.heartbeat.interval.ms", "200"),
    ];
    ledger.database.execute("CREATE SCHEMA raw").await?;
    ledger.deploy(worker.rest(), &settings).await?;
    let (kills, mut refused) = (6, 0);
    let killing = async {
        for _ in 0..kills {
            for burst in 0..10 {
                let records = (0..2).map(|partition| bad(partition, burst));
                kafka.produce(&ledger.name, records).await?;
                refused += 2;
                tokio::time::sleep(dice.time(30)).await;
            }
            worker.kill()?;
            worker.start_again().await?;
        }
        Ok(())
    };
    ledger.meanwhile(killing).await?;
    // What comes last shows that all before it is done.
    ledger.produce(1).await?;
    ledger.complete(worker.rest()).await?;
    let places = "(SELECT DISTINCT \"partition\", \"offset\" FROM raw.letters) AS places";
    let found = (
        ledger.database.count("raw.letters").await?,
        ledger.database.count(places).await?,
    );
    ensure!(found == (refused, refused), "{found:?} of {refused}");
    let stages = "raw.letters WHERE stage IN ('VALUE_CONVERTER', 'TASK_PUT') AND value IS NOT NULL";
    ensure!(ledger.database.count(stages).await? == refused);
    Ok(())
}
