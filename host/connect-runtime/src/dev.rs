//! `ferrule dev`: Kafka, a Schema Registry, Postgres and a worker in one process, with no set-up.

mod demo;
mod produce;
mod topics;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use connect_api::Properties;
use connect_runtime::logging::Loggers;
use embedded::{Database, Kafka, Postgres, PostgresOptions, Registry};
use tokio::sync::oneshot;

use crate::process::{run_worker, signalled};

/// The tables of Ferrule and of the example systems.
const TABLES: &[&str] = &[
    include_str!("../../../sql/001_ferrule.sql"),
    include_str!("../../../sql/002_track_activity_log.sql"),
    include_str!("../../../sql/003_telescope_data_raw.sql"),
    include_str!("../../../sql/003b_telescope_topics.sql"),
    include_str!("../../../sql/003c_telescope_command_status.sql"),
    include_str!("../../../sql/004_iot_measurements.sql"),
    include_str!("../../../sql/005_fleet.sql"),
    include_str!("../../../sql/006_user_activity_metrics.sql"),
];

/// What is logged; the demo itself prints what there is to see. Clients complain when the broker
/// ends before them, and tell of each end of a partition as of an error.
pub const LOG_LEVEL: &str = "warn,librdkafka=off,rdkafka=off,connect_runtime::storage=error,\
                             connect_runtime::kafka=error";

#[derive(Args)]
pub struct DevArgs {
    /// Deploy six connectors, produce sample records, and show what lands.
    #[arg(long)]
    demo: bool,
    /// End when the demo is over: with status 1 if a row is missing or a refused record is not
    /// accounted for.
    #[arg(long, requires = "demo")]
    exit: bool,
    /// Records of each of the five systems.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    records: usize,
    /// Where the configs of the demo's connectors are.
    #[arg(long, value_name = "DIR", default_value = "connectors")]
    connectors: PathBuf,
    /// Where WASM plugins are.
    #[arg(long, value_name = "DIR", default_value = "plugins/dist")]
    plugins: PathBuf,
    /// Where Postgres keeps its data; without it, in a folder that goes with the process.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Where everything listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `host:port`.
    pub kafka: String,
    /// A URL.
    pub registry: String,
    /// `host:port`.
    pub postgres: SocketAddr,
    /// A URL.
    pub rest: String,
}

/// Starts everything, and runs until a signal comes or the demo is over.
pub async fn run(args: DevArgs, loggers: Loggers) -> Result<()> {
    embedded::install_tls_provider();
    ensure!(
        !args.demo || args.connectors.is_dir(),
        "{} is no folder: run the demo in a clone, or name the folder with --connectors",
        args.connectors.display()
    );
    say("starting Kafka, a Schema Registry and Postgres");
    let kafka = Kafka::start(free(9092)?)?;
    let registry = Registry::start(free(8081)?).await?;
    let postgres = Postgres::start(PostgresOptions {
        port: free(5432)?.port(),
        data_dir: args.data.clone(),
        ..PostgresOptions::default()
    })
    .await?;
    let mut database = Database::connect(postgres.url()).await?;
    for statements in TABLES {
        database.apply(statements).await?;
    }
    let rest = free(8083)?;
    let addresses = Addresses {
        kafka: kafka.bootstrap(),
        registry: registry.url(),
        postgres: postgres.addr(),
        rest: format!("http://{rest}"),
    };
    let outcome = serve(&args, loggers, rest, addresses, database).await;
    say("stopping");
    postgres.stop().await?;
    registry.stop().await;
    kafka.stop().await;
    outcome
}

async fn serve(
    args: &DevArgs,
    loggers: Loggers,
    rest: SocketAddr,
    addresses: Addresses,
    database: Database,
) -> Result<()> {
    let properties = worker_properties(args, rest, &addresses);
    let (over, demo_over) = oneshot::channel();
    let show = async {
        demo::listening(&addresses);
        let shown = if args.demo {
            let outcome = demo::run(&args.connectors, args.records, &addresses, database).await;
            demo::next_steps(&addresses);
            outcome
        } else {
            Ok(())
        };
        match (&shown, args.exit) {
            (Err(error), false) => say(&format!("the demo failed: {error:#}")),
            (Ok(()), false) => {}
            (_, true) => {
                // Nobody listens any more when the worker has ended by itself.
                let _ = over.send(());
                return shown;
            }
        }
        say("everything stays up until Ctrl-C");
        // Dropping the sender would end the worker.
        std::future::pending::<()>().await;
        shown
    };
    let signal = signalled()?;
    let stop = async {
        tokio::select! {
            name = signal => name,
            _ = demo_over => "the end of the demo",
        }
    };
    let worker = run_worker(&properties, loggers, stop);
    tokio::pin!(show);
    tokio::pin!(worker);
    tokio::select! {
        ended = &mut worker => ended,
        shown = &mut show => worker.await.and(shown),
    }
}

fn worker_properties(args: &DevArgs, rest: SocketAddr, addresses: &Addresses) -> Properties {
    let pairs = [
        ("bootstrap.servers", addresses.kafka.clone()),
        ("group.id", "ferrule-dev".to_owned()),
        ("listeners", format!("http://{rest}")),
        ("plugin.path", args.plugins.display().to_string()),
        ("config.storage.topic", "connect-configs".to_owned()),
        ("offset.storage.topic", "connect-offsets".to_owned()),
        ("status.storage.topic", "connect-status".to_owned()),
        ("config.storage.replication.factor", "1".to_owned()),
        ("offset.storage.replication.factor", "1".to_owned()),
        ("status.storage.replication.factor", "1".to_owned()),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter".to_owned(),
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.json.JsonConverter".to_owned(),
        ),
        ("value.converter.schemas.enable", "false".to_owned()),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The usual port, or a free one where something listens there already.
fn free(port: u16) -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    let other = other.local_addr().context("no free port")?;
    say(&format!("port {port} is taken; using {}", other.port()));
    Ok(other)
}

/// Tells the person who watches. The log is for the worker.
pub fn say(line: &str) {
    println!("ferrule dev: {line}");
}
