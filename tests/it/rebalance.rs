//! Partitions move between workers: those of one connector on two workers that know nothing of
//! each other are in one group, and write to one table.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::names::unique;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use crate::wire::metric;
use harness::dice::Dice;
use harness::ledger::Ledger;

const PARTITIONS: &str = "kafka_connect_sink_task_partition_count";
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until the connector's task on a worker owns so many partitions.
async fn owns(worker: &TestWorker, ledger: &Ledger<'_>, count: f64) -> Result<()> {
    wait_until(
        LIMIT,
        &format!("{count} partitions to be owned"),
        async || {
            let owned = metric(worker.rest(), PARTITIONS, &ledger.name).await?;
            ensure!((owned - count).abs() < 0.5, "{owned} are");
            Ok(true)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_to_a_second_worker_and_back() -> Result<()> {
    let mut dice = Dice::new("second_worker");
    let ledger = Ledger::shared("moving", 4).await?;
    let (first, mut second) = (TestWorker::own().await?, TestWorker::own().await?);
    ledger.deploy(first.rest(), &[]).await?;
    let moving = async {
        owns(&first, &ledger, 4.0).await?;
        ledger.deploy(second.rest(), &[]).await?;
        for crash in [false, true] {
            owns(&second, &ledger, 2.0).await?;
            owns(&first, &ledger, 2.0).await?;
            ensure!(ledger.owners().await? == 2, "two sessions own partitions");
            ledger.progress().await?;
            tokio::time::sleep(dice.time(300)).await;
            if crash {
                second.kill()?;
            } else {
                let status = second.stop().await?;
                ensure!(status.success(), "the worker ended with {status}");
            }
            owns(&first, &ledger, 4.0).await?;
            ledger.progress().await?;
            second.start_again().await?;
        }
        owns(&second, &ledger, 2.0).await?;
        ledger.progress().await
    };
    ledger.meanwhile(moving).await?;
    ledger.complete(first.rest()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sleeps_through_its_session_cannot_write() -> Result<()> {
    let mut dice = Dice::new("sleeper");
    let ledger = Ledger::shared("sleeper", 4).await?;
    let (first, second) = (TestWorker::own().await?, TestWorker::own().await?);
    // One that sleeps in the middle of a transaction holds its locks until it is ended.
    let settings = [("lock.timeout.ms", "1500")];
    ledger.deploy(first.rest(), &settings).await?;
    ledger.deploy(second.rest(), &settings).await?;
    let sleeping = async {
        owns(&first, &ledger, 2.0).await?;
        owns(&second, &ledger, 2.0).await?;
        for _ in 0..3 {
            ledger.progress().await?;
            tokio::time::sleep(dice.time(300)).await;
            second.signal("STOP")?;
            owns(&first, &ledger, 4.0).await?;
            ledger.progress().await?;
            second.signal("CONT")?;
            owns(&first, &ledger, 2.0).await?;
            owns(&second, &ledger, 2.0).await?;
        }
        Ok(())
    };
    ledger.meanwhile(sleeping).await?;
    ledger.complete(first.rest()).await?;
    // Whatever the sleeper had in hand has come by then.
    Ledger::outlast(second.rest()).await?;
    ledger.audit().await?;
    ledger
        .trace(second.rest())
        .await?
        .map_or(Ok(()), |trace| Err(anyhow::anyhow!(trace)))
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_are_noticed() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let rest = TestWorker::shared().await?.rest();
    let ledger = Ledger::shared("growing", 1).await?;
    ledger.deploy(rest, &[]).await?;
    ledger.produce(10).await?;
    ledger.complete(rest).await?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let more = NewPartitions::new(&ledger.name, 3);
    for outcome in admin
        .create_partitions([&more], &AdminOptions::new())
        .await?
    {
        outcome.map_err(|(topic, code)| anyhow::anyhow!("cannot extend {topic}: {code}"))?;
    }
    wait_until(LIMIT, "the new partitions", async || {
        Ok(kafka.partitions(&ledger.name).await?.len() == 3)
    })
    .await?;
    // A producer that has never seen the topic smaller. It writes before the task knows of the
    // partitions, which it is to read from their beginning.
    let producer: FutureProducer = kafka.client().create()?;
    for partition in [1, 2] {
        for seq in 0..20 {
            let value = Ledger::record(partition, seq).value.unwrap_or_default();
            let record = FutureRecord::<(), _>::to(&ledger.name)
                .partition(partition)
                .payload(&value);
            producer
                .send(record, LIMIT)
                .await
                .map_err(|(error, _)| error)?;
        }
        ledger.count_in(partition, 20).await;
    }
    // librdkafka's own interval, five minutes, would be too long for this.
    ledger.complete(rest).await
}

/// The client library has no words for what is not to follow: the task asks for the topics itself.
#[tokio::test(flavor = "multi_thread")]
async fn topics_of_a_pattern_with_a_look_ahead_are_read_as_they_come() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let rest = TestWorker::shared().await?.rest();
    let name = unique("ahead");
    let topic = |suffix: &str| format!("{name}-{suffix}");
    let config = json!({
        "name": name,
        "config": {
            "connector.class": "FerruleBlackholeSink",
            "tasks.max": "2",
            "topics.regex": format!("(?!.*-dlq$){name}-.+"),
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "consumer.override.topic.metadata.refresh.interval.ms": "500",
        },
    });
    for suffix in ["orders", "orders-dlq"] {
        kafka.create_topic(&topic(suffix), 2).await?;
        kafka.produce(&topic(suffix), [Record::of("x")]).await?;
    }
    rest.create(&config).await?;
    let read = async |topic: &str| {
        let group = format!("connect-{name}");
        let offsets = kafka.committed(&group, topic).await?;
        Ok::<i64, anyhow::Error>(offsets.values().filter(|offset| **offset > 0).sum())
    };
    wait_until(LIMIT, "the record", async || {
        Ok(read(&topic("orders")).await? == 1)
    })
    .await?;
    kafka.create_topic(&topic("later"), 1).await?;
    kafka.produce(&topic("later"), [Record::of("x")]).await?;
    wait_until(
        LIMIT,
        "the record of the topic that came later",
        async || Ok(read(&topic("later")).await? == 1),
    )
    .await?;
    ensure!(
        read(&topic("orders-dlq")).await? == 0,
        "the pattern leaves it out"
    );
    let topics = rest.get(&format!("/connectors/{name}/topics")).await?;
    let mut read: Vec<_> = topics[&name]["topics"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    read.sort_by_key(ToString::to_string);
    ensure!(read == [&topic("later"), &topic("orders")], "{topics}");
    Ok(())
}
