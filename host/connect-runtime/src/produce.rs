//! `ferrule produce`: records into a topic, from a file or made up, at a rate or as fast as they
//! once came. Each is acknowledged by all replicas and written once.

mod alerts;
mod dedupe;
mod fields;
pub mod generate;
mod input;
pub mod made;
mod pace;
mod progress;
mod send;
mod tally;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use connect_api::Properties;
use tokio::runtime::Handle;

use crate::kafka_args::KafkaArgs;
use crate::plugin::say::say;
use crate::process::signalled;
use dedupe::Dedupe;
use fields::{FieldPath, Fields};
use input::{InputArgs, Outgoing};
use made::{MadeArgs, Order};
use pace::Pace;
use progress::Progress;
use send::Sender;
use tally::Tally;

/// What is logged.
pub const LOG_LEVEL: &str = "error,librdkafka=off,rdkafka=off";

/// The exit code of what could not be tried at all.
const UNABLE: u8 = 2;

/// The longest sleep: a signal and the progress are looked at between two.
const NAP: Duration = Duration::from_millis(100);

/// What stands below the options.
pub const HELP: &str = "\
A line of FILE is the value of a record, in JSON. With --records it is a whole record:
{\"key\": …, \"value\": …, \"timestamp\": MS, \"partition\": N, \"headers\": {\"name\": \"text\"}}.

  ferrule produce events.jsonl --topic activity-events --key-field track_id
  ferrule produce telemetry.jsonl --topic raw_telemetry --key-field vehicle_id \\
      --by-time event_time --speed 10 --dedupe-field event_id
  ferrule produce data.jsonl --topic telescope.data --connector \\
      connectors/postgres-telescope-data-sink.json --key-field observation_id
  ferrule produce --generate fleetops --rate 1000 --duration 30s --anomalies 5 --bad 3

--connector takes the converters of a connector's file, and its topic where it reads one: what is
sent is what that connector reads. Avro needs a schema: --value-schema, or the declaration
schemas/TOPIC-value.json beside the connector's file.

  ferrule produce --generate telescope-commands --count 100 --anomalies 4 \\
      --registry http://localhost:8081
  ferrule produce --generate fleetops-actions
  ferrule produce --generate iot-frames --count 1000 --bad 5 --start now

Generated records are the same for the same --seed. The summary tells what was planted in them.

The exit code is 0 when all were acknowledged, 1 when not, 2 when it could not be tried.";

#[derive(Args)]
pub struct ProduceArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    made: MadeArgs,
    /// The topic; of --generate, another than the system's own.
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Records a second; without it as many as Kafka takes.
    #[arg(long, value_name = "N", value_parser = pace::positive)]
    rate: Option<f64>,
    /// Send records as far apart as the times in this field of their values.
    #[arg(long, value_name = "FIELD", conflicts_with = "rate")]
    by_time: Option<FieldPath>,
    /// How many times faster, with --by-time.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = pace::positive)]
    speed: f64,
    /// The field of values whose time becomes the record's timestamp; without it: now.
    #[arg(long, value_name = "FIELD")]
    timestamp_field: Option<FieldPath>,
    /// Leave out a record whose value has what another one had lately in this field.
    #[arg(long, value_name = "FIELD")]
    dedupe_field: Option<FieldPath>,
    /// How long that is remembered.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    dedupe_ms: u64,
}

/// Runs the command.
pub async fn run(args: ProduceArgs) -> ExitCode {
    let runtime = Handle::current();
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let work = tokio::task::spawn_blocking(move || produce(&args, &runtime, &told));
    let done = async {
        let signal = signalled()?;
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done.context("the command ended early")?,
            _ = signal => stop.store(true, Ordering::Relaxed),
        }
        work.await.context("the command ended early")?
    };
    match done.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ferrule: {error:#}");
            ExitCode::from(UNABLE)
        }
    }
}

/// Records to send, and how many there will be, where that is known.
struct Source<'a> {
    records: Box<dyn Iterator<Item = Result<Outgoing>> + 'a>,
    total: Option<u64>,
    tally: Tally,
}

impl ProduceArgs {
    fn source<'a>(&'a self, sender: &Sender, runtime: &Handle) -> Result<Source<'a>> {
        let Some(name) = self.made.generate else {
            let topic = self.input.topic(self.topic.as_deref())?;
            sender.require_topic(&topic, None)?;
            let records = self.input.records(&topic, runtime)?;
            return Ok(Source {
                records,
                total: None,
                tally: Tally::default(),
            });
        };
        ensure!(
            self.input.is_unused(),
            "--generate makes the records itself: leave out FILE and the options of how it is read"
        );
        let alerts = self.made.alerts(name, &self.kafka)?;
        let plan = self.made.plan(name, &alerts, self.rate)?;
        let topic = self.topic.as_deref();
        let own = name.topics();
        ensure!(
            topic.is_none() || own.len() == 1,
            "these records go to several topics: leave out --topic"
        );
        for topic in topic.map_or(own, |topic| vec![topic]) {
            sender.require_topic(topic, Some(name.system()))?;
        }
        let registry = self.input.registry_options()?;
        let order = Order {
            name,
            plan,
            alerts,
            topic,
        };
        Ok(Source {
            total: Some(self.made.total(name, plan)),
            records: self.made.records(order, &registry, runtime)?,
            tally: Tally::of(name, plan.seed),
        })
    }

    fn pace(&self) -> Pace {
        match (&self.by_time, self.rate) {
            (Some(_), _) => Pace::by_time(self.speed),
            (None, Some(rate)) => Pace::rate(rate),
            (None, None) => Pace::Free,
        }
    }

    fn looks_into_values(&self) -> bool {
        let fields = [&self.by_time, &self.timestamp_field, &self.dedupe_field];
        fields.into_iter().any(Option::is_some)
    }
}

/// Sends all records; whether all were acknowledged.
fn produce(args: &ProduceArgs, runtime: &Handle, stop: &AtomicBool) -> Result<bool> {
    if args.input.file.is_none() && args.made.generate.is_none() {
        bail!("what is to be sent? Name a FILE, - for standard input, or --generate NAME");
    }
    let sender = Sender::open(&args.kafka, &Properties::new())?;
    let mut source = args.source(&sender, runtime)?;
    let mut dedupe = Dedupe::new(Duration::from_millis(args.dedupe_ms));
    let mut pace = args.pace();
    let mut progress = Progress::new(source.total);
    let mut position: u64 = 0;
    for outgoing in source.records.by_ref() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        position += 1;
        let mut outgoing = outgoing.with_context(|| format!("after {} records", position - 1))?;
        let mut time = None;
        if args.looks_into_values() {
            let fields = Fields::of(&outgoing);
            if let Some(field) = &args.dedupe_field
                && fields
                    .text(field)
                    .is_some_and(|id| dedupe.is_known(id, Instant::now()))
            {
                continue;
            }
            if let Some(field) = &args.timestamp_field {
                outgoing.timestamp = fields.time(field, position)?.map(|micros| micros / 1000);
            }
            if let Some(field) = &args.by_time {
                time = fields.time(field, position)?;
            }
        }
        let sent = sender.sent();
        while let Some(left) = pace.wait(sent, time) {
            progress.show(&sender.counts());
            if stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(left.min(NAP));
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if sender.send(&outgoing, stop)? {
            source.tally.add(&outgoing);
        }
        progress.show(&sender.counts());
    }
    sender.flush(stop, |counts| progress.show(counts))?;
    progress.end(&sender.counts());
    summary(args, &sender, &dedupe, &source.tally, progress.elapsed())
}

fn summary(
    args: &ProduceArgs,
    sender: &Sender,
    dedupe: &Dedupe,
    tally: &Tally,
    elapsed: Duration,
) -> Result<bool> {
    let counts = sender.counts();
    let seconds = elapsed.as_secs_f64().max(0.001);
    say!(
        "{} records sent, {} acknowledged, {} failed, in {seconds:.2} s ({:.0}/s)",
        counts.sent,
        counts.acknowledged,
        counts.failed,
        counts.acknowledged as f64 / seconds
    );
    if args.dedupe_field.is_some() {
        say!("{} duplicates left out", dedupe.dropped());
    }
    for line in tally.lines() {
        say!("{line}");
    }
    if let Some(file) = &args.made.planted {
        let text = serde_json::to_string_pretty(&tally.json())? + "\n";
        std::fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    let unsent = counts.sent.saturating_sub(counts.acknowledged);
    if unsent > 0 {
        let why = sender.failure();
        eprintln!("ferrule: {unsent} records were not acknowledged: {why}");
    }
    Ok(unsent == 0)
}

/// A path that an option names; `-` is standard input.
fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}
