//! `ferrule plugin`: make, build, look into, try and measure WASM plugins, in the worker's own
//! host, and see what those of a worker keep.

mod bench;
mod build;
mod check;
mod events;
mod host;
mod json;
mod new;
mod paint;
mod records;
pub mod say;
mod show;
mod state;
mod test;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use tokio::runtime::Handle;

/// What is logged: a plugin's own lines, and what the host warns of.
pub const LOG_LEVEL: &str = "warn,ferrule::plugin=info";

/// The exit code of what could not be tried at all.
const UNABLE: u8 = 2;

#[derive(Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Make the folder of a new plugin: it builds, and has a test and a README.
    New(new::NewArgs),
    /// Build the plugin of a folder, and say what is missing.
    Build(build::BuildArgs),
    /// Show what a file is: imports, exports, size, and what it says of itself.
    Check(check::CheckArgs),
    /// Run a plugin on records and show what becomes of each.
    #[command(after_help = test::HELP)]
    Test(test::TestArgs),
    /// Measure a plugin on records, beside one that keeps every record.
    Bench(bench::BenchArgs),
    /// Show what the plugins of a connector keep, as its worker tells it.
    #[command(after_help = state::HELP)]
    State(state::StateArgs),
}

/// Runs a command. What it has found out is its exit code: 0 for good, 1 for not, 2 for unable.
pub async fn run(args: PluginArgs) -> ExitCode {
    let runtime = Handle::current();
    // Converters and compilers block.
    let work = tokio::task::spawn_blocking(move || match args.command {
        PluginCommand::New(args) => new::run(&args),
        PluginCommand::Build(args) => build::run(&args),
        PluginCommand::Check(args) => check::run(&args),
        PluginCommand::Test(args) => test::run(&args, &runtime),
        PluginCommand::Bench(args) => bench::run(&args, &runtime),
        PluginCommand::State(args) => state::run(&args, &runtime),
    });
    let done: Result<bool> = work.await.context("the command ended early").flatten();
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ferrule: {error:#}");
            ExitCode::from(UNABLE)
        }
    }
}

/// `KEY=VALUE` of the command line.
fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
