//! `ferrule migrate`: what becomes of a cluster of Kafka Connect when Ferrule takes it over. It
//! reads, and writes nothing.

mod json;
mod text;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use connect_api::mask;
use connect_runtime::connectors;
use connect_runtime::migration::{Migration, Report, Verdict, WorkerReport};
use connect_runtime::plugins::Plugins;
use connect_wasm::{WasmOptions, WasmPlugins};
use tokio::runtime::Handle;

use crate::plugin::say::say;
use crate::{WorkerArgs, process};

/// What is logged: the report says the rest.
pub const LOG_LEVEL: &str = "off";

/// The exit code of what could not be looked at.
const UNABLE: u8 = 2;
/// The exit code when all runs, and something of it has another effect.
const DIFFERS: u8 = 3;

/// What stands below the options.
pub const HELP: &str = "\
Give it the properties file of a worker of Kafka Connect, where that worker runs, so that the files
which it names are there:

  ferrule migrate connect-distributed.properties
  ferrule migrate connect-distributed.properties -D bootstrap.servers=localhost:9092
  ferrule migrate connect-distributed.properties --json | jq '.connectors[] | select(.verdict==\"refused\")'

The variables of the usual images, CONNECT_*, count as for `ferrule worker`. The workers of Kafka
Connect may run meanwhile: their topics are read, and nothing is written, created or committed.
Secrets are not shown. docs/migrate.md has the way from there, and back.

The exit code is 0 when everything runs as it did, 3 when everything runs and something has another
effect, 1 when something is refused, 2 when it could not be looked at.";

#[derive(Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(args: MigrateArgs) -> ExitCode {
    match migrate(args).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ferrule: {}", mask(format!("{error:#}")));
            ExitCode::from(UNABLE)
        }
    }
}

async fn migrate(args: MigrateArgs) -> Result<ExitCode> {
    let source = args.worker.source();
    let properties = args.worker.properties()?;
    // Config providers may be asked for options of the worker itself.
    let reading = tokio::task::spawn_blocking(move || WorkerReport::read(&properties));
    let (worker, config) = reading.await?;
    let Some(config) = config else {
        match args.json {
            true => say!("{:#}", json::worker(&worker)),
            false => text::worker(&source, &worker),
        }
        anyhow::bail!("without these properties no topic can be read");
    };
    let options = WasmOptions {
        plugin_path: config.plugin_path(),
        // Nothing is kept.
        cache_dir: None,
        compiler: process::compiler(),
        compile_limits: config.plugin_compile_limits(),
        limits: config.plugin_limits(),
    };
    // It reads folders, which may be slow.
    let wasm = tokio::task::spawn_blocking(move || WasmPlugins::new(options)).await??;
    let plugins = Plugins::new(connectors::all(), wasm);
    let migration = Migration {
        worker: &config,
        plugins: &plugins,
        runtime: Handle::current(),
    };
    let report = migration.report(worker).await?;
    match args.json {
        true => say!("{:#}", json::report(&report)),
        false => text::report(&source, &report),
    }
    if let Some(topic) = report
        .topics
        .iter()
        .find(|it| it.is_needed && it.partitions == 0)
    {
        anyhow::bail!(
            "there is no topic {} ({}) on {}: is it spelled so, and is this the right Kafka?",
            topic.name,
            topic.option,
            config.bootstrap_servers()
        );
    }
    Ok(code(&report))
}

fn code(report: &Report) -> ExitCode {
    match report.verdict() {
        Verdict::Unchanged => ExitCode::SUCCESS,
        Verdict::Differs => ExitCode::from(DIFFERS),
        Verdict::Refused => ExitCode::FAILURE,
    }
}
