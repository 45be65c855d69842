//! The worker's process: builds it from its properties, and drains it when it is to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use connect_api::Properties;
use connect_runtime::config::WorkerConfig;
use connect_runtime::connectors;
use connect_runtime::descriptors;
use connect_runtime::group::GroupMember;
use connect_runtime::herder::{Cluster, Herder, HerderHandle, Shared, WorkerInstance};
use connect_runtime::logging::Loggers;
use connect_runtime::metrics::{Buckets, exposition, install as record_metrics};
use connect_runtime::panic_log;
use connect_runtime::plugins::{KAFKA_VERSION, Plugins};
use connect_runtime::rest::{self, Api};
use connect_runtime::storage::{
    KafkaBasedLog, KafkaClusterLog, KafkaConsumerGroups, SourceOffsets, check_topic, cluster_id,
    producer, write_audit,
};
use connect_wasm::meters::CALL_SECONDS;
use connect_wasm::{Compiler, WasmOptions, WasmPlugins, check_cache};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

/// From a call with one record to one that comes near its deadline.
const CALL_BUCKETS: &[f64] = &[
    0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0,
];
/// What requests that are being answered have when the worker ends.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// Runs a worker until `stop` says why it is to stop, or it cannot go on.
pub async fn run_worker(
    properties: &Properties,
    loggers: Loggers,
    stop: impl Future<Output = &'static str>,
) -> Result<()> {
    record_metrics(Buckets {
        metric: CALL_SECONDS,
        bounds: CALL_BUCKETS,
    })
    .context("could not start metrics")?;
    // Config providers may be asked for options of the worker itself.
    let given = properties.clone();
    let config = tokio::task::spawn_blocking(move || WorkerConfig::new(&given)).await??;
    let config = Arc::new(config);
    panic_log::install();
    config.record_memory().set_of_record();
    info!(
        "Ferrule {}, Kafka version: {KAFKA_VERSION}",
        env!("CARGO_PKG_VERSION")
    );
    // It listens from the first moment, so that a probe sees a worker that is starting.
    let gate = rest::Gate::default();
    let (stop_serving, stopping) = watch::channel(());
    let descriptors = descriptors::raise_limit();
    let mut server = rest::Server::bind(config.rest(), gate.clone(), descriptors).await?;
    let audit_lines = server.audit_lines();
    let mut tasks = JoinSet::new();
    let mut serving = tokio::spawn(server.serve(stopping));
    tokio::pin!(stop);
    let start = async {
        // First, so that nothing is done that the topic would have to tell of.
        if let (Some(topic), Some(lines)) = (&config.rest().audit_topic, audit_lines) {
            write_audit(&config, topic, lines, &mut tasks).await?;
        }
        start_herder(&config).await
    };
    let (herder, mut herding) = tokio::select! {
        reason = &mut stop => {
            info!(reason, "stopping before the worker has started");
            return Ok(());
        }
        started = start => started?,
    };
    gate.open(Api {
        herder: herder.clone(),
        loggers: Arc::new(loggers),
        metrics: Arc::new(exposition),
    });
    tokio::select! {
        reason = &mut stop => info!(reason, "stopping"),
        ended = &mut herding => ended?.context("the herder could not go on")?,
    }
    drop(stop_serving);
    if tokio::time::timeout(LAST_REQUESTS, &mut serving)
        .await
        .is_err()
    {
        serving.abort();
        warn!("requests were still being answered");
    }
    herder.shutdown().await;
    // The last lines of the audit log: nobody sends more.
    let written = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_REQUESTS, written).await.is_err() {
        warn!("the audit topic has not taken the last lines; the log has them");
    }
    info!("stopped");
    Ok(())
}

/// Loads the plugins, reads the topics of configs and statuses, and starts what they say.
async fn start_herder(
    config: &Arc<WorkerConfig>,
) -> Result<(HerderHandle, JoinHandle<connect_api::Result<()>>)> {
    let options = WasmOptions {
        plugin_path: config.plugin_path(),
        cache_dir: config.plugin_cache().or_else(user_cache),
        compiler: compiler(),
        compile_limits: config.plugin_compile_limits(),
        limits: config.plugin_limits(),
    };
    // It reads folders, which may be slow.
    let wasm = tokio::task::spawn_blocking(move || WasmPlugins::new(options)).await??;
    let writes = producer(config)?;
    let log = KafkaClusterLog::open(config, &writes).await?;
    let statuses = KafkaBasedLog::open(config, config.status_topic(), None, &writes).await?;
    check_topic(config, &config.offset_topic()).await?;
    let shared = Shared {
        config: Arc::clone(config),
        plugins: Arc::new(Plugins::new(connectors::all(), wasm)),
        groups: Box::new(KafkaConsumerGroups),
        source_offsets: Arc::new(SourceOffsets::new(config)),
        cluster_id: cluster_id(config).await,
        instance: WorkerInstance::new(config),
    };
    let (member, membership) = GroupMember::join(config, &shared.instance).await?;
    let cluster = Cluster {
        log: Box::new(log),
        statuses: Box::new(statuses),
        membership,
        member: Some(member),
    };
    Ok(Herder::spawn(shared, cluster))
}

/// The user's folder for what can be made again (XDG Base Directory Specification).
pub fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    let folder = cache.join("ferrule").join("plugins");
    // Without a folder that only this user can write, plugins are compiled at each start.
    match check_cache(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            warn!(%error, "compiled plugins are not kept; ferrule.plugin.cache.path names a folder");
            None
        }
    }
}

/// Plugins are compiled by this program, in a process of its own.
pub fn compiler() -> Compiler {
    std::env::current_exe().map_or(Compiler::InProcess, Compiler::Program)
}

/// Waits for SIGTERM or SIGINT.
pub fn signalled() -> Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
