//! One drain: a topic is written into a table, and the rows are counted as they become visible.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::contender::{Contender, Settings};
use crate::events::fill::Topic;
use crate::meter;
use crate::stand::Stand;
use crate::target::{Progress, Target};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who drains.
    pub contender: Contender,
    /// The topic.
    pub topic: &'a Topic,
    /// The name of the table.
    pub table: &'a str,
    /// How it is made and written to.
    pub target: Target,
    /// Tasks of a connector.
    pub tasks: i32,
    /// So many connectors drain the whole topic, each.
    pub connectors: u64,
    /// Settings of the connector on top of those that it cannot do without.
    pub settings: Settings,
}

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// From the first row to the last.
    pub rows_per_second: f64,
    /// CPU seconds of the worker per million rows.
    pub worker_cpu: Option<f64>,
    /// CPU seconds of Postgres per million rows.
    pub postgres_cpu: f64,
    /// MiB.
    pub peak_rss: Option<f64>,
    /// Seconds from the POST to the first visible row.
    pub first_row: Option<f64>,
}

/// The figures of one moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    worker: f64,
    postgres: f64,
}

impl Sample {
    fn take(worker: Option<u32>, postgres: u32) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            worker: worker.map_or(Ok(0.0), meter::cpu_seconds)?,
            postgres: meter::family_cpu_seconds(postgres)?,
        })
    }
}

/// No drain takes so long.
const LIMIT: Duration = Duration::from_secs(600);
/// How often it is looked whether the drain goes on.
const CHECK: Duration = Duration::from_secs(1);
/// How often rows are looked for.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to wait when a part of the rows, from 0 to 1, has taken so long.
fn half_of_the_rest(taken: Duration, done: f64) -> Duration {
    let rest = taken.as_secs_f64() * (1.0 / done.max(0.01) - 1.0);
    PAUSE.max(Duration::from_secs_f64(rest / 2.0).min(CHECK))
}

/// Drains the topic once, with a process of its own.
pub async fn measure(stand: &Stand, case: &Case<'_>) -> Result<Measured> {
    case.target.create(stand, case.table).await?;
    let mut progress = Progress::of(stand, case.table).await?;
    let name = harness::names::unique("bench");
    let postgres = stand.postgres_pid().await?;
    let mut running = case.contender.start(stand, case.settings).await?;
    // A worker is there before the order, faucet is not.
    let worker = running.pid().ok();
    worker.map_or(Ok(()), meter::reset_peak_rss)?;
    let start = Sample::take(worker, postgres)?;
    let mut first: Option<(Sample, u64)> = None;
    for number in 0..case.connectors {
        running
            .order(stand, case, &format!("{name}-{number}"))
            .await?;
        // The first of many are at work before the last are posted.
        if number + 1 < case.connectors && first.is_none() {
            let rows = progress.rows().await?;
            first = (rows > 0).then_some((Sample::take(worker, postgres)?, rows));
        }
    }
    let all = case.topic.rows * case.connectors;
    let worker = running.pid()?;

    let mut checked = Instant::now();
    let (last, rows) = loop {
        if checked.elapsed() > CHECK {
            checked = Instant::now();
            running.ensure_running(&format!("{name}-0")).await?;
            ensure!(start.at.elapsed() < LIMIT, "not all rows in {LIMIT:?}");
        }
        if first.is_some() && !progress.may_be_complete(all).await? {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let sample = Sample::take(Some(worker), postgres)?;
        let rows = progress.rows().await?;
        if rows >= all {
            break (sample, rows);
        }
        // A large table must not be counted all the time.
        let pause = first.map_or(PAUSE, |(begin, before)| {
            let done = (rows - before) as f64 / (all - before) as f64;
            half_of_the_rest(sample.at - begin.at, done)
        });
        if rows > 0 && first.is_none() {
            first = Some((sample, rows));
        }
        tokio::time::sleep(pause).await;
    };
    ensure!(rows == all, "{rows} rows are in the table");
    let (first, at_first) = first.context("all rows came at once: take more of them")?;
    running.be_quiet();
    // A JVM is busy with its own start until then, and this is no measurement of that.
    let (from, rows_from) = match case.contender {
        Contender::Connect => (first, at_first),
        _ => (start, 0),
    };
    let millions = |from: u64| (all - from) as f64 / 1e6;
    let seconds = (last.at - first.at).as_secs_f64();
    Ok(Measured {
        rows_per_second: millions(at_first) * 1e6 / seconds,
        worker_cpu: Some((last.worker - from.worker) / millions(rows_from)),
        postgres_cpu: (last.postgres - start.postgres) / millions(0),
        peak_rss: Some(meter::peak_rss(worker)?),
        first_row: Some((first.at - start.at).as_secs_f64()),
    })
}
