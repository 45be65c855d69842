//! How the cost grows: with partitions, with connectors, with the size of records; and what a
//! connector costs that has nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};

use crate::contender::{Contender, ferrule};
use crate::drain::{self, Case};
use crate::events::Format;
use crate::events::fill::Topic;
use crate::meter;
use crate::stand::Stand;
use crate::table;
use crate::target::Target;

const TARGET: Target = Target {
    indexes: false,
    upsert: false,
};

/// Measures and prints all tables that are asked for.
pub async fn report(stand: &Stand) -> Result<()> {
    if stand.options.wants("partitions") {
        partitions(stand).await?;
    }
    if stand.options.wants("size") {
        size(stand).await?;
    }
    if stand.options.wants("connectors") {
        connectors(stand).await?;
    }
    if stand.options.wants("idle") {
        idle(stand).await?;
    }
    Ok(())
}

async fn partitions(stand: &Stand) -> Result<()> {
    let (rows, tasks) = (stand.options.rows, stand.options.tasks);
    let title = format!(
        "Partitions: {rows} JSON events, {tasks} tasks, {}",
        TARGET.name()
    );
    table::head(
        &title,
        &["partitions", "rows/s", "worker CPU s/M", "peak RSS MiB"],
    );
    for partitions in [1, 6, 24, 96] {
        let topic = Topic::new(Format::Json, partitions, rows);
        topic.fill(stand).await?;
        let measured = drain(stand, &topic).await?;
        table::row(&[
            partitions.to_string(),
            format!("{:.0}", measured.rows_per_second),
            table::number(measured.worker_cpu, 2),
            table::number(measured.peak_rss, 0),
        ]);
        stand.kafka.delete_topic(&topic.name).await?;
    }
    Ok(())
}

async fn size(stand: &Stand) -> Result<()> {
    let tasks = stand.options.tasks;
    let title = format!("Record size: JSON events, {tasks} tasks, {}", TARGET.name());
    let columns = [
        "bytes a record",
        "rows",
        "rows/s",
        "MB/s",
        "worker CPU s/M",
        "peak RSS MiB",
    ];
    table::head(&title, &columns);
    // Ten times the bytes in a record, as many bytes in the topic.
    for (bytes, rows) in [(400, stand.options.rows), (4_000, stand.options.rows / 10)] {
        let mut topic = Topic::new(Format::Json, tasks, rows);
        topic.heavier = bytes - 400;
        topic.fill(stand).await?;
        let measured = drain(stand, &topic).await?;
        table::row(&[
            bytes.to_string(),
            rows.to_string(),
            format!("{:.0}", measured.rows_per_second),
            format!(
                "{:.1}",
                measured.rows_per_second * f64::from(bytes as u32) / 1e6
            ),
            table::number(measured.worker_cpu, 2),
            table::number(measured.peak_rss, 0),
        ]);
        stand.kafka.delete_topic(&topic.name).await?;
    }
    Ok(())
}

async fn drain(stand: &Stand, topic: &Topic) -> Result<drain::Measured> {
    drain::measure(stand, &case(topic, stand.options.tasks)).await
}

fn case(topic: &Topic, tasks: i32) -> Case<'_> {
    Case {
        contender: Contender::Ferrule,
        topic,
        table: "drained",
        target: TARGET,
        tasks,
        connectors: 1,
        settings: &[],
    }
}

async fn connectors(stand: &Stand) -> Result<()> {
    let rows = stand.options.rows;
    let title = format!(
        "Connectors on one worker: {rows} JSON events in all, one task each, {}",
        TARGET.name()
    );
    let columns = [
        "connectors",
        "rows/s",
        "worker CPU s/M",
        "peak RSS MiB",
        "first row s",
    ];
    table::head(&title, &columns);
    for connectors in [1, 10, 50] {
        // Each connector drains the whole topic.
        let topic = Topic::new(Format::Json, 1, rows / connectors);
        topic.fill(stand).await?;
        let case = Case {
            connectors,
            ..case(&topic, 1)
        };
        let measured = drain::measure(stand, &case).await?;
        table::row(&[
            connectors.to_string(),
            format!("{:.0}", measured.rows_per_second),
            table::number(measured.worker_cpu, 2),
            table::number(measured.peak_rss, 0),
            table::number(measured.first_row, 2),
        ]);
        stand.kafka.delete_topic(&topic.name).await?;
    }
    Ok(())
}

/// What is counted is the worker's own; the broker and Postgres pay for sessions, too.
async fn idle(stand: &Stand) -> Result<()> {
    const SETTLE: Duration = Duration::from_secs(15);
    const WATCH: Duration = Duration::from_secs(30);
    let title = "Idle connectors on one worker, one task each, after 15 s, over 30 s";
    let columns = [
        "connectors",
        "RSS MiB",
        "threads",
        "CPU % of a core",
        "Postgres connections",
        "s until all run",
    ];
    table::head(title, &columns);
    TARGET.create(stand, "drained").await?;
    let topic = Topic::new(Format::Json, 1, 0);
    topic.create(stand).await?;
    let case = case(&topic, 1);
    let mut worker = TestWorker::start(WorkerConfig::new(&stand.kafka.bootstrap())?).await?;
    let pid = worker.pid().context("the worker is not running")?;
    let mut posted = 0;
    for connectors in [0, 10, 50, 200] {
        let begin = Instant::now();
        for number in posted..connectors {
            let connector = ferrule(stand, &case, &format!("idle-{number}"));
            worker.rest().create(&connector).await?;
        }
        posted = connectors;
        wait_until(Duration::from_secs(300), "all to run", async || {
            let all = worker.rest().get("/connectors?expand=status").await?;
            let all = all.as_object().context("no list of connectors")?;
            let running = all
                .values()
                .filter(|connector| connector["status"]["tasks"][0]["state"] == "RUNNING");
            let running = running.count();
            ensure!(running == connectors, "{running} of {connectors} run");
            Ok(true)
        })
        .await?;
        let until_all_run = begin.elapsed();
        tokio::time::sleep(SETTLE).await;
        let (before, at) = (meter::cpu_seconds(pid)?, Instant::now());
        tokio::time::sleep(WATCH).await;
        let share = (meter::cpu_seconds(pid)? - before) / at.elapsed().as_secs_f64();
        table::row(&[
            connectors.to_string(),
            format!("{:.0}", meter::rss(pid)?),
            meter::threads(pid)?.to_string(),
            format!("{:.1}", share * 100.0),
            sessions(stand).await?.to_string(),
            format!("{:.1}", until_all_run.as_secs_f64()),
        ]);
    }
    worker.be_quiet();
    Ok(())
}

async fn sessions(stand: &Stand) -> Result<i64> {
    let sessions = "pg_stat_activity WHERE usename = 'ferrule' AND application_name <> ''";
    stand.database.count(sessions).await
}
