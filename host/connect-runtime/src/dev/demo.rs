//! The demo: six connectors by HTTP, sample records, and what became of each.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use embedded::Database;
use serde_json::Value;
use tokio::task::block_in_place;

use super::produce::{Produced, produce};
use super::progress::{Progress, Table, Watch};
use super::systems::{Connector, ExampleSystem, Target};
use super::topics::{committed_records, dead_letters};
use super::{Addresses, say};
use crate::produce::generate::Split;

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
pub fn next_steps(systems: &[&'static ExampleSystem], addresses: &Addresses) {
    let Addresses { postgres, rest, .. } = addresses;
    let mut connectors = systems.iter().flat_map(|system| system.connectors);
    let Some(Connector { name, input, .. }) = connectors.next() else {
        return;
    };
    let table = input.table;
    let (host, port) = (postgres.ip(), postgres.port());
    println!();
    println!("Try next:");
    println!("  curl -s '{rest}/connectors?expand=status'");
    println!("  curl -s {rest}/connectors/{name}/status");
    println!("  curl -s '{rest}/connector-plugins?connectorsOnly=false'");
    println!("  curl -s {rest}/metrics");
    println!("  psql postgres://ferrule:ferrule@{host}:{port}/ferrule \\");
    println!("       -c 'SELECT * FROM {table} LIMIT 3' \\");
    println!("       -c 'SELECT connector, topic, partition, next_offset FROM ferrule.offsets'");
    println!();
}

/// Deploys, produces, watches, and checks that every record is accounted for. The watch that it
/// gives goes on to tell how far all are.
pub async fn run(
    connectors: &Path,
    systems: &[&'static ExampleSystem],
    records: usize,
    addresses: &Addresses,
    database: Database,
) -> Result<Watch> {
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
    let deployed: Vec<Connector> = systems
        .iter()
        .flat_map(|system| system.connectors)
        .copied()
        .collect();
    for connector in &deployed {
        let file = connectors.join(format!("{}.json", connector.name));
        deploy(&client, &file, addresses).await?;
    }
    let mut watch = block_in_place(|| Watch::new(deployed.clone(), addresses, database))?;
    until_done(&mut watch, &produced, started).await?;
    let elapsed = started.elapsed();
    let landed = deployed.iter().map(|c| c.expected(&produced).landed);
    let total: usize = landed.sum();
    say(&format!(
        "{total} rows and records landed within {:.2} s of the first POST ({:.0}/s, start-up \
         included)",
        elapsed.as_secs_f64(),
        total as f64 / elapsed.as_secs_f64()
    ));
    let mut complete = true;
    for connector in &deployed {
        let expected = connector.expected(&produced);
        complete &= account(connector, expected, addresses, watch.database()).await?;
    }
    ensure!(complete, "not every record is accounted for");
    say("every record is accounted for");
    Ok(watch)
}

/// Shows how far all are, until all are done: as a table on a terminal, as lines elsewhere.
async fn until_done(watch: &mut Watch, produced: &Produced, started: Instant) -> Result<()> {
    let mut table = std::io::stdout().is_terminal().then(|| Table::new(started));
    let mut last: Vec<u64> = Vec::new();
    loop {
        let all = watch.look().await?;
        let done = watch.connectors().zip(&all).all(|(connector, progress)| {
            progress.done >= connector.expected(produced).records() as u64
        });
        match &mut table {
            Some(table) => table.draw(watch, &all),
            None => {
                let landed = all.iter().map(|progress| progress.landed).collect();
                if last != landed {
                    show(started.elapsed(), watch, &all);
                    last = landed;
                }
            }
        }
        if done {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            let landed: Vec<u64> = all.iter().map(|progress| progress.landed).collect();
            bail!(
                "not all is done after {} s: {landed:?} rows",
                LIMIT.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Goes on to show the table, on a terminal. Does not end by itself.
pub async fn keep_showing(mut watch: Watch) {
    if !std::io::stdout().is_terminal() {
        return std::future::pending().await;
    }
    let mut table = Table::new(Instant::now());
    loop {
        match watch.look().await {
            Ok(all) => table.draw(&watch, &all),
            Err(error) => say(&format!("the table cannot be shown: {error:#}")),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn show(elapsed: Duration, watch: &Watch, all: &[Progress]) {
    let counts = watch.connectors().zip(all);
    let counts = counts.map(|(connector, progress)| {
        let n = progress.landed;
        match connector.target {
            Target::Table(name) => format!("{name} {n}"),
            Target::Topic(name, _) => format!("topic {name} {n}"),
        }
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
    let topic = format!("{}-dlq", connector.input.topic);
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
    if let Target::Table(_) = connector.target {
        let kept = database.state_entries(connector.name).await?;
        if let Some(entries) = kept.filter(|entries| *entries > 0) {
            let name = connector.name;
            println!("    its plugin keeps {entries} entries: ferrule plugin state {name}");
        }
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
