//! Offsets of the Kafka sink that are altered from outside, and the state that goes with them.

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use reqwest::Method;
use serde_json::{Value, json};

use super::{LIMIT, Way};

pub const COUNTING: &[(&str, &str)] = &[
    (
        "value.converter",
        "org.apache.kafka.connect.json.JsonConverter",
    ),
    ("value.converter.schemas.enable", "false"),
    ("output.value.converter", "JsonConverter"),
    ("state.topic.partitions", "3"),
    ("transforms", "guest"),
    ("transforms.guest.type", "test-guest"),
];

/// The counts that were written, in their order.
async fn counts(way: &Way) -> Result<Vec<i64>> {
    let mut counts = Vec::new();
    for record in way.written().await? {
        let value: Value = serde_json::from_str(&record.text())?;
        counts.push(value["count"].as_i64().context("no count")?);
    }
    Ok(counts)
}

/// The first byte of the count that the state has for each partition that has one.
async fn state(worker: &TestWorker, way: &Way) -> Result<Vec<(i64, u8)>> {
    let path = format!("/connectors/{}/state?transform=guest", way.name);
    let answer = worker.rest().get(&path).await?;
    let entries = answer["state"].as_array().context("no state")?;
    let entry = |entry: &Value| {
        ensure!(entry["key"] == "count", "{entry}");
        let first = entry["value"].as_str().and_then(|text| text.bytes().next());
        Ok((
            entry["partition"].as_i64().context("no partition")?,
            first.context("no value")?,
        ))
    };
    entries.iter().map(entry).collect()
}

/// Waits until the state is shown so: offsets of a transaction may be there a moment before what it
/// has written elsewhere.
pub async fn shows(worker: &TestWorker, way: &Way, expected: &[(i64, u8)]) -> Result<()> {
    wait_until(LIMIT, "the state to be shown", async || {
        let shown = state(worker, way).await?;
        ensure!(shown == expected, "{shown:?}, not {expected:?}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_shown_and_goes_with_altered_offsets() -> Result<()> {
    let way = Way::new("k2k-rewound", 2, &[]).await?;
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config.set("ferrule.rest.state.enable", "true");
    let worker = TestWorker::start(config).await?;
    way.deploy(worker.rest(), COUNTING).await?;
    let count = |partition| {
        let record = Record::json(&json!({ "cmd": "count" })).partition(partition);
        record.key("k")
    };
    way.kafka
        .produce(&way.name, [0, 0, 0, 1].map(count))
        .await?;
    way.done().await?;
    shows(&worker, &way, &[(0, 3), (1, 1)]).await?;

    let order = async |method: Method, what: &str, body: Option<&Value>| {
        let path = format!("/connectors/{}/{what}", way.name);
        worker.rest().request(method, &path, body).await
    };
    let place = json!({ "kafka_topic": way.name, "kafka_partition": 0 });
    let body = json!({ "offsets": [{ "partition": place, "offset": { "kafka_offset": 1 } }] });
    let (status, answer) = order(Method::PATCH, "offsets", Some(&body)).await?;
    ensure!(status == 400, "of one that runs: {status}: {answer}");
    shows(&worker, &way, &[(0, 3), (1, 1)]).await?;

    let stopped = async || {
        order(Method::PUT, "stop", None).await?;
        wait_until(LIMIT, "the end of the task", async || {
            let status = worker.rest().status(&way.name).await?;
            Ok(status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([]))
        })
        .await
    };
    stopped().await?;
    let (status, answer) = order(Method::PATCH, "offsets", Some(&body)).await?;
    ensure!(status.is_success(), "{status}: {answer}");
    // The other partition keeps its own.
    shows(&worker, &way, &[(1, 1)]).await?;
    order(Method::PUT, "resume", None).await?;
    way.kafka.produce(&way.name, [count(1)]).await?;
    way.done().await?;
    let mut written = counts(&way).await?;
    written.sort_unstable();
    // The two records from offset 1 on are counted as if none had been before them.
    ensure!(written == [1, 1, 1, 2, 2, 2, 3], "{written:?}");
    shows(&worker, &way, &[(0, 2), (1, 2)]).await?;

    // All of it anew.
    stopped().await?;
    let (status, answer) = order(Method::DELETE, "offsets", None).await?;
    ensure!(status.is_success(), "{status}: {answer}");
    order(Method::PUT, "resume", None).await?;
    way.done().await?;
    shows(&worker, &way, &[(0, 3), (1, 2)]).await?;
    ensure!(counts(&way).await?.len() == 12);
    Ok(())
}
