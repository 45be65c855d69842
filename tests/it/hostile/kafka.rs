//! The same records into the Kafka sink, which makes bytes of them again.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Record;
use harness::registry::TestRegistry;
use serde_json::json;

use super::dice::Dice;
use super::{LIMIT, MOST_MIB, Stand, avro, memory, registered, text, with_headers};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

/// A format of records, and what the connector reads and writes them with.
struct Format<'a> {
    name: &'a str,
    settings: Vec<(&'a str, &'a str)>,
    good: Record,
    bad: &'a dyn Fn(&mut Dice) -> Record,
}

/// Sends hostile records between good ones, and checks what became of them.
async fn survives(stand: &mut Stand, format: &Format<'_>) -> Result<()> {
    const GOOD: usize = 50;
    let (kafka, name) = (TestKafka::shared().await?, names::unique(format.name));
    let (out, letters) = (format!("{name}-out"), format!("{name}-dlq"));
    for topic in [&name, &out, &letters] {
        kafka.create_topic(topic, 1).await?;
    }
    let mut config = json!({
        "connector.class": "FerruleKafkaSink",
        "topics": name,
        "topic.name.format": out,
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": letters,
        "errors.deadletterqueue.topic.replication.factor": "1",
    });
    for (key, value) in &format.settings {
        config[*key] = json!(value);
    }
    let body = json!({ "name": name, "config": config });
    stand.worker.rest().create(&body).await?;
    let good = || std::iter::repeat_n(format.good.clone(), GOOD);
    kafka.produce(&name, good()).await?;
    done(stand, kafka, &name).await?;
    let before = memory(stand.pid, "VmRSS")?;
    std::fs::write(format!("/proc/{}/clear_refs", stand.pid), "5")?;

    for _ in 0..stand.count.div_ceil(50) {
        let bad: Vec<_> = (0..50).map(|_| (format.bad)(&mut stand.dice)).collect();
        kafka.produce(&name, bad).await?;
    }
    kafka.produce(&name, good()).await?;
    done(stand, kafka, &name).await?;
    let peak = memory(stand.pid, "VmHWM")?;

    let sent: i64 = kafka.end_offsets(&name).await?.values().sum();
    let written = kafka.read(&out).await?;
    let errant = kafka.read(&letters).await?.len();
    println!(
        "{}: {sent} sent, {} written, {errant} errant; RSS {before} MiB before, {peak} at most",
        format.name,
        written.len(),
    );
    ensure!(i64::try_from(written.len() + errant)? == sent);
    // The good ones are the first and the last, and come out alike.
    let first = written.first().context("nothing was written")?;
    let alike = written.iter().filter(|record| record.value == first.value);
    ensure!(alike.count() >= 2 * GOOD, "not all good ones were written");
    ensure!(stand.worker.pid() == Some(stand.pid));
    ensure!(peak < MOST_MIB, "{peak} MiB at most");
    stand.comes_back(before).await
}

/// Waits until the group is through.
async fn done(stand: &Stand, kafka: &TestKafka, name: &str) -> Result<()> {
    let ends = kafka.end_offsets(name).await?;
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(trace) = stand.worker.rest().trace(name).await? {
            anyhow::bail!("the task has failed: {trace}");
        }
        let committed = kafka.committed(&format!("connect-{name}"), name).await?;
        if committed == ends {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{committed:?} of {ends:?} are done");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_to_json_is_survived() -> Result<()> {
    let mut stand = Stand::start().await?;
    let format = Format {
        name: "hostile_kafka_json",
        settings: vec![
            ("value.converter", JSON),
            ("value.converter.schemas.enable", "false"),
            ("output.value.converter", JSON),
            ("output.value.converter.schemas.enable", "false"),
        ],
        good: Record::of(r#"{"good":7,"n":1.5,"t":"x"}"#),
        bad: &|dice| with_headers(dice, text::schemaless),
    };
    survives(&mut stand, &format).await
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_to_avro_is_survived() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let mut stand = Stand::start().await?;
    let (ids, good) = registered(registry).await?;
    let url = registry.url();
    let format = Format {
        name: "hostile_kafka_avro",
        settings: vec![
            ("value.converter", AVRO),
            ("value.converter.schema.registry.url", &url),
            ("output.value.converter", AVRO),
            ("output.value.converter.schema.registry.url", &url),
        ],
        good: Record::of(harness::avro::Avro::framed(good).long(7)),
        bad: &|dice| avro::record(dice, &ids),
    };
    survives(&mut stand, &format).await
}
