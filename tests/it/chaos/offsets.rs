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

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_offset_that_retention_has_passed_fails_the_task() -> Result<()> {
    let (kafka, ledger) = (
        TestKafka::shared().await?,
        Ledger::shared("retention", 1).await?,
    );
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(50).await?;
    ledger.complete(rest).await?;
    put(rest, &ledger, "stop").await?;
    let sessions = "pg_stat_activity WHERE datname = current_database() \
                    AND application_name LIKE 'ferrule:%'";
    wait_until(LIMIT, "the task to end", async || {
        Ok(ledger.database.count(sessions).await? == 0)
    })
    .await?;
    ledger.produce(50).await?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&ledger.name, 0, Offset::Offset(80))?;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await?;
    for element in deleted.elements() {
        element.error()?;
        ensure!(element.offset() == Offset::Offset(80), "{element:?}");
    }
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
    kafka.delete_topic(&ledger.name).await?;
    wait_until(LIMIT, "the topic to be gone", async || {
        Ok(kafka.create_topic(&ledger.name, 1).await.is_ok())
    })
    .await?;
    kafka
        .produce(&ledger.name, (0..30).map(|seq| Ledger::record(0, seq)))
        .await?;
    let trace = ledger.failure(rest).await?;
    ensure!(trace.contains("created anew"), "{trace}");
    ensure!(ledger.rows().await? == 100, "rows were written or lost");
    Ok(())
}
