//! The state of a plugin is what the offsets say: after a kill, on another worker, by the clock.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::dice::Dice;
use harness::install;
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

/// The guest counts the records of a partition in its state, and each becomes a row with its
/// number.
pub const COUNTING: &[(&str, &str)] = &[
    ("table.name.format", "counts"),
    ("transforms", "guest,place"),
    ("transforms.guest.type", "test-guest"),
    (
        "transforms.place.type",
        "org.apache.kafka.connect.transforms.InsertField$Value",
    ),
    ("transforms.place.partition.field", "part"),
    ("consumer.override.max.poll.records", "50"),
    ("consumer.override.fetch.message.max.bytes", "2000"),
    ("consumer.override.session.timeout.ms", "1000"),
    ("consumer.override.heartbeat.interval.ms", "200"),
];
pub const PARTITIONS: i32 = 3;
pub const LIMIT: Duration = Duration::from_secs(40);

async fn worker() -> Result<TestWorker> {
    TestWorker::start(WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?).await
}

async fn pipeline(worker: &TestWorker, stem: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::on(worker, stem, PARTITIONS).await?;
    table(&pipeline).await?;
    Ok(pipeline)
}

/// Makes the table of the counts.
pub async fn table(pipeline: &Pipeline) -> Result<()> {
    let table = "CREATE TABLE counts (id bigserial, part int, count bigint)";
    pipeline.database.execute(table).await
}

/// So many orders to count for each partition.
pub fn orders(count: usize) -> impl Iterator<Item = Record> {
    let partitions = (0..PARTITIONS).cycle().take(count * PARTITIONS as usize);
    partitions.map(|at| Record::json(&json!({ "cmd": "count" })).partition(at))
}

async fn assert_counted(pipeline: &Pipeline, each: i64) -> Result<()> {
    assert_counts(pipeline, &[each; PARTITIONS as usize]).await
}

/// Each partition has the numbers from one on, each once and in order, and its state is the last.
pub async fn assert_counts(pipeline: &Pipeline, last: &[i64]) -> Result<()> {
    type Line = (i32, i64, i64);
    let query = "SELECT part, count(*), count(*) FILTER (WHERE count IS DISTINCT FROM place) \
                 FROM (SELECT part, count, row_number() OVER (PARTITION BY part ORDER BY id) AS place \
                 FROM counts) placed GROUP BY part ORDER BY part";
    let lines: Vec<Line> = sqlx::query_as(query)
        .fetch_all(pipeline.database.pool())
        .await?;
    let parts = || (0..PARTITIONS).zip(last);
    let wanted: Vec<Line> = parts().map(|(part, last)| (part, *last, 0)).collect();
    ensure!(lines == wanted, "partition, rows, out of place: {lines:?}");
    let query = "SELECT s.\"partition\", e.value FROM ferrule.state e \
                 JOIN ferrule.stores s ON s.id = e.store WHERE s.connector = $1";
    let kept: Vec<(i32, Vec<u8>)> = sqlx::query_as(query)
        .bind(&pipeline.name)
        .fetch_all(pipeline.database.pool())
        .await?;
    let kept: BTreeMap<_, _> = kept.into_iter().collect();
    let wanted = parts().map(|(part, last)| (part, last.to_le_bytes().to_vec()));
    let wanted: BTreeMap<_, _> = wanted.collect();
    ensure!(kept == wanted, "the state is {kept:?}");
    Ok(())
}

/// Waits until there are more rows.
pub async fn progress(pipeline: &Pipeline) -> Result<()> {
    let before = pipeline.database.count("counts").await?;
    wait_until(LIMIT, "more rows", async || {
        Ok(pipeline.database.count("counts").await? > before)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_a_count_that_misses_none_and_doubles_none() -> Result<()> {
    let mut dice = Dice::new("counting_kills");
    let mut worker = worker().await?;
    let pipeline = pipeline(&worker, "counted").await?;
    pipeline.deploy(COUNTING).await?;
    for _ in 0..6 {
        pipeline.produce(orders(400)).await?;
        progress(&pipeline).await?;
        tokio::time::sleep(dice.time(150)).await;
        worker.kill()?;
        worker.start_again().await?;
    }
    pipeline.drained().await?;
    assert_counted(&pipeline, 2_400).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_moves_with_its_partition() -> Result<()> {
    let (first, mut second) = (worker().await?, worker().await?);
    let pipeline = pipeline(&first, "moved").await?;
    pipeline.deploy(COUNTING).await?;
    pipeline.produce(orders(200)).await?;
    pipeline.drained().await?;
    let body = json!({ "name": pipeline.name, "config": pipeline.config(COUNTING) });
    second.rest().create(&body).await?;
    let owners = "SELECT count(DISTINCT owner)::text FROM ferrule.offsets";
    for stop in [false, true] {
        wait_until(LIMIT, "two owners", async || {
            Ok(pipeline.database.texts(owners).await? == [Some("2".to_owned())])
        })
        .await?;
        pipeline.produce(orders(200)).await?;
        progress(&pipeline).await?;
        if stop {
            second.stop().await?;
        } else {
            second.kill()?;
        }
        pipeline.produce(orders(200)).await?;
        pipeline.drained().await?;
        if !stop {
            second.start_again().await?;
        }
    }
    assert_counted(&pipeline, 1_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_partition_is_ticked_by_the_clock() -> Result<()> {
    let pipeline = Pipeline::shared("quiet", 1).await?;
    let table = "CREATE TABLE ticks (id bigserial, topic text, partition int, now bigint, \
                 cmd text)";
    pipeline.database.execute(table).await?;
    let settings = [
        ("table.name.format", "ticks"),
        ("transforms", "guest"),
        ("transforms.guest.type", "test-guest"),
        ("transforms.guest.tick.emit", "true"),
        ("transforms.guest.tick.interval.ms", "300"),
    ];
    pipeline.deploy(&settings).await?;
    pipeline
        .produce([Record::json(&json!({ "cmd": "keep" }))])
        .await?;
    let late = "SELECT count(*)::text FROM ticks t WHERE now > \
                (SELECT min(now) FROM ticks) + 900";
    wait_until(LIMIT, "ticks by the clock", async || {
        let ticks = pipeline.database.texts(late).await?;
        Ok(ticks != [Some("0".to_owned())])
    })
    .await?;
    // They move no offset, and each is a row of its own.
    ensure!(pipeline.stored().await? == BTreeMap::from([(0, 1)]));
    let doubled = "SELECT count(*)::text FROM (SELECT now FROM ticks WHERE now IS NOT NULL \
                   GROUP BY now HAVING count(*) > 1) d";
    ensure!(pipeline.database.texts(doubled).await? == [Some("0".to_owned())]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_shown_where_the_worker_allows_it() -> Result<()> {
    let shown = "ferrule.rest.state.enable";
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let worker = TestWorker::start(config.set(shown, "true")).await?;
    let pipeline = pipeline(&worker, "shown").await?;
    pipeline.deploy(COUNTING).await?;
    pipeline.produce(orders(3)).await?;
    pipeline.drained().await?;
    let path = format!(
        "/connectors/{}/state?transform=guest&partition=1&prefix=co",
        pipeline.name
    );
    let answer = worker.rest().get(&path).await?;
    let state = answer["state"].as_array().cloned().unwrap_or_default();
    ensure!(state.len() == 1, "{answer}");
    ensure!(
        state[0]["key"] == "count" && state[0]["partition"] == 1,
        "{answer}"
    );
    ensure!(state[0]["value"] == "\u{3}\0\0\0\0\0\0\0", "{answer}");
    let none = worker
        .rest()
        .get(&path.replace("prefix=co", "prefix=no"))
        .await?;
    ensure!(none == json!({ "state": [] }), "{none}");
    shown_on_the_command_line(&worker, &pipeline.name).await?;
    let refused = TestWorker::shared()
        .await?
        .rest()
        .get("/connectors/any/state")
        .await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains(shown)));
    Ok(())
}

async fn shown_on_the_command_line(worker: &TestWorker, connector: &str) -> Result<()> {
    let state = async |address: &str, args: &[&str]| -> Result<Output> {
        let mut command = Command::new(install::ferrule()?);
        command.args(["plugin", "state", connector, "--worker", address]);
        command.args(args).env("NO_COLOR", "1");
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    };
    let address = worker.rest().base();
    let output = state(address, &["--transform", "guest"]).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(0), "{output:?}");
    for partition in 0..PARTITIONS {
        let title = format!("guest  {connector}-{partition}");
        ensure!(text.contains(&title), "{text}");
    }
    let entry = r#"  count = "\u{3}\0\0\0\0\0\0\0""#;
    ensure!(
        text.lines().filter(|line| *line == entry).count() == 3,
        "{text}"
    );
    ensure!(text.ends_with("3 entries\n"), "{text}");

    let output = state(address, &["--json", "--partition", "2", "--limit", "1"]).await?;
    let entry: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        entry["partition"] == 2 && entry["key"] == "count",
        "{entry}"
    );

    let output = state(address, &["--prefix", "none such"]).await?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let refuses = TestWorker::shared().await?;
    let output = state(refuses.rest().base(), &[]).await?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2), "{output:?}");
    ensure!(text.contains("ferrule.rest.state.enable"), "{text}");
    Ok(())
}
