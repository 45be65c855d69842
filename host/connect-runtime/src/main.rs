//! The binary `ferrule`: the command line.

mod allocator;
mod deploy;
#[cfg(feature = "dev")]
mod dev;
mod kafka_args;
mod maintain;
mod migrate;
mod plugin;
mod process;
mod produce;
mod schema;
mod topics;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use connect_api::{Properties, mask};
use connect_runtime::config::{environment_properties, parse_properties};
use connect_runtime::logging::{LogFormat, Loggers};
use connect_wasm::{COMPILE_COMMAND, CompileLimits, compile_stdin};
use tokio::runtime::Runtime;

/// Kafka Connect without the JVM: topics into Postgres, exactly once, through WASM plugins.
#[derive(Parser)]
#[command(
    name = "ferrule",
    version,
    after_help = "\
Start a worker with Kafka Connect's own properties file, and give it a connector:

  ferrule worker connect-distributed.properties
  curl -X POST -H 'Content-Type: application/json' localhost:8083/connectors -d @connector.json
  curl localhost:8083/connectors/NAME/status"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How a line of the log looks.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "human",
        env = "FERRULE_LOG_FORMAT",
        help_heading = "Log"
    )]
    log_format: LogFormat,
    /// What is logged: a level, or target=level,… as for RUST_LOG. A worker logs at info; `dev`
    /// at warn.
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        env = "FERRULE_LOG",
        help_heading = "Log"
    )]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a worker: the REST API and the tasks of the connectors.
    #[command(after_help = "\
A property is taken from -D before the environment, and from there before the file:

  FILE                        bootstrap.servers=localhost:9092
  CONNECT_BOOTSTRAP_SERVERS   as the usual container images: _ is a dot, __ is _, ___ is -
  -D bootstrap.servers=…

Needed: group.id, config.storage.topic, offset.storage.topic, status.storage.topic,
key.converter, value.converter. SIGTERM and SIGINT stop the tasks, then the worker.")]
    Worker(WorkerArgs),
    /// Make, build, check, test and measure WASM plugins.
    Plugin(plugin::PluginArgs),
    /// Make topics as files describe them, and show a plan first.
    Topics(topics::TopicsArgs),
    /// Make, register and check message schemas from one declaration each.
    Schema(schema::SchemaArgs),
    /// Write records to a topic, from a file or made up.
    #[command(after_help = produce::HELP)]
    Produce(Box<produce::ProduceArgs>),
    /// Create or update connectors on a worker, and wait until they run.
    #[command(after_help = deploy::HELP)]
    Deploy(deploy::DeployArgs),
    /// Compile a plugin from standard input to standard output: for the worker itself.
    #[command(name = COMPILE_COMMAND, hide = true)]
    CompilePlugin(CompileArgs),
    /// Make the partitions of a table ahead, and drop those that are past their time.
    Maintain(maintain::MaintainArgs),
    /// Say what becomes of a cluster of Kafka Connect, connector by connector; nothing is written.
    #[command(after_help = migrate::HELP)]
    Migrate(migrate::MigrateArgs),
    /// Run Kafka, a Schema Registry, Postgres and a worker in one process, with no set-up.
    #[cfg(feature = "dev")]
    #[command(after_help = dev::HELP)]
    Dev(dev::DevArgs),
}

impl Command {
    /// What is logged unless the command line says otherwise.
    fn log_level(&self) -> &'static str {
        match self {
            Self::Worker(_) => "info",
            Self::Plugin(_) => plugin::LOG_LEVEL,
            Self::Topics(_) => topics::LOG_LEVEL,
            Self::Schema(_) => schema::LOG_LEVEL,
            Self::Produce(_) => produce::LOG_LEVEL,
            Self::Deploy(_) => deploy::LOG_LEVEL,
            Self::CompilePlugin(_) => "off",
            Self::Maintain(_) => maintain::LOG_LEVEL,
            Self::Migrate(_) => migrate::LOG_LEVEL,
            #[cfg(feature = "dev")]
            Self::Dev(_) => dev::LOG_LEVEL,
        }
    }
}

#[derive(Args)]
struct WorkerArgs {
    /// A worker properties file of Kafka Connect.
    file: Option<PathBuf>,
    /// Set a property.
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

#[derive(Args)]
struct CompileArgs {
    /// Bytes of address space.
    memory_bytes: u64,
    /// Milliseconds.
    timeout_ms: u64,
}

impl CompileArgs {
    /// A failure is told on standard error alone, in one line: the worker reads it.
    fn run(&self) -> ExitCode {
        let limits = CompileLimits {
            memory_bytes: self.memory_bytes,
            timeout: Duration::from_millis(self.timeout_ms),
            ..CompileLimits::default()
        };
        match compile_stdin(&limits) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// What a worker that was started without a file is told when it lacks options.
const NO_FILE: &str = "\
no properties file was given, and what -D and CONNECT_* variables say is not enough; \
start it with: ferrule worker FILE";

fn is_about_config(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<connect_api::Error>();
    error.is_some_and(|error| error.kind() == connect_api::ErrorKind::Config)
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl WorkerArgs {
    /// Where most of the properties come from, for a person.
    fn source(&self) -> String {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        file.unwrap_or_else(|| "CONNECT_* and -D".to_owned())
    }

    fn properties(self) -> Result<Properties> {
        let mut properties = Properties::new();
        if let Some(file) = &self.file {
            let name = || format!("could not read {}", file.display());
            let text = std::fs::read_to_string(file).with_context(name)?;
            properties = parse_properties(&text).with_context(name)?;
        }
        properties.extend(environment_properties(std::env::vars()));
        properties.extend(self.properties);
        Ok(properties)
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    if let Command::CompilePlugin(args) = &cli.command {
        return Ok(args.run());
    }
    let runtime = Runtime::new().context("could not start the runtime")?;
    let outcome = runtime.block_on(run(cli)).unwrap_or_else(|error| {
        // It may quote what a config provider gave (Invariant 9).
        let told = mask(format!("Error: {}", causes(&error)));
        // There is nobody left to tell when it cannot be written.
        let _ = writeln!(std::io::stderr(), "{told}");
        ExitCode::FAILURE
    });
    // A validation whose config provider hangs must not keep the process from ending.
    runtime.shutdown_background();
    Ok(outcome)
}

/// The error and what caused it, without a trace of the program's own functions: that says nothing
/// to whoever has to change a setting.
fn causes(error: &anyhow::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some texts end with that of their cause.
        if !causes.last().is_some_and(|last| last.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    causes.join("\n  caused by: ")
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli {
        command,
        log_format,
        log,
    } = cli;
    let loggers = Loggers::start(log_format, log.as_deref().unwrap_or(command.log_level()))?;
    match command {
        Command::Worker(args) => {
            let without_file = args.file.is_none();
            let properties = args.properties()?;
            let worked = process::run_worker(&properties, loggers, process::signalled()?).await;
            worked.map_err(|error| match without_file && is_about_config(&error) {
                true => error.context(NO_FILE),
                false => error,
            })?;
        }
        Command::Plugin(args) => return Ok(plugin::run(args).await),
        Command::Topics(args) => return Ok(topics::run(args).await),
        Command::Schema(args) => return Ok(schema::run(args).await),
        Command::Produce(args) => return Ok(produce::run(*args).await),
        Command::Deploy(args) => return Ok(deploy::run(args).await),
        Command::CompilePlugin(args) => return Ok(args.run()),
        Command::Maintain(args) => maintain::run(args).await?,
        Command::Migrate(args) => return Ok(migrate::run(args).await),
        #[cfg(feature = "dev")]
        Command::Dev(args) => dev::run(args, loggers).await?,
    }
    Ok(ExitCode::SUCCESS)
}
