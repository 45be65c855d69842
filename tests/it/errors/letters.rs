//! Dead letters as they are configured, and as large as a record may be.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::json;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

async fn pipeline(stem: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int)")
        .await?;
    Ok(pipeline)
}

fn records() -> [Record; 3] {
    let bad = Record::of("{")
        .key("key")
        .header("own", "header")
        .timestamp(1_736_173_800_123);
    [
        Record::json(&json!({ "n": 1 })),
        bad,
        Record::json(&json!({ "n": 2 })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_has_only_its_own_headers_when_so_configured() -> Result<()> {
    let pipeline = pipeline("letter_plain").await?;
    let plain = ("errors.deadletterqueue.context.headers.enable", "false");
    pipeline
        .deploy(&[("table.name.format", "items"), plain])
        .await?;
    pipeline.produce(records()).await?;
    pipeline.drained().await?;
    assert_eq!(pipeline.database.count("items").await?, 2);
    let letters = TestKafka::shared()
        .await?
        .read(&pipeline.dead_letter_topic())
        .await?;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].headers,
        [("own".to_owned(), Some(b"header".to_vec()))]
    );
    assert_eq!(
        (letters[0].text().as_str(), letters[0].timestamp),
        ("{", Some(1_736_173_800_123))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dead_letter_topic_errors_are_passed_over() -> Result<()> {
    let pipeline = pipeline("letter_none").await?;
    let none = ("errors.deadletterqueue.topic.name", "");
    let logged = ("errors.log.enable", "true");
    pipeline
        .deploy(&[("table.name.format", "items"), none, logged])
        .await?;
    pipeline.produce(records()).await?;
    pipeline.drained().await?;
    assert_eq!(pipeline.database.count("items").await?, 2);
    let topic = pipeline.dead_letter_topic();
    let partitions = TestKafka::shared()
        .await?
        .partitions(&topic)
        .await
        .unwrap_or_default();
    ensure!(partitions.is_empty(), "there is a dead letter topic");
    let told = pipeline
        .log()?
        .iter()
        .any(|line| line.contains("errant record"));
    ensure!(told, "the log does not tell of the record");
    Ok(())
}

/// Brokers take batches of 1,048,588 bytes unless they are told otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_as_large_as_its_record() -> Result<()> {
    let pipeline = pipeline("letter_large").await?;
    pipeline.deploy(&[("table.name.format", "items")]).await?;
    let record = Record::of(vec![b'x'; 1_046_000]);
    let good = Record::json(&json!({ "n": 1 }));
    pipeline.produce([record.clone(), good]).await?;
    tokio::time::timeout(Duration::from_secs(30), pipeline.drained()).await??;
    assert_eq!(pipeline.database.count("items").await?, 1);
    let reason = Reason::value_converter(JSON, "");
    pipeline
        .assert_refused(&[Refused {
            record,
            at: (0, 0),
            reason,
        }])
        .await
}
