//! What dashboards select, in the scrapes of two workers that run.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::wait::wait_until;
use harness::{names, run};
use serde_json::{Value, json};

use super::{Cluster, LIMIT, blackhole};
use crate::wire::plain;

/// The table of what dashboards select.
const TABLE: &str = include_str!("../../../host/connect-runtime/src/metrics/dashboards.txt");
/// A connector fails only where its tasks cannot be made; the unit tests have one.
const OF_UNIT_TESTS: &str = "kafka_connect_connector_status{status=\"failed\"}";
/// Between two looks for what is still there.
const PAUSE: Duration = Duration::from_millis(100);

/// A source, a sink of two topics, a task that fails, and connectors that are paused and stopped.
async fn connectors(kafka: &TestKafka, rest: &ConnectClient) -> Result<[String; 5]> {
    let [source, sink, failed, paused, stopped] =
        ["source", "sink", "failed", "paused", "stopped"].map(names::unique);
    let other = names::unique("other");
    for topic in [&source, &other] {
        kafka.create_topic(topic, 2).await?;
    }
    kafka.produce(&source, [Record::of("no JSON")]).await?;
    let file = run::folder("dashboards")?.join("lines.txt");
    std::fs::write(&file, "a\nb\nc\n")?;
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let lines = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": file,
        "topic": source,
        "value.converter": text,
    });
    let create = async |name: &str, config: Value| {
        rest.create(&json!({ "name": name, "config": config }))
            .await
    };
    create(&source, lines).await?;
    create(&sink, blackhole(&format!("{source},{other}"), 2)).await?;
    let mut fails = blackhole(&source, 1);
    fails["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    create(&failed, fails).await?;
    for (name, how) in [(&paused, "pause"), (&stopped, "stop")] {
        create(name, blackhole(&other, 1)).await?;
        plain(rest, "PUT", &format!("/connectors/{name}/{how}")).await?;
    }
    Ok([source, sink, failed, paused, stopped])
}

/// The series of all workers, without their values.
async fn scrape(cluster: &Cluster<'_>) -> Result<Vec<String>> {
    let mut series = Vec::new();
    for worker in &cluster.workers {
        let answer = plain(worker.rest(), "GET", "/metrics").await?;
        ensure!(answer.code == 200, "{}", answer.text);
        let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        series.extend(lines);
    }
    Ok(series)
}

/// Whether a series has the name and the labels of a line of the table.
fn is_there(series: &[String], selector: &str) -> bool {
    let (name, labels) = selector.split_once('{').unwrap_or((selector, ""));
    let labels = labels.trim_end_matches('}').split(',');
    let wanted: Vec<String> = labels
        .filter(|label| !label.is_empty())
        .map(|label| match label.contains('=') {
            true => label.to_owned(),
            false => format!("{label}=\""),
        })
        .collect();
    series.iter().any(|line| {
        let (found, labels) = line.split_once('{').unwrap_or((line, ""));
        let empty = |label: &String| labels.contains(&format!("{label}\""));
        let has = |label: &String| labels.contains(label.as_str()) && !empty(label);
        found == name && wanted.iter().all(has)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_is_in_a_scrape_of_two_workers() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let rest = cluster.rest(0);
    let [_, sink, failed, ..] = connectors(cluster.kafka, rest).await?;
    let lines = TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let served = lines.filter(|line| !line.contains(" | absent: "));
    let selectors = served.map(|line| line.split(" | ").next().unwrap_or_default());
    let selectors: Vec<&str> = selectors.filter(|it| *it != OF_UNIT_TESTS).collect();
    ensure!(selectors.len() > 150, "{} names", selectors.len());
    // Clients say what they have done each few seconds.
    wait_until(LIMIT, "the series of all dashboards", async || {
        let series = scrape(&cluster).await?;
        let missing: Vec<_> = selectors
            .iter()
            .filter(|it| !is_there(&series, it))
            .collect();
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(true)
    })
    .await?;
    // Alerts of tasks that have failed fire for this one alone.
    let status = "kafka_connect_connector_task_status";
    let failing = |line: &&String| line.starts_with(status) && line.contains("\"failed\"");
    let series = scrape(&cluster).await?;
    let failing: Vec<_> = series.iter().filter(failing).collect();
    let of_it = format!("connector=\"{failed}\"");
    ensure!(
        failing.len() == 1 && failing[0].contains(&of_it),
        "{failing:?}"
    );
    // Each connector is shown by one worker.
    let class = "kafka_connect_connector_connector_class{";
    let shown = series.iter().filter(|line| line.starts_with(class)).count();
    ensure!(shown == 5, "{shown} connectors");
    for name in [&sink, &failed] {
        rest.delete(name).await?;
    }
    wait_until(LIMIT, "the end of the series", async || {
        let series = scrape(&cluster).await?;
        let left = series
            .iter()
            .filter(|it| it.contains(&sink) || it.contains(&failed));
        let left: Vec<_> = left.collect();
        tokio::time::sleep(PAUSE).await;
        ensure!(left.is_empty(), "{left:?}");
        Ok(true)
    })
    .await
}
