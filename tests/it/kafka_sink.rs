//! The Kafka sink: Kafka to Kafka, each record once whatever stops in between.

mod battery;
mod offsets;
mod schemas;
mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::names;
use harness::record::{Received, Record};
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

use harness::dice::Dice;

use crate::wasm::state::COUNTING;

const LIMIT: Duration = Duration::from_secs(60);
const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

/// A topic to read, one to write, and a connector between them.
struct Way {
    name: String,
    out: String,
    kafka: &'static TestKafka,
}

impl Way {
    async fn new(stem: &str, partitions: i32, out: &[(&str, &str)]) -> Result<Self> {
        let (name, kafka) = (names::unique(stem), TestKafka::shared().await?);
        let out_topic = format!("{name}-out");
        kafka.create_topic(&name, partitions).await?;
        kafka.create_topic_with(&out_topic, partitions, out).await?;
        Ok(Self {
            name,
            out: out_topic,
            kafka,
        })
    }

    async fn deploy(&self, rest: &ConnectClient, settings: &[(&str, &str)]) -> Result<()> {
        let mut config = json!({
            "connector.class": "FerruleKafkaSink",
            "topics": self.name,
            "topic.name.format": "${topic}-out",
            "key.converter": STRINGS,
            "value.converter": STRINGS,
            "output.value.converter": STRINGS,
        });
        for (key, value) in settings {
            config[key] = json!(value);
        }
        let body = json!({ "name": self.name, "config": config });
        rest.create(&body).await?;
        Ok(())
    }

    /// Waits until the group has all offsets.
    async fn done(&self) -> Result<()> {
        let mut ends = self.kafka.end_offsets(&self.name).await?;
        ends.retain(|_, end| *end > 0);
        wait_until(LIMIT, "the group to have all offsets", async || {
            let group = format!("connect-{}", self.name);
            let committed = self.kafka.committed(&group, &self.name).await?;
            ensure!(committed == ends, "it has {committed:?} of {ends:?}");
            Ok(true)
        })
        .await
    }

    async fn written(&self) -> Result<Vec<Received>> {
        self.kafka.read(&self.out).await
    }
}

async fn failure(rest: &ConnectClient, name: &str) -> Result<String> {
    rest.wait_for_state(name, "FAILED").await?;
    let status = rest.status(name).await?;
    let trace = status["tasks"][0]["trace"].as_str();
    Ok(trace.context("a failed task has no trace")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_keep_key_value_headers_and_time() -> Result<()> {
    let way = Way::new("k2k", 3, &[]).await?;
    let worker = TestWorker::shared().await?;
    let converters = [
        ("value.converter", BYTES),
        ("output.value.converter", BYTES),
        ("header.converter", BYTES),
    ];
    way.deploy(worker.rest(), &converters).await?;
    let records = (0..300).map(|n| {
        let record = Record::of(vec![0, 0xff, u8::try_from(n % 256).unwrap_or(0)]);
        let key = format!("key-{}", n % 7);
        let record = record.key(key).timestamp(1_700_000_000_000 + n);
        record.header("n", n.to_string()).header("raw", [0xfe])
    });
    way.kafka
        .produce(&way.name, records.collect::<Vec<_>>())
        .await?;
    way.kafka
        .produce(&way.name, [Record::tombstone().key("gone")])
        .await?;
    way.done().await?;
    let parts = |all: Vec<Received>| -> BTreeMap<Vec<u8>, Vec<_>> {
        let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for it in all {
            let rest = (it.value, it.timestamp, it.headers);
            by_key
                .entry(it.key.unwrap_or_default())
                .or_default()
                .push(rest);
        }
        by_key
    };
    let read = parts(way.kafka.read(&way.name).await?);
    let mut written = parts(way.written().await?);
    let tombstone = written.get(&b"gone"[..]).context("no tombstone")?;
    ensure!(tombstone.len() == 1 && tombstone[0].0.is_none());
    // A key's records are in one partition of each topic, so that their order can be compared.
    written.retain(|key, _| read.contains_key(key));
    ensure!(read == written, "{read:?}\n{written:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_double_nothing_and_lose_nothing() -> Result<()> {
    const KILLS: usize = 5;
    let mut dice = Dice::new("kafka_sink_kills");
    let way = Way::new("k2k-kills", 3, &[]).await?;
    let kafka = way.kafka;
    let config = WorkerConfig::new(&kafka.bootstrap())?.set("plugin.path", "");
    let mut worker = TestWorker::start(config).await?;
    let settings = [
        ("tasks.max", "2"),
        ("consumer.override.max.poll.records", "100"),
        ("consumer.override.session.timeout.ms", "1000"),
        ("consumer.override.heartbeat.interval.ms", "200"),
    ];
    way.deploy(worker.rest(), &settings).await?;
    let mut produced = 0_i64;
    let mut mid_drain = 0;
    for _ in 0..KILLS {
        let records = (produced..produced + 3000).map(|n| {
            let record = Record::of(n.to_string());
            record
                .partition(i32::try_from(n % 3).unwrap_or(0))
                .key((n % 3).to_string())
        });
        kafka
            .produce(&way.name, records.collect::<Vec<_>>())
            .await?;
        produced += 3000;
        let before = way.written().await?.len();
        // One in four dies before it has begun.
        if dice.below(4) > 0 {
            wait_until(LIMIT, "more records", async || {
                Ok(way.written().await?.len() > before)
            })
            .await?;
        }
        tokio::time::sleep(dice.time(200)).await;
        worker.kill()?;
        let written = way.written().await?.len();
        mid_drain += usize::from(written > before && i64::try_from(written)? < produced);
        worker.start_again().await?;
    }
    way.done().await?;
    let written = way.written().await?;
    let mut numbers: Vec<i64> = Vec::new();
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for record in &written {
        let n: i64 = record.text().parse()?;
        let before = last.insert(n % 3, n);
        ensure!(
            before.is_none_or(|before| before < n),
            "{n} after {before:?}"
        );
        numbers.push(n);
    }
    numbers.sort_unstable();
    let expected: Vec<i64> = (0..produced).collect();
    ensure!(numbers == expected, "{} of {produced}", numbers.len());
    ensure!(mid_drain > 0, "no kill was in the middle of a drain");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_refuses_is_a_dead_letter() -> Result<()> {
    let way = Way::new("k2k-large", 1, &[("max.message.bytes", "2000")]).await?;
    let worker = TestWorker::shared().await?;
    let letters = format!("{}-dlq", way.name);
    let settings = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", letters.as_str()),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    let value = |n: usize| "x".repeat(if n == 5 { 5000 } else { 10 });
    let records: Vec<_> = (0..10).map(|n| Record::of(value(n))).collect();
    way.kafka.produce(&way.name, records).await?;
    way.deploy(worker.rest(), &settings).await?;
    way.done().await?;
    let written = way.written().await?;
    ensure!(written.len() == 9, "{} records", written.len());
    let dead = way.kafka.read(&letters).await?;
    let [letter] = &dead[..] else {
        anyhow::bail!("{} dead letters", dead.len());
    };
    ensure!(letter.text() == value(5));
    ensure!(letter.header("__connect.errors.offset").as_deref() == Some("5"));
    let message = letter.header("__connect.errors.exception.message");
    let message = message.unwrap_or_default();
    ensure!(message.contains("does not take the record"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_does_not_go_back_to_its_topic() -> Result<()> {
    let way = Way::new("k2k-loop", 1, &[]).await?;
    let worker = TestWorker::shared().await?;
    way.kafka.produce(&way.name, [Record::of("x")]).await?;
    way.deploy(worker.rest(), &[("topic.name.format", "${topic}")])
        .await?;
    let trace = failure(worker.rest(), &way.name).await?;
    ensure!(trace.contains("would go back to the topic"), "{trace}");
    let validated: Value = json!({
        "connector.class": "FerruleKafkaSink", "name": "x", "topics": "t",
        "output.value.converter": "io.confluent.connect.protobuf.ProtobufConverter",
    });
    let path = "/connector-plugins/FerruleKafkaSink/config/validate";
    let (_, body) = worker
        .rest()
        .request(reqwest::Method::PUT, path, Some(&validated))
        .await?;
    ensure!(body["error_count"] == 1, "{body}");
    Ok(())
}

/// The guest counts the records of a partition in its state, which the sink keeps in its changelog.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_plugins_is_what_the_offsets_say() -> Result<()> {
    const EACH: i64 = 1200;
    let mut dice = Dice::new("kafka_sink_state");
    let way = Way::new("k2k-state", 3, &[]).await?;
    let kafka = way.kafka;
    let mut worker = TestWorker::start(WorkerConfig::new(&kafka.bootstrap())?).await?;
    let settings = [
        ("tasks.max", "2"),
        (
            "value.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        ),
        ("value.converter.schemas.enable", "false"),
        ("output.value.converter", "JsonConverter"),
        ("state.topic.partitions", "2"),
    ];
    // The sink has no tables, and does not mind the setting of one.
    let settings = [&settings[..], COUNTING].concat();
    way.deploy(worker.rest(), &settings).await?;
    let count = json!({ "cmd": "count" });
    for _ in 0..4 {
        let orders = (0..EACH / 4 * 3).map(|n| {
            let partition = i32::try_from(n % 3).unwrap_or(0);
            let record = Record::json(&count).partition(partition);
            record.key(partition.to_string())
        });
        let before = way.written().await?.len();
        kafka.produce(&way.name, orders.collect::<Vec<_>>()).await?;
        wait_until(LIMIT, "more records", async || {
            Ok(way.written().await?.len() > before)
        })
        .await?;
        tokio::time::sleep(dice.time(150)).await;
        worker.kill()?;
        worker.start_again().await?;
    }
    way.done().await?;
    let mut counts: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for record in way.written().await? {
        let value: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default())?;
        let number = |name: &str| value[name].as_i64().context("not a number");
        counts
            .entry(number("part")?)
            .or_default()
            .push(number("count")?);
    }
    for part in 0..3 {
        let expected: Vec<i64> = (1..=EACH).collect();
        ensure!(
            counts.get(&part) == Some(&expected),
            "partition {part}: {counts:?}"
        );
    }
    Ok(())
}
