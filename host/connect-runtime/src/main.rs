//! The binary `ferrule`: reads the command line, builds the worker, and drains it on a signal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use connect_api::{Properties, SinkConnector};
use connect_runtime::config::{WorkerConfig, environment_properties, parse_properties};
use connect_runtime::herder::{Herder, Shared};
use connect_runtime::logging::{LogFormat, Loggers};
use connect_runtime::plugins::{KAFKA_VERSION, Plugins};
use connect_runtime::rest::{self, Api};
use connect_runtime::storage::{KafkaBasedLog, KafkaConsumerGroups, cluster_id};
use connect_wasm::{WasmLimits, WasmOptions, WasmPlugins};
use metrics_exporter_prometheus::PrometheusBuilder;
use postgres_sink::PostgresSinkConnector;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// What requests that are being answered have when the worker ends.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// Kafka Connect without the JVM: topics into Postgres, exactly once, through WASM plugins.
#[derive(Parser)]
#[command(
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
        env = "FERRULE_LOG_FORMAT"
    )]
    log_format: LogFormat,
    /// What is logged: a level, or target=level,… as for RUST_LOG.
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        default_value = "info",
        env = "FERRULE_LOG"
    )]
    log: String,
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
}

#[derive(Args)]
struct WorkerArgs {
    /// A worker properties file of Kafka Connect.
    file: Option<PathBuf>,
    /// Set a property.
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl WorkerArgs {
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

#[tokio::main]
async fn main() -> Result<()> {
    let Cli {
        command,
        log_format,
        log,
    } = Cli::parse();
    let loggers = Loggers::start(log_format, &log)?;
    match command {
        Command::Worker(args) => run_worker(&args.properties()?, loggers).await,
    }
}

/// Runs a worker until a signal comes, or it cannot go on.
async fn run_worker(properties: &Properties, loggers: Loggers) -> Result<()> {
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("could not start metrics")?;
    let config = Arc::new(WorkerConfig::new(properties)?);
    info!(
        "Ferrule {}, Kafka version: {KAFKA_VERSION}",
        env!("CARGO_PKG_VERSION")
    );
    let wasm = WasmPlugins::new(WasmOptions {
        plugin_path: config.plugin_path(),
        cache_dir: config.plugin_cache(),
        limits: WasmLimits::default(),
    })?;
    let sinks: Vec<Arc<dyn SinkConnector>> = vec![Arc::new(PostgresSinkConnector::new())];
    let configs = KafkaBasedLog::open(&config, config.config_topic(), Some(1)).await?;
    let statuses = KafkaBasedLog::open(&config, config.status_topic(), None).await?;
    let shared = Shared {
        config: Arc::clone(&config),
        plugins: Arc::new(Plugins::new(sinks, wasm)),
        groups: Box::new(KafkaConsumerGroups),
        cluster_id: cluster_id(&config).await,
    };
    let (herder, mut herding) = Herder::spawn(shared, Box::new(configs), Box::new(statuses));
    let api = Api {
        herder: herder.clone(),
        loggers: Arc::new(loggers),
        metrics: Arc::new(move || metrics.render()),
    };
    let (stop, stopping) = watch::channel(());
    let mut servers = tokio::task::JoinSet::new();
    for address in config.listeners() {
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("could not listen on {address}"))?;
        info!(
            "REST server listening at http://{}/",
            listener.local_addr()?
        );
        let (app, mut stopping) = (rest::router(api.clone()), stopping.clone());
        let stopped = async move {
            // An error means that the sender is gone: the same.
            let _ = stopping.changed().await;
        };
        servers.spawn(
            axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .into_future(),
        );
    }
    tokio::select! {
        name = signalled()? => info!(signal = name, "stopping"),
        ended = &mut herding => ended?.context("the herder could not go on")?,
    }
    drop(stop);
    let answered = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_REQUESTS, answered).await.is_err() {
        warn!("requests were still being answered");
    }
    herder.shutdown().await;
    info!("stopped");
    Ok(())
}

fn signalled() -> Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
