//! A dead letter that cannot be written holds the offsets back.

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::worker::TestWorker;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use reqwest::Method;
use serde_json::json;

use harness::ledger::Ledger;

/// What the dead letter topic cannot take at first.
fn large(fault: &str) -> Record {
    let pad = "x".repeat(5000);
    match fault {
        "converter" => Record::of(format!("{{\"part\": 0, \"pad\": \"{pad}\"")),
        _ => Record::json(&json!({ "part": 0, "seq": "no number", "pad": pad })),
    }
    .partition(0)
}

async fn allow(kafka: &TestKafka, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create()?;
    let change =
        AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", "100000");
    for outcome in admin.alter_configs([&change], &AdminOptions::new()).await? {
        outcome.map_err(|(resource, code)| anyhow::anyhow!("cannot alter {resource:?}: {code}"))?;
    }
    Ok(())
}

async fn an_unwritable_letter_holds_the_offsets(fault: &str) -> Result<()> {
    let (kafka, rest) = (
        TestKafka::shared().await?,
        TestWorker::shared().await?.rest(),
    );
    let ledger = Ledger::shared(fault, 1).await?;
    let letters = format!("{}-dlq", ledger.name);
    kafka
        .create_topic_with(&letters, 1, &[("max.message.bytes", "1000")])
        .await?;
    ledger.produce(50).await?;
    kafka.produce(&ledger.name, [large(fault)]).await?;
    ledger.produce(50).await?;
    let settings = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", letters.as_str()),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    ledger.create(rest, &settings).await?;
    let trace = ledger.failure(rest).await?;
    let place = format!(
        "cannot write the dead letter of {}-0 at offset 50",
        ledger.name
    );
    ensure!(trace.contains(&place), "{trace}");
    let stored = ledger.stored().await?.get(&0).copied().unwrap_or(0);
    ensure!(stored <= 50, "the stored offset is {stored}");
    let committed = ledger.committed().await?.get(&0).copied().unwrap_or(0);
    ensure!(
        committed <= stored,
        "the group is at {committed}, the table at {stored}"
    );
    ensure!(
        ledger.rows().await? <= 50,
        "rows behind the record were written"
    );

    allow(kafka, &letters).await?;
    let path = format!(
        "/connectors/{}/restart?onlyFailed=true&includeTasks=true",
        ledger.name
    );
    rest.request(Method::POST, &path, None).await?;
    rest.wait_for_state(&ledger.name, "RUNNING").await?;
    ledger.complete(rest).await?;
    let found = kafka.read(&letters).await?;
    let large = large(fault);
    ensure!(
        found.iter().any(|letter| letter.value == large.value),
        "the dead letter is lost"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_converted_waits_for_its_letter() -> Result<()> {
    an_unwritable_letter_holds_the_offsets("converter").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_written_waits_for_its_letter() -> Result<()> {
    an_unwritable_letter_holds_the_offsets("sink").await
}
