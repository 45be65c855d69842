//! `ferrule schema`: message schemas from one declaration each. A declaration is a Connect schema;
//! from it come Avro's schema, JSON Schema and a page for people, and what a registry has.

mod breaking;
mod declarations;
mod generate;
mod json_schema;
mod page;
mod registry;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use tokio::runtime::Handle;

pub use registry::{RegistryArgs, client as registry_client};

/// What is logged.
pub const LOG_LEVEL: &str = "error";

/// The exit code of what could not be tried at all.
const UNABLE: u8 = 2;

#[derive(Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Subcommand)]
enum SchemaCommand {
    /// Make .avsc files, JSON Schema and a page from the declarations of a folder.
    #[command(after_help = generate::HELP)]
    Generate(generate::GenerateArgs),
    /// Register the schemas of declarations; those that are registered stay.
    #[command(after_help = registry::REGISTER_HELP)]
    Register(registry::RegisterArgs),
    /// Say whether a registry would take the schemas, and which field breaks them.
    #[command(after_help = registry::CHECK_HELP)]
    Check(registry::CheckArgs),
}

/// Runs a command. What it has found out is its exit code: 0 for good, 1 for not, 2 for unable.
pub async fn run(args: SchemaArgs) -> ExitCode {
    let runtime = Handle::current();
    let work = tokio::task::spawn_blocking(move || match args.command {
        SchemaCommand::Generate(args) => generate::run(&args),
        SchemaCommand::Register(args) => registry::register(&args, &runtime),
        SchemaCommand::Check(args) => registry::check(&args, &runtime),
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
