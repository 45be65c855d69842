//! Offsets that a person sets: the sink's and the group's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::proxy::FaultProxy;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use serde_json::{Value, json};

use super::shared;
use crate::wire::{Answer, plain, send};

const LIMIT: Duration = Duration::from_secs(30);
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn element(name: &str, partition: i32, offset: Value) -> Value {
    json!({ "partition": { "kafka_topic": name, "kafka_partition": partition }, "offset": offset })
}

/// Repeats a request while the connector's tasks are not out of their group yet.
async fn once_stopped(request: impl AsyncFn() -> Result<Answer>) -> Result<Answer> {
    let mut last = None;
    wait_until(LIMIT, "the tasks to have left", async || {
        let answer = request().await?;
        let waits = answer.code == 500 && answer.text.contains("haven't stopped completely yet");
        last = Some(answer);
        Ok(!waits)
    })
    .await?;
    last.ok_or_else(|| anyhow::anyhow!("no answer"))
}

/// Waits until a stopped connector's tasks have left its group, which then takes the offset that it
/// has already.
pub(super) async fn tasks_have_left(ledger: &Ledger<'_>, offset: i64) -> Result<()> {
    let offset = json!({ "kafka_offset": offset });
    let body = json!({ "offsets": [element(&ledger.name, 0, offset)] }).to_string();
    let path = format!("/connectors/{}/offsets", ledger.name);
    let rest = shared().await?;
    let answer = once_stopped(async || send(rest, "PATCH", &path, &JSON, Some(&body)).await);
    let answer = answer.await?;
    ensure!(answer.code == 200, "{answer:?}");
    Ok(())
}

async fn stop(ledger: &Ledger<'_>) -> Result<()> {
    let path = format!("/connectors/{}/stop", ledger.name);
    ensure!(plain(shared().await?, "PUT", &path).await?.code == 204);
    Ok(())
}

/// Lets the connector go on until it has read all again, and stops it.
async fn read_on(ledger: &Ledger<'_>, rows: i64) -> Result<()> {
    let path = format!("/connectors/{}/resume", ledger.name);
    ensure!(plain(shared().await?, "PUT", &path).await?.code == 202);
    wait_until(LIMIT, "the rows", async || {
        let found = ledger.rows().await?;
        ensure!(found == rows, "{found} of {rows}");
        Ok(true)
    })
    .await?;
    stop(ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_offsets_are_where_the_sink_goes_on() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("altered", 2).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(20).await?;
    ledger.complete(rest).await?;
    let epochs = "SELECT sum(epoch)::text FROM ferrule.offsets";
    let before = ledger.database.texts(epochs).await?;
    stop(&ledger).await?;
    let path = format!("/connectors/{name}/offsets");

    // One partition goes back; the other has never been read.
    let body = json!({ "offsets": [
        element(name, 0, json!({ "kafka_offset": "15" })),
        element(name, 1, Value::Null),
    ] })
    .to_string();
    let patch = async || send(rest, "PATCH", &path, &JSON, Some(&body)).await;
    let answer = once_stopped(patch).await?;
    ensure!(answer.code == 200, "{answer:?}");
    let message = "The offsets for this connector have been altered successfully";
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text)?,
        json!({ "message": message })
    );
    let stored =
        "SELECT concat_ws(' ', \"partition\", next_offset) FROM ferrule.offsets ORDER BY 1";
    let found = ledger.database.texts(stored).await?;
    assert_eq!(found, [Some("0 15".to_owned()), Some("1".to_owned())]);
    ensure!(
        ledger.database.texts(epochs).await? != before,
        "no one is fenced"
    );
    assert_eq!(ledger.committed().await?, [(0, 15)].into());
    read_on(&ledger, 40 + 5 + 20).await?;

    // All of them go back.
    let reset = async || plain(rest, "DELETE", &path).await;
    let answer = once_stopped(reset).await?;
    ensure!(answer.code == 200, "{answer:?}");
    let message = "The offsets for this connector have been reset successfully";
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text)?,
        json!({ "message": message })
    );
    assert_eq!(ledger.committed().await?, [].into());
    read_on(&ledger, 65 + 40).await
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_are_none_are_refused() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("misaltered", 1).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[]).await?;
    stop(&ledger).await?;
    let path = format!("/connectors/{name}/offsets");
    for (element, why) in [
        (
            json!({ "offset": { "kafka_offset": 1 } }),
            "The partition for a sink connector offset cannot be null or missing",
        ),
        (
            json!({ "partition": { "kafka_topic": name } }),
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and \
             'kafka_partition'",
        ),
        (
            json!({ "partition": { "kafka_topic": 1, "kafka_partition": 0 } }),
            "Kafka topic names must be valid strings and may not be null",
        ),
        (
            json!({ "partition": { "kafka_topic": name, "kafka_partition": null } }),
            "Kafka partitions must be valid numbers and may not be null",
        ),
        (
            json!({ "partition": { "kafka_topic": name, "kafka_partition": "x" } }),
            "Failed to parse the following Kafka partition value in the provided offsets: 'x'. \
             Partition values for sink connectors need to be integers.",
        ),
        (
            element(name, 0, json!({ "offset": 1 })),
            "The offset for a sink connector should either be null or contain the key \
             'kafka_offset'",
        ),
        (
            element(name, 0, json!({ "kafka_offset": 1.5 })),
            "Failed to parse the following Kafka offset value in the provided offsets: '1.5'. \
             Offset values for sink connectors need to be integers.",
        ),
    ] {
        let body = json!({ "offsets": [element] }).to_string();
        let answer = send(rest, "PATCH", &path, &JSON, Some(&body)).await?;
        assert_eq!(answer.error(400)?, why);
    }
    Ok(())
}

/// A connector that has written 50 records of each of two partitions through a proxy, and is
/// stopped.
async fn stopped_at_50(stem: &str) -> Result<(Ledger<'static>, FaultProxy)> {
    let (rest, ledger) = (shared().await?, Ledger::shared(stem, 2).await?);
    let service = FaultProxy::to(TestPostgres::shared().await?.port()).await?;
    let url = ledger.database.jdbc_url_through(&service);
    ledger.deploy(rest, &[("connection.url", &url)]).await?;
    ledger.produce(50).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    tasks_have_left(&ledger, 50).await?;
    Ok((ledger, service))
}

/// The rows of the sink's offsets, and the group's offsets.
async fn offsets(ledger: &Ledger<'_>) -> Result<(Vec<Option<String>>, BTreeMap<i32, i64>)> {
    let rows = "SELECT concat_ws(' ', topic, \"partition\", next_offset, epoch, version) \
                FROM ferrule.offsets ORDER BY 1";
    Ok((
        ledger.database.texts(rows).await?,
        ledger.committed().await?,
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_refused_changes_nothing() -> Result<()> {
    let rest = shared().await?;
    let (ledger, _service) = stopped_at_50("refused").await?;
    let name = ledger.name.as_str();
    let before = offsets(&ledger).await?;
    let path = format!("/connectors/{name}/offsets");
    let to = |offset: i64| json!({ "kafka_offset": offset });
    let failed = format!("Failed to alter consumer group offsets for connector {name}");
    for (bad, code, why) in [
        (element("no-such-topic", 0, to(0)), 500, failed.as_str()),
        (element("no-such-topic", 0, Value::Null), 500, &failed),
        (element("", 0, to(0)), 500, &failed),
        (element(name, 2, to(0)), 500, &failed),
        (element(name, -1, to(0)), 500, &failed),
        (element(name, 1, to(51)), 400, "beyond the end of its log"),
        (
            element(name, 1, to(i64::MAX)),
            400,
            "beyond the end of its log",
        ),
        (
            element(name, 1, to(-1)),
            400,
            "Failed to parse the following Kafka offset value",
        ),
        (
            element(name, 0, to(11)),
            400,
            "given with two different offsets",
        ),
        (
            element(name, 0, Value::Null),
            400,
            "given with two different offsets",
        ),
    ] {
        // What is in front of it is right.
        let good = element(name, 0, to(10));
        let body = json!({ "offsets": [good, bad] }).to_string();
        let answer = send(rest, "PATCH", &path, &JSON, Some(&body)).await?;
        let text = answer.error(code)?;
        ensure!(text.contains(why), "{text}");
        let now = offsets(&ledger).await?;
        ensure!(now == before, "{bad}: {now:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_the_target_is_away_changes_nothing() -> Result<()> {
    let rest = shared().await?;
    let (ledger, service) = stopped_at_50("away").await?;
    let name = ledger.name.as_str();
    let path = format!("/connectors/{name}/offsets");
    let before = offsets(&ledger).await?;
    service.refuse();
    service.cut();
    let body = json!({ "offsets": [element(name, 0, json!({ "kafka_offset": 10 }))] }).to_string();
    ensure!(send(rest, "PATCH", &path, &JSON, Some(&body)).await?.code >= 500);
    ensure!(plain(rest, "DELETE", &path).await?.code >= 500);
    let now = offsets(&ledger).await?;
    ensure!(now == before, "{now:?}");
    service.restore();
    read_on(&ledger, 100).await?;
    ledger.audit().await
}

async fn shown(name: &str) -> Result<Value> {
    let path = format!("/connectors/{name}/offsets");
    let mut shown = shared().await?.get(&path).await?;
    Ok(shown["offsets"].take())
}

/// The offsets of both partitions, as REST shows them.
fn both(name: &str, [first, second]: [i64; 2]) -> Value {
    let at = |offset: i64| json!({ "kafka_offset": offset });
    json!([element(name, 0, at(first)), element(name, 1, at(second))])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offsets_that_are_shown_are_where_the_tasks_go_on() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("shown_offsets", 2).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(50).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    tasks_have_left(&ledger, 50).await?;
    assert_eq!(shown(name).await?, both(name, [50, 50]));
    // The group has what Ferrule has committed: the target decides.
    ledger
        .database
        .execute("UPDATE ferrule.offsets SET next_offset = 40 WHERE \"partition\" = 0")
        .await?;
    assert_eq!(shown(name).await?, both(name, [40, 50]));
    read_on(&ledger, 110).await
}

/// As `kafka-consumer-groups --reset-offsets` does it, and Kafka Connect that runs the connector
/// meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_someone_else_gives_the_group_are_followed_once() -> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("moved_group", 2).await?);
    let (name, kafka) = (ledger.name.as_str(), TestKafka::shared().await?);
    ledger.deploy(rest, &[]).await?;
    ledger.produce(50).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    tasks_have_left(&ledger, 50).await?;
    ledger.produce(10).await?;
    let group = format!("connect-{name}");
    for (partition, offset) in [(0, 20), (1, 55)] {
        kafka.commit(&group, name, partition, offset).await?;
    }
    assert_eq!(shown(name).await?, both(name, [20, 55]));
    // Of the first partition 20 to 59, of the second 55 to 59.
    read_on(&ledger, 100 + 40 + 5).await?;
    assert_eq!(shown(name).await?, both(name, [60, 60]));
    let log = TestWorker::shared().await?.log()?;
    for told in [
        format!("of {name}-0 was set to 20 by someone else, and the target has 50"),
        format!("of {name}-1 was set to 55 by someone else, and the target has 50"),
    ] {
        ensure!(log.contains(&told), "the log does not say: {told}");
    }
    ledger.produce(1).await?;
    read_on(&ledger, 100 + 40 + 5 + 2).await
}

/// Kafka Connect would begin anew where `auto.offset.reset` says; rows that are there already would
/// come twice, or records be left out.
#[tokio::test(flavor = "multi_thread")]
async fn an_offset_outside_the_log_that_someone_gives_the_group_is_told_with_what_to_do()
-> Result<()> {
    let (rest, ledger) = (shared().await?, Ledger::shared("moved_outside", 1).await?);
    let name = ledger.name.as_str();
    ledger.deploy(rest, &[]).await?;
    ledger.produce(50).await?;
    ledger.complete(rest).await?;
    stop(&ledger).await?;
    tasks_have_left(&ledger, 50).await?;
    ledger.produce(5).await?;
    let kafka = TestKafka::shared().await?;
    kafka
        .commit(&format!("connect-{name}"), name, 0, 10_000)
        .await?;
    let resume = format!("/connectors/{name}/resume");
    ensure!(plain(rest, "PUT", &resume).await?.code == 202);
    let failure = ledger.failure(rest).await?;
    ensure!(failure.contains("outside its log"), "{failure}");
    ensure!(failure.contains("set or reset its offsets"), "{failure}");
    assert_eq!(ledger.rows().await?, 50);
    stop(&ledger).await?;
    tasks_have_left(&ledger, 50).await?;
    ensure!(plain(rest, "PUT", &resume).await?.code == 202);
    ledger.complete(rest).await
}
