//! The demo: six connectors by HTTP, sample records, and what became of each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use embedded::Database;
use serde_json::Value;
use tokio::task::block_in_place;

use super::produce::{Produced, produce};
use super::topics::{GroupOffsets, Reader, committed_records, dead_letters};
use super::{Addresses, say};
use crate::produce::generate::{
    ACTIVITY, ANOMALIES_PARTITIONS, ANOMALIES_TOPIC, IOT, Split, System, TELEMETRY, TELESCOPE,
    USER_ACTIVITY,
};

/// Where a connector of the demo writes.
#[derive(Clone, Copy)]
enum Target {
    /// A table of Postgres.
    Table(&'static str),
    /// A topic of so many partitions, by transactions of Kafka.
    Topic(&'static str, i32),
}

/// A connector of the demo.
#[derive(Clone, Copy)]
struct Connector {
    /// As its config names it.
    name: &'static str,
    system: System,
    target: Target,
}

impl Connector {
    const fn to_postgres(name: &'static str, system: System) -> Self {
        Self {
            name,
            system,
            target: Target::Table(system.table),
        }
    }

    fn expected(&self, produced: &Produced) -> Split {
        let mut systems = produced.systems.iter();
        let found = systems.find(|(it, _)| it.topic == self.system.topic);
        found.map_or(Split::default(), |(_, split)| *split)
    }
}

/// The demo's connectors; the file that is POSTed has the connector's name. The anomalies of
/// vehicles go both to Postgres and to Kafka.
const CONNECTORS: [Connector; 6] = [
    Connector::to_postgres("activity-events-sink", ACTIVITY),
    Connector::to_postgres("postgres-telescope-data-sink", TELESCOPE),
    Connector::to_postgres("iot-measurements-sink", IOT),
    Connector::to_postgres("fleet-anomalies-sink", TELEMETRY),
    Connector {
        name: "fleet-anomalies",
        system: TELEMETRY,
        target: Target::Topic(ANOMALIES_TOPIC, ANOMALIES_PARTITIONS),
    },
    Connector::to_postgres("user-activity-metrics-sink", USER_ACTIVITY),
];

const LIMIT: Duration = Duration::from_secs(60);

/// Says where everything listens.
pub fn listening(addresses: &Addresses) {
    let Addresses {
        kafka,
        registry,
        postgres,
        rest,
    } = addresses;
    println!();
    println!("  REST               {rest}");
    println!("  Kafka              {kafka}");
    println!("  Schema Registry    {registry}");
    println!("  Postgres           postgres://ferrule:ferrule@{postgres}/ferrule");
    println!();
}

/// Says what to try.
pub fn next_steps(addresses: &Addresses) {
    let Addresses { postgres, rest, .. } = addresses;
    let (host, port) = (postgres.ip(), postgres.port());
    println!();
    println!("Try next:");
    println!("  curl -s '{rest}/connectors?expand=status'");
    println!("  curl -s {rest}/connectors/activity-events-sink/status");
    println!("  curl -s '{rest}/connector-plugins?connectorsOnly=false'");
    println!("  curl -s {rest}/metrics");
    println!("  psql postgres://ferrule:ferrule@{host}:{port}/ferrule \\");
    println!("       -c 'SELECT * FROM track_activity_log ORDER BY id DESC LIMIT 3' \\");
    println!("       -c 'SELECT connector, topic, partition, next_offset FROM ferrule.offsets'");
    println!();
}

/// Deploys, produces, watches, and checks that every record is accounted for.
pub async fn run(
    connectors: &Path,
    records: usize,
    addresses: &Addresses,
    mut database: Database,
) -> Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(LIMIT)
        .build()?;
    healthy(&client, &addresses.rest).await?;
    let produced = produce(&addresses.kafka, &addresses.registry, records).await?;
    say(&format!(
        "produced {} records to each of {} topics in {:.2} s, one in twenty malformed",
        records,
        produced.systems.len(),
        produced.elapsed.as_secs_f64()
    ));
    let started = Instant::now();
    for connector in CONNECTORS {
        let file = connectors.join(format!("{}.json", connector.name));
        deploy(&client, &file, addresses).await?;
    }
    watch(&produced, addresses, &mut database, started).await?;
    let elapsed = started.elapsed();
    let landed = CONNECTORS.map(|connector| connector.expected(&produced).landed);
    let total: usize = landed.iter().sum();
    say(&format!(
        "{total} rows and records landed within {:.2} s of the first POST ({:.0}/s, start-up \
         included)",
        elapsed.as_secs_f64(),
        total as f64 / elapsed.as_secs_f64()
    ));
    let mut complete = true;
    for connector in CONNECTORS {
        let expected = connector.expected(&produced);
        complete &= account(&connector, expected, addresses, &mut database).await?;
    }
    ensure!(complete, "not every record is accounted for");
    say("every record is accounted for");
    Ok(())
}

/// How far a connector is.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Progress {
    /// Rows or records in its target.
    landed: u64,
    /// Records of its topic that it has done with, the refused ones among them.
    done: u64,
}

/// Tells how far the connector is that writes to a topic.
struct OutputTopic {
    output: Reader,
    offsets: GroupOffsets,
    landed: u64,
}

impl OutputTopic {
    fn open(addresses: &Addresses) -> Result<Vec<Option<Self>>> {
        let open = |connector: &Connector| match connector.target {
            Target::Table(_) => Ok(None),
            Target::Topic(topic, partitions) => {
                let group = format!("connect-{}", connector.name);
                let System {
                    topic: from,
                    partitions: of,
                    ..
                } = connector.system;
                Ok(Some(Self {
                    output: Reader::open(&addresses.kafka, topic, partitions)?,
                    offsets: GroupOffsets::of(&addresses.kafka, &group, from, of)?,
                    landed: 0,
                }))
            }
        };
        CONNECTORS.iter().map(open).collect()
    }

    fn progress(&mut self) -> Result<Progress> {
        let done = self.offsets.done()?;
        let landed = &mut self.landed;
        self.output.read(Duration::ZERO, |_| *landed += 1)?;
        Ok(Progress {
            landed: *landed,
            done,
        })
    }
}

/// Shows how far all are, until all are done.
async fn watch(
    produced: &Produced,
    addresses: &Addresses,
    database: &mut Database,
    started: Instant,
) -> Result<()> {
    let mut outputs = OutputTopic::open(addresses)?;
    let mut last = Vec::new();
    loop {
        let mut landed = Vec::new();
        let mut done = true;
        for (connector, output) in CONNECTORS.iter().zip(&mut outputs) {
            let progress = match output {
                // The client of Kafka waits for answers on the thread that it is called on.
                Some(output) => block_in_place(|| output.progress())?,
                None => Progress {
                    landed: database.count(connector.system.table).await?.unwrap_or(0),
                    done: database.done(connector.system.topic).await?,
                },
            };
            landed.push(progress.landed);
            done &= progress.done >= connector.expected(produced).records() as u64;
        }
        if last != landed {
            show(started.elapsed(), &landed);
            last.clone_from(&landed);
        }
        if done {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            bail!(
                "not all is done after {} s: {landed:?} rows",
                LIMIT.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn show(elapsed: Duration, landed: &[u64]) {
    let counts = CONNECTORS.iter().zip(landed);
    let counts = counts.map(|(connector, n)| match connector.target {
        Target::Table(name) => format!("{name} {n}"),
        Target::Topic(name, _) => format!("topic {name} {n}"),
    });
    say(&format!(
        "{:5.2} s  {}",
        elapsed.as_secs_f64(),
        counts.collect::<Vec<_>>().join(" · ")
    ));
}

/// Compares what landed and what was refused with what was produced.
async fn account(
    connector: &Connector,
    expected: Split,
    addresses: &Addresses,
    database: &mut Database,
) -> Result<bool> {
    let bootstrap = &addresses.kafka;
    let (target, unit, landed) = match connector.target {
        Target::Table(name) => (
            name.to_owned(),
            "rows",
            database.count(name).await?.unwrap_or(0),
        ),
        Target::Topic(name, partitions) => {
            let landed = block_in_place(|| committed_records(bootstrap, name, partitions))?;
            (format!("topic {name}"), "committed records", landed as u64)
        }
    };
    let topic = format!("{}-dlq", connector.system.topic);
    let reasons = block_in_place(|| dead_letters(bootstrap, &topic, connector.name))
        .with_context(|| format!("reading the dead letters of {}", connector.name))?;
    let refused: usize = reasons.iter().map(|(_, n)| n).sum();
    let complete = landed == expected.landed as u64 && refused == expected.refused;
    println!();
    let remembered = match expected.remembered {
        0 => String::new(),
        records => format!(", made of {records} more that the plugin remembers"),
    };
    println!(
        "  {target}  ({landed} of {} {unit}{remembered}; {refused} of {} refused){}",
        expected.landed,
        expected.refused,
        if complete { "" } else { "  <- WRONG" }
    );
    for (reason, count) in reasons {
        println!("    {count:>5} × {reason}");
    }
    Ok(complete)
}

async fn healthy(client: &reqwest::Client, rest: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let answer = client.get(format!("{rest}/health")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        ensure!(
            started.elapsed() < LIMIT,
            "the worker does not become healthy"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `curl -X POST … -d @file`, with the addresses in use where they are not the usual ones.
async fn deploy(client: &reqwest::Client, file: &Path, addresses: &Addresses) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let postgres = format!("localhost:{}", addresses.postgres.port());
    let body = text
        .replace("localhost:5432", &postgres)
        .replace("http://localhost:8081", &addresses.registry);
    let answer = client
        .post(format!("{}/connectors", addresses.rest))
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await?;
    let status = answer.status();
    let answer: Value = answer.json().await.context("the answer is no JSON")?;
    ensure!(
        status.is_success(),
        "POST {}: {status}: {}",
        file.display(),
        answer["message"]
    );
    say(&format!("POST {} -> {status}", file.display()));
    Ok(())
}
