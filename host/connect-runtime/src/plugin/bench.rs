//! `ferrule plugin bench`: what a plugin costs for each record, beside one that keeps them all.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use connect_api::{
    Offset, Origin, Outcome, SinkRecord, Tick, TickReason, TopicPartition, Transformation,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;

use super::check::{millis, timing};
use super::host::Host;
use super::json;
use super::records::{Sample, SourceArgs};
use super::say::say;

/// Runs that warm up, and do not count.
const WARM_UP: usize = 3;

#[derive(Args)]
pub struct BenchArgs {
    /// The plugin.
    file: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    /// Records of a batch: those of the input, over and over.
    #[arg(long, value_name = "N", default_value_t = 500)]
    batch: usize,
    /// How long to measure each.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
}

/// Prints the figures.
pub fn run(args: &BenchArgs, runtime: &Handle) -> Result<bool> {
    let meters = PrometheusBuilder::new()
        .install_recorder()
        .context("could not start metrics")?;
    let host = Host::open(&args.file)?;
    let source = args.source.read(&host.info.name, runtime)?;
    let records = batch(&source.samples, args.batch)?;
    let load = timing(&args.file)?;
    let span = Duration::from_secs_f64(args.seconds.clamp(0.01, 3600.0));
    let identity = Host::identity(&host.info.reads)?;
    let mut floor = identity.transform(&[])?;
    let floor = measure(floor.as_mut(), &records, span)?;
    let mut transform = host.transform(&source.config)?;
    let own = measure(transform.as_mut(), &records, span)?;
    let bytes: usize = source.samples.iter().map(|s| size(&s.raw)).sum();
    say!(
        "{} {}, {} records a batch, {} bytes each",
        host.info.name,
        host.info.version,
        records.len(),
        bytes / source.samples.len()
    );
    say!(
        "{:24} {:>10} {:>10} {:>12}",
        "",
        "µs/record",
        "median",
        "bytes out"
    );
    for (name, figures) in [("identity (keeps each)", &floor), (&*host.info.name, &own)] {
        let Figures {
            least,
            median,
            bytes_out,
        } = figures;
        say!("{name:24} {least:>10.2} {median:>10.2} {bytes_out:>12.0}");
    }
    say!(
        "{:24} {:>10.2}",
        "the plugin's own part",
        own.least - floor.least
    );
    say!(
        "memory of the instance   {} KiB",
        memory(&meters, &host.info.name) >> 10
    );
    say!(
        "loading                  {:.1} ms compiled anew, {:.1} ms from the cache",
        millis(load.0),
        millis(load.1)
    );
    Ok(true)
}

/// The samples over and over, as one batch of one partition.
fn batch(samples: &[Sample], size: usize) -> Result<Vec<SinkRecord>> {
    ensure!(!samples.is_empty(), "there are no records to measure with");
    let topic_partition = Arc::new(TopicPartition::new(
        samples[0].topic_partition.topic.as_ref(),
        0,
    ));
    let records = samples.iter().cycle().take(size.max(1)).zip(0..);
    let records = records.map(|(sample, offset)| match &sample.record {
        Ok(record) => Ok(SinkRecord {
            origin: Origin::new(&topic_partition, Offset(offset)),
            ..record.clone()
        }),
        Err(error) => Err(anyhow::anyhow!(error.chain())),
    });
    records.collect()
}

struct Figures {
    least: f64,
    median: f64,
    bytes_out: f64,
}

fn measure(
    transform: &mut dyn Transformation,
    records: &[SinkRecord],
    span: Duration,
) -> Result<Figures> {
    let topic_partition = Arc::clone(&records[0].origin.topic_partition);
    let length = i64::try_from(records.len())?;
    let mut records = records.to_vec();
    let mut runs = Vec::new();
    let mut bytes_out = 0;
    let begin = Instant::now();
    while runs.len() < 2 * WARM_UP || begin.elapsed() < span {
        let mut batch = records.clone();
        let started = Instant::now();
        let outcomes = transform.apply(&topic_partition, &mut batch)?;
        let last = records.last().context("no records")?;
        let next_offset = last.origin.offset.next();
        let tick = Tick {
            next_offset,
            reason: TickReason::Batch,
        };
        transform.tick(&topic_partition, tick)?;
        runs.push(started.elapsed());
        // What a sink would write.
        transform.state_changes(&topic_partition);
        transform.durable(&topic_partition, next_offset);
        bytes_out = made(&batch, &outcomes);
        for record in &mut records {
            record.origin.offset.0 += length;
        }
    }
    let mut runs = runs.split_off(WARM_UP);
    runs.sort();
    let each = |run: Duration| run.as_secs_f64() * 1e6 / records.len() as f64;
    Ok(Figures {
        least: each(runs[0]),
        median: each(runs[runs.len() / 2]),
        bytes_out: bytes_out as f64 / records.len() as f64,
    })
}

/// Bytes of what was made, as JSON text.
fn made(batch: &[SinkRecord], outcomes: &[Outcome]) -> usize {
    let records = batch.iter().zip(outcomes);
    let records = records.flat_map(|(record, outcome)| match outcome {
        Outcome::Change => std::slice::from_ref(&record.record),
        Outcome::Replace(records) => records.as_slice(),
        _ => &[],
    });
    records
        .map(|record| json::value(&record.value.value).to_string().len())
        .sum()
}

fn size(raw: &connect_api::RawRecord) -> usize {
    let part = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    part(&raw.key) + part(&raw.value) + raw.headers.iter().map(|h| part(&h.value)).sum::<usize>()
}

/// The memory of the plugin's instance, as its metric says.
fn memory(meters: &PrometheusHandle, plugin: &str) -> u64 {
    let rendered = meters.render();
    let lines = rendered.lines().filter(|line| {
        line.starts_with(connect_wasm::meters::MEMORY_BYTES)
            && line.contains(&format!("plugin=\"{plugin}\""))
    });
    let numbers = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    numbers.fold(0.0, f64::max) as u64
}
