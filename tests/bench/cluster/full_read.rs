//! How long a worker takes that starts where there are very many connectors: it reads its topics in
//! full.

use std::time::Instant;

use anyhow::{Context, Result};
use harness::record::Record;
use harness::{names, worker::TestWorker};
use serde_json::{Value, json};

use super::{connectors, seconds, worker_config};
use crate::contender::Contender;
use crate::events::Format;
use crate::events::fill::Topic;
use crate::stand::Stand;
use crate::{meter, table};

/// Of three tasks each they would be 100,000 tasks. They are stopped: what is measured is reading.
const CONNECTORS: u32 = 33_000;

/// Measures and prints.
pub async fn report(stand: &Stand) -> Result<()> {
    let group = names::unique("connect");
    let mut worker = TestWorker::start(worker_config(stand, &group)?).await?;
    worker.stop().await?;
    let begin = Instant::now();
    worker.start_again().await?;
    let empty = begin.elapsed();
    worker.stop().await?;

    let records = records(stand)?;
    let count = records.len();
    let bytes: usize = records
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let records = records
        .into_iter()
        .map(|(key, value)| Record::of(value).key(key));
    let topic = format!("{group}-configs");
    stand
        .kafka
        .produce(&topic, records.collect::<Vec<_>>())
        .await?;
    let begin = Instant::now();
    worker.start_again().await?;
    let full = begin.elapsed();
    let rss = meter::rss(worker.pid().context("the worker is not running")?)?;
    worker.be_quiet();

    let columns = [
        "records of the config topic",
        "bytes",
        "s until the worker is ready",
        "RSS MiB",
    ];
    table::head("A worker that starts reads its topics in full", &columns);
    table::row(&[
        "0".to_owned(),
        "0".to_owned(),
        seconds(empty),
        String::new(),
    ]);
    table::row(&[
        count.to_string(),
        bytes.to_string(),
        seconds(full),
        format!("{rss:.0}"),
    ]);
    Ok(())
}

/// What stands in the config topic for connectors that are stopped.
fn records(stand: &Stand) -> Result<Vec<(String, String)>> {
    let example = Topic::new(Format::Json, stand.options.tasks, 0);
    let example = connectors(stand, Contender::Ferrule, &example)?.swap_remove(0);
    let records = (0..CONNECTORS).flat_map(|number| {
        let name = format!("read-{number}");
        let mut properties = example["config"].clone();
        properties["name"] = json!(name);
        let state = json!({ "state": "PAUSED", "state.v2": "STOPPED" });
        let record = |kind: &str, value: Value| (format!("{kind}-{name}"), value.to_string());
        [
            record("connector", json!({ "properties": properties })),
            record("target-state", state),
            record("commit", json!({ "tasks": 0 })),
        ]
    });
    Ok(records.collect())
}
