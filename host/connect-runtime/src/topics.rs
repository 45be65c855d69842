//! `ferrule topics apply`: topics as files describe them. What is there is compared first, and only
//! what differs is changed.

mod cluster;
pub mod file;
mod plan;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use tokio::runtime::Handle;

use crate::kafka_args::KafkaArgs;
use crate::plugin::say::say;
use cluster::Cluster;
use file::Topic;
use plan::{Change, Step};

/// What is logged.
pub const LOG_LEVEL: &str = "error";

/// The exit code of what could not be tried at all.
const UNABLE: u8 = 2;

#[derive(Args)]
pub struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Subcommand)]
enum TopicsCommand {
    /// Make the topics that files describe, and change what differs.
    #[command(after_help = HELP)]
    Apply(ApplyArgs),
}

const HELP: &str = "\
A file is a list of topics:

  [{\"name\": \"raw_telemetry\", \"partitions\": 6, \"replication.factor\": 1,
    \"config\": {\"retention.ms\": \"604800000\", \"compression.type\": \"snappy\"}}]

`doc`, `key` and `consumer.groups` may stand beside these, for the page of `ferrule schema generate`.

  ferrule topics apply --dry-run connectors/topics
  ferrule topics apply --yes connectors/topics/fleetops.json --bootstrap-server localhost:9092

Settings that a file does not name stay as they are. Partitions are added, never taken away, and
replicas are not moved: what would need that is refused, and then nothing is changed.

The broker of `ferrule dev` keeps all records up to its own limits: it takes retention and cleanup
settings and tells them again, and they have no effect there. It has one replica of each partition.

The exit code is 0 when the topics are as described, 1 when something is refused or, with --dry-run,
would be changed, 2 when it could not be tried.";

#[derive(Args)]
struct ApplyArgs {
    /// Files of topics, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Replicas of each partition of a new topic, instead of what the files say.
    #[arg(long, value_name = "N")]
    replication_factor: Option<i32>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

/// Runs a command.
pub async fn run(args: TopicsArgs) -> ExitCode {
    let TopicsCommand::Apply(args) = args.command;
    let runtime = Handle::current();
    // The client library blocks.
    let work = tokio::task::spawn_blocking(move || apply(&args, &runtime));
    match work.await.context("the command ended early").flatten() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ferrule: {error:#}");
            ExitCode::from(UNABLE)
        }
    }
}

/// Whether the topics are as described in the end.
fn apply(args: &ApplyArgs, runtime: &Handle) -> Result<bool> {
    let mut topics = file::read(&args.files)?;
    if let Some(factor) = args.replication_factor {
        for topic in &mut topics {
            topic.replication_factor = factor;
        }
    }
    let cluster = Cluster::open(&args.kafka)?;
    let names: Vec<&str> = topics.iter().map(|topic| &*topic.name).collect();
    let found = cluster.topics(&names, runtime)?;
    let plan: Vec<Change<'_>> = topics
        .iter()
        .map(|topic| plan::change(topic, found.get(&topic.name)))
        .collect();
    let outcome = show(&plan, &cluster.address);
    if outcome.refused > 0 {
        say!("\nNothing is changed: let the file say what is there, or make the topic anew.");
        return Ok(false);
    }
    if outcome.changed == 0 {
        return Ok(true);
    }
    if args.dry_run {
        return Ok(false);
    }
    if !args.yes && !agreed()? {
        say!("nothing is changed");
        return Ok(false);
    }
    carry_out(&plan, &cluster, runtime)?;
    say!("done");
    Ok(true)
}

/// How many topics of a plan there are of each kind.
struct Counts {
    changed: usize,
    refused: usize,
}

fn show(plan: &[Change<'_>], address: &str) -> Counts {
    say!("Kafka at {address}:\n");
    let mut counts = Counts {
        changed: 0,
        refused: 0,
    };
    let mut unchanged = 0;
    for change in plan {
        if change.steps.is_empty() {
            unchanged += 1;
            say!("  unchanged   {}", change.topic.name);
            continue;
        }
        match change.is_refused() {
            true => counts.refused += 1,
            false => counts.changed += 1,
        }
        for step in &change.steps {
            for line in step.lines(change.topic) {
                say!("  {line}");
            }
        }
    }
    let Counts { changed, refused } = &counts;
    say!("\n{changed} to change, {unchanged} unchanged, {refused} refused");
    counts
}

fn agreed() -> Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("there is nobody to ask: say --yes to apply, or --dry-run to look");
    }
    eprint!("Apply? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(&*answer.trim().to_ascii_lowercase(), "y" | "yes"))
}

fn carry_out(plan: &[Change<'_>], cluster: &Cluster, runtime: &Handle) -> Result<()> {
    let mut made: Vec<&Topic> = Vec::new();
    for change in plan {
        let topic = change.topic;
        for step in &change.steps {
            match step {
                Step::Create => {
                    cluster.create(topic, runtime)?;
                    made.push(topic);
                }
                Step::AddPartitions { .. } => {
                    cluster.add_partitions(topic, runtime)?;
                    made.push(topic);
                }
                Step::Alter { .. } | Step::Refused(_) => {}
            }
        }
        if change
            .steps
            .iter()
            .any(|it| matches!(it, Step::Alter { .. }))
        {
            cluster.alter(topic, runtime)?;
        }
    }
    cluster.wait_for(&made)
}

#[cfg(feature = "dev")]
#[cfg(test)]
mod tests {
    use clap::Parser;
    use embedded::Kafka;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        apply: ApplyArgs,
    }

    /// The topics of the systems, on the broker of `ferrule dev`: made, compared and changed.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_embedded_broker_takes_them() {
        let kafka = Kafka::start(([127, 0, 0, 1], 0).into()).unwrap();
        let address = kafka.bootstrap();
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own.json");
        let own_text = own.display().to_string();
        let run = async |files: &str, more: &[&str]| {
            let line = ["apply", files, "--bootstrap-server", &address];
            let args = Line::parse_from([&line[..], more].concat()).apply;
            let runtime = Handle::current();
            let work = tokio::task::spawn_blocking(move || apply(&args, &runtime));
            work.await.unwrap().unwrap()
        };
        let systems = "../../connectors/topics";
        assert!(!run(systems, &["--dry-run"]).await);
        assert!(run(systems, &["--yes"]).await);
        assert!(run(systems, &["--dry-run"]).await);
        let topic = |partitions: i32, retention: i64| {
            let text = format!(
                r#"[{{"name": "activity-events", "partitions": {partitions},
                      "config": {{"retention.ms": {retention}}}}}]"#
            );
            std::fs::write(&own, text).unwrap();
        };
        topic(4, 1_000);
        assert!(run(&own_text, &["--yes"]).await);
        assert!(run(&own_text, &["--dry-run"]).await);
        topic(2, 1_000);
        assert!(!run(&own_text, &["--yes"]).await);
        kafka.stop().await;
    }
}
