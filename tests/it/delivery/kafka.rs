//! Kafka goes away in the middle of a drain; transactions of producers are aborted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;
use harness::record::Record;
use harness::worker::{TestWorker, WorkerConfig};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use harness::ledger::Ledger;

const LIMIT: Duration = Duration::from_secs(20);

/// The figure is for a person to read: how long a machine takes is no matter of right and wrong.
async fn rows_come_again(what: &str, ledger: &Ledger<'_>) -> Result<()> {
    let since = Instant::now();
    ledger.progress().await?;
    println!("{what}: the next row came {:?} later", since.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_is_waited_for() -> Result<()> {
    let kafka = TestKafka::start().await?;
    let ledger = Ledger::new(&kafka, TestPostgres::shared().await?, "broker", 3).await?;
    let worker = TestWorker::start(WorkerConfig::new(&kafka.bootstrap())?).await?;
    ledger.deploy(worker.rest(), &[]).await?;
    let restarts = async {
        ledger.progress().await?;
        kafka.stop().await?;
        kafka.start_again().await?;
        rows_come_again("the broker was stopped and is back", &ledger).await?;
        kafka.kill().await?;
        kafka.start_again().await?;
        rows_come_again("the broker was killed and is back", &ledger).await
    };
    ledger.meanwhile(restarts).await?;
    ledger.complete(worker.rest()).await?;
    let status = worker.rest().status(&ledger.name).await?;
    ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
    // Each client tells of each of the two outages once.
    let log = worker.log()?;
    let told = log.lines().filter(|line| {
        line.contains(&ledger.name) && line.contains("no broker of Kafka can be reached")
    });
    let told = told.count();
    ensure!(
        (1..=2).contains(&told),
        "the task's consumer told of two outages {told} times"
    );
    ensure!(
        !log.contains("librdkafka: FAIL"),
        "the library's lines are in the log"
    );
    Ok(())
}

/// Sends records in a transaction, and ends it.
fn transaction(
    producer: &BaseProducer,
    topic: &str,
    records: &[Record],
    commit: bool,
) -> Result<()> {
    producer.begin_transaction()?;
    for record in records {
        let value = record.value.as_deref().context("a record has no value")?;
        let record = BaseRecord::<(), [u8]>::to(topic)
            .partition(0)
            .payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(LIMIT)?;
    if commit {
        producer.commit_transaction(LIMIT)?;
    } else {
        producer.abort_transaction(LIMIT)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_aborted_transactions_do_not_appear() -> Result<()> {
    let (kafka, ledger) = (
        TestKafka::shared().await?,
        Ledger::shared("aborted", 1).await?,
    );
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    let mut client = kafka.client();
    client.set("transactional.id", &ledger.name);
    let topic = ledger.name.clone();
    let producing = move || {
        let producer: BaseProducer = client.create()?;
        producer.init_transactions(LIMIT)?;
        let records = |range: std::ops::Range<i64>| -> Vec<Record> {
            range.map(|seq| Ledger::record(0, seq)).collect()
        };
        for round in 0..10 {
            // Those of an aborted one would come again, or leave a gap in what follows.
            transaction(
                &producer,
                &topic,
                &records(round * 30..round * 30 + 40),
                false,
            )?;
            transaction(
                &producer,
                &topic,
                &records(round * 30..round * 30 + 30),
                true,
            )?;
        }
        transaction(&producer, &topic, &records(300..320), false)
    };
    tokio::task::spawn_blocking(producing).await??;
    ledger.count_in(0, 300).await;
    // Not within a transaction: behind it, so that all before it was read.
    ledger.produce(1).await?;
    ledger.complete(rest).await
}
