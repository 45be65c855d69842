//! The demo: five connectors by HTTP, sample records, and what became of each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use embedded::Database;
use embedded::demo::{ACTIVITY, IOT, Split, System, TELEMETRY, TELESCOPE, USER_ACTIVITY, produce};
use serde_json::Value;

use super::{Addresses, letters, say};

/// The demo's connectors: the file that is POSTed, and its system. The anomalies go to Postgres, as
/// the embedded broker has no transactions for a sink of Kafka.
const CONNECTORS: [(&str, System); 5] = [
    ("activity-events-sink.json", ACTIVITY),
    ("postgres-telescope-data-sink.json", TELESCOPE),
    ("iot-measurements-sink.json", IOT),
    ("fleet-anomalies-sink.json", TELEMETRY),
    ("user-activity-metrics-sink.json", USER_ACTIVITY),
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
    for (file, _) in CONNECTORS {
        deploy(&client, &connectors.join(file), addresses).await?;
    }
    let expected = |system: &System| {
        let found = produced
            .systems
            .iter()
            .find(|(produced, _)| produced.topic == system.topic);
        found.map_or(Split::default(), |(_, split)| *split)
    };
    let mut last = None;
    loop {
        let mut rows = Vec::new();
        let mut done = true;
        for (_, system) in CONNECTORS {
            rows.push(database.count(system.table).await?.unwrap_or(0));
            done &= database.done(system.topic).await? >= expected(&system).records() as u64;
        }
        if last.as_ref() != Some(&rows) {
            progress(started.elapsed(), &rows);
            last = Some(rows.clone());
        }
        if done {
            break;
        }
        if started.elapsed() > LIMIT {
            bail!("not all is done after {} s: {rows:?} rows", LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let elapsed = started.elapsed();
    let total: usize = CONNECTORS.iter().map(|(_, s)| expected(s).landed).sum();
    say(&format!(
        "{total} rows landed within {:.2} s of the first POST ({:.0} rows/s, start-up included)",
        elapsed.as_secs_f64(),
        total as f64 / elapsed.as_secs_f64()
    ));
    let mut complete = true;
    for (_, system) in CONNECTORS {
        complete &= account(&system, expected(&system), addresses, &mut database).await?;
    }
    ensure!(complete, "not every record is accounted for");
    say("every record is accounted for");
    Ok(())
}

fn progress(elapsed: Duration, rows: &[u64]) {
    let counts = CONNECTORS
        .iter()
        .zip(rows)
        .map(|((_, system), n)| format!("{} {n}", system.table));
    say(&format!(
        "{:5.2} s  {}",
        elapsed.as_secs_f64(),
        counts.collect::<Vec<_>>().join(" · ")
    ));
}

/// Compares the rows and the refused records of a system with what was produced.
async fn account(
    system: &System,
    expected: Split,
    addresses: &Addresses,
    database: &mut Database,
) -> Result<bool> {
    let rows = database.count(system.table).await?.unwrap_or(0);
    let topic = format!("{}-dlq", system.topic);
    let bootstrap = addresses.kafka.clone();
    let read = tokio::task::spawn_blocking(move || letters::read(&bootstrap, &topic));
    let letters = read.await.context("reading the dead letters")??;
    let refused: usize = letters.iter().map(|(_, n)| n).sum();
    let complete = rows == expected.landed as u64 && refused == expected.refused;
    println!();
    let remembered = match expected.remembered {
        0 => String::new(),
        records => format!(", made of {records} more that the plugin remembers"),
    };
    println!(
        "  {}  ({rows} of {} rows{remembered}; {refused} of {} refused){}",
        system.table,
        expected.landed,
        expected.refused,
        if complete { "" } else { "  <- WRONG" }
    );
    for (reason, count) in letters {
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
