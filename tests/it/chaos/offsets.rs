//! The log under the stored offsets changes while nobody looks, or while records are read.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use reqwest::Method;

const LIMIT: Duration = Duration::from_secs(30);

async fn put(rest: &ConnectClient, ledger: &Ledger<'_>, order: &str) -> Result<()> {
    let path = format!("/connectors/{}/{order}", ledger.name);
    let (status, body) = rest.request(Method::PUT, &path, None).await?;
    ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
    Ok(())
}

/// Stops the connector, and waits until its task has ended.
async fn stop(rest: &ConnectClient, ledger: &Ledger<'_>) -> Result<()> {
    put(rest, ledger, "stop").await?;
    let sessions = "pg_stat_activity WHERE datname = current_database() \
                    AND application_name LIKE 'ferrule:%'";
    wait_until(LIMIT, "the task to end", async || {
        Ok(ledger.database.count(sessions).await? == 0)
    })
    .await
}

/// A ledger of one partition whose connector has written that many records, and is stopped.
async fn stopped_after(
    stem: &str,
    count: i64,
) -> Result<(Ledger<'static>, &'static ConnectClient)> {
    let ledger = Ledger::shared(stem, 1).await?;
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(count).await?;
    ledger.complete(rest).await?;
    stop(rest, &ledger).await?;
    Ok((ledger, rest))
}

/// Lets the log begin at an offset.
async fn delete_before(kafka: &TestKafka, ledger: &Ledger<'_>, offset: i64) -> Result<()> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&ledger.name, 0, Offset::Offset(offset))?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await?;
    for element in deleted.elements() {
        element.error()?;
        ensure!(element.offset() == Offset::Offset(offset), "{element:?}");
    }
    Ok(())
}

/// Deletes the topic and creates it anew, with records of its own.
async fn make_anew(kafka: &TestKafka, ledger: &Ledger<'_>, count: i64) -> Result<()> {
    kafka.delete_topic(&ledger.name).await?;
    create_again(kafka, ledger, count).await
}

async fn create_again(kafka: &TestKafka, ledger: &Ledger<'_>, count: i64) -> Result<()> {
    wait_until(LIMIT, "the topic to be gone", async || {
        Ok(kafka.create_topic(&ledger.name, 1).await.is_ok())
    })
    .await?;
    let records = (0..count).map(|seq| Ledger::record(0, seq));
    kafka.produce(&ledger.name, records).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_offset_that_retention_has_passed_fails_the_task() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (ledger, rest) = stopped_after("retention", 50).await?;
    ledger.produce(50).await?;
    delete_before(kafka, &ledger, 80).await?;
    put(rest, &ledger, "resume").await?;
    let trace = ledger.failure(rest).await?;
    let place = format!(
        "stored offset 50 of {}-0 is outside its log (80 to 100): retention has passed it",
        ledger.name
    );
    ensure!(trace.contains(&place), "{trace}");
    ensure!(ledger.rows().await? == 50, "rows were written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_under_a_running_task_fails_it() -> Result<()> {
    let (kafka, ledger) = (TestKafka::shared().await?, Ledger::shared("live", 1).await?);
    let rest = TestWorker::shared().await?.rest();
    // The client looks at the topic this often.
    let soon = [(
        "consumer.override.topic.metadata.refresh.interval.ms",
        "500",
    )];
    ledger.deploy(rest, &soon).await?;
    ledger.produce(100).await?;
    ledger.complete(rest).await?;
    make_anew(kafka, &ledger, 30).await?;
    let trace = ledger.failure(rest).await?;
    ensure!(trace.contains("created anew"), "{trace}");
    ensure!(ledger.rows().await? == 100, "rows were written or lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_with_more_records_than_were_read_fails_the_task() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (ledger, rest) = stopped_after("anew", 100).await?;
    make_anew(kafka, &ledger, 150).await?;
    put(rest, &ledger, "resume").await?;
    let trace = ledger.failure(rest).await?;
    let place = format!(
        "the record at offset 99 of {}-0 is not the one that was read there",
        ledger.name
    );
    ensure!(trace.contains(&place), "{trace}");
    ensure!(ledger.rows().await? == 100, "rows were written or lost");
    // Whoever resets the offsets has the new topic read from its start.
    stop(rest, &ledger).await?;
    let path = format!("/connectors/{}/offsets", ledger.name);
    let (status, body) = rest.request(Method::DELETE, &path, None).await?;
    ensure!(status.is_success(), "{body}");
    put(rest, &ledger, "resume").await?;
    wait_until(LIMIT, "the new records", async || {
        Ok(ledger.rows().await? == 250)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_in_front_of_the_stored_offset_is_not_missed() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (ledger, rest) = stopped_after("gone", 50).await?;
    ledger.produce(30).await?;
    delete_before(kafka, &ledger, 50).await?;
    put(rest, &ledger, "resume").await?;
    ledger.complete(rest).await?;
    ledger.audit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_comes_back_to_a_running_task_is_seen_to_be_another() -> Result<()> {
    let (kafka, ledger) = (TestKafka::shared().await?, Ledger::shared("back", 1).await?);
    let worker = TestWorker::shared().await?;
    let rest = worker.rest();
    let soon = [(
        "consumer.override.topic.metadata.refresh.interval.ms",
        "500",
    )];
    ledger.deploy(rest, &soon).await?;
    ledger.produce(100).await?;
    ledger.complete(rest).await?;
    kafka.delete_topic(&ledger.name).await?;
    let revoked = format!("revoked partition={}-0", ledger.name);
    wait_until(LIMIT, "the group to notice", async || {
        Ok(worker.log()?.contains(&revoked))
    })
    .await?;
    create_again(kafka, &ledger, 150).await?;
    let trace = ledger.failure(rest).await?;
    // By its first record at the latest; as a rule while it has none yet.
    ensure!(trace.contains("created anew"), "{trace}");
    ensure!(ledger.rows().await? == 100, "rows were written or lost");
    Ok(())
}
