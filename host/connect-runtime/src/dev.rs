//! `ferrule dev`: Kafka, a Schema Registry, Postgres and a worker in one process, with no set-up.

mod account;
mod databases;
mod demo;
mod http;
mod ports;
mod produce;
mod progress;
mod systems;
mod table;
mod topics;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use connect_api::Properties;
use connect_runtime::logging::Loggers;
use embedded::{Kafka, Postgres, PostgresOptions, Registry};
use tokio::sync::oneshot;

use crate::process::{run_worker, signalled};
use crate::topics::file::{self, Topic};
use databases::Databases;
use ports::{Ports, Service};
use systems::ExampleSystem;

/// What is logged; the demo itself prints what there is to see. Clients complain when the broker
/// ends before them, and tell of each end of a partition as of an error.
pub const LOG_LEVEL: &str = "warn,librdkafka=off,rdkafka=off,connect_runtime::storage=error,\
                             connect_runtime::kafka=error,connect_kafka=error";

/// What stands below the options.
pub const HELP: &str = "\
Kafka, the registry and Postgres here are for development. Kafka is one broker in memory: it has
groups and transactions, but no logins and no TLS, and it neither compacts nor deletes by age. Its
topics go with the process, and so does what Postgres has, without --data.

Each of the five systems has its topics and its database here, with the user of its document:
sharkdb (shark, sharkbakeoff), fleetops (fleetops, fleetops), analytics (postgres, postgres), astro
(astro, astro), timeseries (ts_user, ts_password). The superuser is ferrule, with that password, and
the database ferrule is for whatever else there is.

--demo makes up records of each system, malformed ones among them, sends one in ten of shark and
analytics by HTTP, deploys all connectors of connectors/, lets operators act on the alerts of
fleetops, by HTTP too, reads the history of a ship and the alerts back, and says of each connector what has become of its
records. With --ports the addresses in the configs are changed on the way.

Ports: --ports KAFKA,REGISTRY,REST,POSTGRES,HTTP, or NAME=PORT for some, as
--ports kafka=19092,rest=18083, or --ports 0 for free ones. Without it the usual ones are taken: 9092,
8081, 8083, 5432, 8080. HTTP is where the connectors of the demo listen.";

#[derive(Args)]
pub struct DevArgs {
    /// Deploy the connectors of all five systems, produce sample records, and show what lands.
    #[arg(long)]
    demo: bool,
    /// End when the demo is over: with status 1 if a row is missing or a refused record is not
    /// accounted for.
    #[arg(long, requires = "demo")]
    exit: bool,
    /// Only these of the systems: shark, fleetops, analytics, telescope, iot.
    #[arg(long, value_name = "SYSTEM,…", value_delimiter = ',', value_parser = systems::system)]
    only: Vec<&'static ExampleSystem>,
    /// Where the services listen: KAFKA,REGISTRY,REST,POSTGRES,HTTP, or NAME=PORT for some of them,
    /// or 0 for free ports.
    #[arg(long, value_name = "PORTS")]
    ports: Option<Ports>,
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

impl DevArgs {
    /// The example systems that were asked for.
    fn systems(&self) -> Vec<&'static ExampleSystem> {
        const ALL: &[ExampleSystem] = &systems::SYSTEMS;
        let asked = |system: &&ExampleSystem| {
            self.only.is_empty() || self.only.iter().any(|only| only.name == system.name)
        };
        ALL.iter().filter(asked).collect()
    }
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
    /// Where the connectors that take requests listen.
    pub http: SocketAddr,
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
    let ports = args.ports.unwrap_or_default();
    let kafka = Kafka::start(ports.address(Service::Kafka)?)?;
    let registry = Registry::start(ports.address(Service::Registry)?).await?;
    let postgres = Postgres::start(PostgresOptions {
        port: ports.address(Service::Postgres)?.port(),
        data_dir: args.data.clone(),
        ..PostgresOptions::default()
    })
    .await?;
    let systems = args.systems();
    let databases = Databases::set_up(&postgres, &systems).await?;
    let topics = systems.iter().map(|system| file::parse(system.topics));
    let topics = topics.collect::<Result<Vec<_>>>()?.concat();
    produce::create_topics(&kafka.bootstrap(), &topics).await?;
    let rest = ports.address(Service::Rest)?;
    let addresses = Addresses {
        kafka: kafka.bootstrap(),
        registry: registry.url(),
        postgres: postgres.addr(),
        rest: format!("http://{rest}"),
        http: ports.address(Service::Http)?,
    };
    let started = Started {
        addresses,
        topics,
        databases,
    };
    let outcome = serve(&args, loggers, rest, started).await;
    say("stopping");
    postgres.stop().await?;
    registry.stop().await;
    kafka.stop().await;
    outcome
}

/// What there is when the worker starts.
struct Started {
    addresses: Addresses,
    topics: Vec<Topic>,
    databases: Databases,
}

async fn serve(args: &DevArgs, loggers: Loggers, rest: SocketAddr, started: Started) -> Result<()> {
    let Started {
        addresses,
        topics,
        databases,
    } = started;
    let properties = worker_properties(args, rest, &addresses);
    let (over, demo_over) = oneshot::channel();
    let systems = args.systems();
    let show = async {
        demo::listening(&systems, &addresses);
        let shown = if args.demo {
            let demo = demo::Demo {
                connectors: &args.connectors,
                systems: &systems,
                topics: &topics,
                records: args.records,
                addresses: &addresses,
            };
            demo::run(demo, databases).await.map(Some)
        } else {
            Ok(None)
        };
        if args.exit {
            // Nobody listens any more when the worker has ended by itself.
            let _ = over.send(());
            return shown.map(drop);
        }
        if args.demo {
            demo::next_steps(&systems, &addresses);
        }
        if let Err(error) = &shown {
            say(&format!("the demo failed: {error:#}"));
        }
        say("everything stays up until Ctrl-C");
        // The sender stays: without it the worker would end.
        match shown {
            Ok(Some(watch)) => demo::keep_showing(watch).await,
            _ => std::future::pending().await,
        }
        Ok(())
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
        ("ferrule.rest.state.enable", "true".to_owned()),
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

/// Tells the person who watches. The log is for the worker.
pub fn say(line: &str) {
    println!("ferrule dev: {line}");
}
