//! The demo: the five systems by HTTP, sample records, and what became of each.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::task::block_in_place;

use super::account::{Check, Facts, checks, reasons};
use super::databases::Databases;
use super::http::{Http, Posts};
use super::produce::{Acting, Produced, produce, produce_actions};
use super::progress::{Deployed, Watch, Watching};
use super::systems::{Connector, ExampleSystem, Target};
use super::table::Table;
use super::{Addresses, say};
use crate::produce::generate::{ACTIONS_TOPIC, ACTIVITY, Alert, USER_ACTIVITY};
use crate::topics::file::Topic;

/// How long all may take. An interval of users is over after half a minute.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// Where records are POSTed, and into which topics they go.
const PATHS: [(&str, &str); 2] = [
    (ACTIVITY.topic, "/api/activity/log"),
    (USER_ACTIVITY.topic, "/activity"),
];

/// What to show, and where.
pub struct Demo<'a> {
    /// Where the configs of connectors are.
    pub connectors: &'a Path,
    /// The systems.
    pub systems: &'a [&'static ExampleSystem],
    /// Their topics, which are there.
    pub topics: &'a [Topic],
    /// Records of each system.
    pub records: usize,
    /// Where everything listens.
    pub addresses: &'a Addresses,
}

/// Says where everything listens.
pub fn listening(systems: &[&'static ExampleSystem], addresses: &Addresses) {
    let Addresses {
        kafka,
        registry,
        postgres,
        rest,
        http,
    } = addresses;
    println!();
    println!("  REST               {rest}");
    println!("  HTTP of connectors http://{http}");
    println!("  Kafka              {kafka}");
    println!("  Schema Registry    {registry}");
    println!("  Postgres           postgres://ferrule:ferrule@{postgres}/ferrule");
    for system in systems {
        println!("    {:<16} {}", system.name, system.database.url(*postgres));
    }
    println!();
}

/// Says what to try.
pub fn next_steps(systems: &[&'static ExampleSystem], addresses: &Addresses) {
    let Addresses { rest, http, .. } = addresses;
    let all = systems.iter().flat_map(|system| {
        let all = system.connectors.iter();
        all.map(move |connector| (system, connector))
    });
    let table = all
        .clone()
        .find_map(|(system, connector)| match connector.target {
            Target::Tables(tables) => Some((system, connector.name, tables[0])),
            _ => None,
        });
    let Some((system, name, table)) = table else {
        return;
    };
    println!();
    println!("Try next:");
    println!("  curl -s '{rest}/connectors?expand=status'");
    println!("  curl -s {rest}/connectors/{name}/status");
    println!("  curl -s {rest}/metrics");
    println!("  psql {} \\", system.database.url(addresses.postgres));
    println!("       -c 'SELECT * FROM {table} LIMIT 3' \\");
    println!("       -c 'SELECT connector, topic, partition, next_offset FROM ferrule.offsets'");
    if systems.iter().any(|system| system.name == "shark") {
        println!(
            "  curl -X POST http://{http}/api/activity/log -H 'Content-Type: application/json' \\"
        );
        println!(
            "       -d '{{\"track_id\": \"TEST-001\", \"domain\": \"MARITIME\", \"mmsi\": \"123456789\","
        );
        println!(
            "            \"event_type\": \"activity_detected\", \"activity_type\": \"port_call\"}}'"
        );
        println!("  curl -s http://{http}/api/activity/mmsi/123456789");
    }
    println!();
}

/// Produces, deploys, sends requests, watches, and checks that every record is accounted for. The
/// watch that it gives goes on to tell how far all are.
pub async fn run(demo: Demo<'_>, databases: Databases) -> Result<Watch> {
    let http = Http::new(demo.addresses)?;
    http.healthy().await?;
    let names: Vec<&str> = demo.systems.iter().map(|system| system.name).collect();
    let produced = produce(demo.addresses, &names, demo.records).await?;
    told_of(&produced);
    let started = Instant::now();
    let mut deployed = Vec::new();
    for system in demo.systems {
        for connector in system.connectors {
            let file = demo.connectors.join(format!("{}.json", connector.name));
            deployed.push(Deployed {
                connector,
                system,
                group: http.deploy(&file).await?,
            });
        }
    }
    let posts = post(&http, &produced).await?;
    let watching = Watching {
        addresses: demo.addresses,
        topics: demo.topics,
        http: http.clone(),
        facts: Facts {
            produced,
            posts,
            ..Facts::default()
        },
    };
    let mut watch = block_in_place(|| Watch::new(deployed, databases, watching))?;
    until_done(&mut watch, &http, &demo, started).await?;
    let landed: u64 = watch.connectors().map(|(.., it)| it.landed).sum();
    say(&format!(
        "{landed} rows, records and answers landed within {:.1} s of the first POST, start-up and \
         the end of the last interval included",
        started.elapsed().as_secs_f64()
    ));
    account(&mut watch).await?;
    Ok(watch)
}

fn told_of(produced: &Produced) {
    let posts: usize = produced.posts.values().map(Vec::len).sum();
    say(&format!(
        "produced {} records to {} topics in {:.2} s, one in twenty malformed; {posts} more are \
         for HTTP",
        produced.records() - posts,
        produced.direct.len(),
        produced.elapsed.as_secs_f64()
    ));
}

/// POSTs a part of the records, as their clients would.
async fn post(http: &Http, produced: &Produced) -> Result<BTreeMap<&'static str, Posts>> {
    let mut all = BTreeMap::new();
    for (topic, path) in PATHS {
        let Some(samples) = produced.posts.get(topic) else {
            continue;
        };
        let started = Instant::now();
        let posts = http.post(path, samples).await?;
        say(&format!(
            "POST {path} × {}: {} answered 202, {} answered 400, {} otherwise, in {:.2} s",
            samples.len(),
            posts.accepted + posts.passed,
            posts.refused,
            posts.wrong,
            started.elapsed().as_secs_f64()
        ));
        all.insert(topic, posts);
    }
    Ok(all)
}

/// Shows how far all are, until all is as it must be: as a table on a terminal, as lines elsewhere.
async fn until_done(
    watch: &mut Watch,
    http: &Http,
    demo: &Demo<'_>,
    started: Instant,
) -> Result<()> {
    let mut table = std::io::stdout().is_terminal().then(|| Table::new(started));
    let mut last: Vec<u64> = Vec::new();
    loop {
        watch.look().await?;
        match &mut table {
            Some(table) => table.draw(watch),
            None => {
                let landed = watch.connectors().map(|(.., it)| it.landed).collect();
                if last != landed {
                    show(started.elapsed(), watch);
                    last = landed;
                }
            }
        }
        let wrong = wrong(watch).await?;
        if let Some(line) = act(watch, http, demo).await? {
            match &mut table {
                Some(table) => table.say(&line),
                None => say(&line),
            }
        }
        look_back(watch, http, &wrong).await?;
        if watch.is_done() && wrong.is_empty() {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            // The account says what is missing.
            account(watch).await?;
            bail!("not all is done after {} s", LIMIT.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The connectors of which something is not as it must be.
async fn wrong(watch: &mut Watch) -> Result<Vec<&'static str>> {
    let mut wrong = Vec::new();
    for (system, connector) in pairs(watch) {
        let checks = checks(system, connector, watch).await?;
        if checks.iter().any(|check| check.found != check.expected) {
            wrong.push(connector.name);
        }
    }
    Ok(wrong)
}

fn pairs(watch: &Watch) -> Vec<(&'static ExampleSystem, &'static Connector)> {
    let all = watch.connectors();
    all.map(|(system, connector, _)| (system, connector))
        .collect()
}

const ALERTS: &str =
    "SELECT ARRAY[alert_id::text, vehicle_id] FROM operator_alerts ORDER BY alert_id::text";

/// Once all alerts are open, operators act on them. Gives what there is to say of it.
async fn act(watch: &mut Watch, http: &Http, demo: &Demo<'_>) -> Result<Option<String>> {
    let has_alerts = demo.systems.iter().any(|system| system.name == "fleetops");
    if !has_alerts || watch.facts.actions.is_some() {
        return Ok(None);
    }
    let stops = watch.facts.produced.split("raw_telemetry").landed;
    let rows = watch.databases.of("fleetops")?.texts(ALERTS).await?;
    if rows.len() < stops {
        return Ok(None);
    }
    let alerts = rows.into_iter().filter_map(|row| {
        let [alert_id, vehicle_id] = <[String; 2]>::try_from(row).ok()?;
        Some(Alert {
            alert_id,
            vehicle_id,
        })
    });
    let alerts: Vec<Alert> = alerts.collect();
    watch.facts.alert = alerts.first().map(|alert| alert.alert_id.clone());
    let acting = produce_actions(&demo.addresses.kafka, alerts).await?;
    let Acting {
        actions,
        direct,
        posts,
    } = acting;
    let answered = http.post_in_turn("/api/actions", &posts).await?;
    let Facts {
        produced,
        posts: all_posts,
        ..
    } = &mut watch.facts;
    produced.direct.insert(ACTIONS_TOPIC, direct);
    produced.posts.insert(ACTIONS_TOPIC, posts);
    all_posts.insert(ACTIONS_TOPIC, answered);
    let told = format!(
        "operators act on {stops} alerts: {} actions are to be taken, {} are not, {} are malformed",
        actions.legal, actions.illegal, actions.malformed
    );
    watch.facts.actions = Some(actions);
    Ok(Some(told))
}

/// What is to be asked: the connector that answers, the sink that must be done before, the path.
fn questions(facts: &Facts) -> Vec<(&'static str, &'static str, String)> {
    let mut questions = Vec::new();
    if let Some(ship) = &facts.produced.ship {
        let path = format!("/api/activity/mmsi/{}", ship.mmsi);
        questions.push(("activity-history-query", "activity-events-sink", path));
    }
    if let Some(alert) = facts.alert.as_ref().filter(|_| facts.actions.is_some()) {
        let sink = "fleet-alerts-sink";
        let all = "/api/alerts?status=ALL&limit=1000".to_owned();
        questions.push(("fleet-alerts-query", sink, all));
        let path = format!("/api/alerts/{alert}/history");
        questions.push(("fleet-alert-history-query", sink, path));
    }
    questions
}

/// Once all is in the tables, one ship's history is asked for, and all alerts.
async fn look_back(watch: &mut Watch, http: &Http, wrong: &[&str]) -> Result<()> {
    for (connector, sink, path) in questions(&watch.facts) {
        if !watch.facts.answers.contains_key(connector) && !wrong.contains(&sink) {
            let rows = http.rows(&path).await?;
            watch.facts.answers.insert(connector, rows);
        }
    }
    Ok(())
}

/// Goes on to show the table, on a terminal. Does not end by itself.
pub async fn keep_showing(mut watch: Watch) {
    if !std::io::stdout().is_terminal() {
        return std::future::pending().await;
    }
    let mut table = Table::new(Instant::now());
    loop {
        match watch.look().await {
            Ok(()) => table.draw(&watch),
            Err(error) => table.say(&format!("the table cannot be shown: {error:#}")),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn show(elapsed: Duration, watch: &Watch) {
    let counts = watch.connectors().map(|(_, connector, progress)| {
        let n = progress.landed;
        match connector.target {
            Target::Tables(tables) => format!("{} {n}", tables[0]),
            Target::Topic(name) => format!("topic {name} {n}"),
            Target::Answers(_) => format!("answers {n}"),
        }
    });
    say(&format!(
        "{:5.2} s  {}",
        elapsed.as_secs_f64(),
        counts.collect::<Vec<_>>().join(" · ")
    ));
}

/// Says of each connector what has become of its records.
///
/// # Errors
/// When something is not as it must be.
async fn account(watch: &mut Watch) -> Result<()> {
    watch.look().await?;
    let mut complete = true;
    let states: Vec<u64> = watch.connectors().map(|(.., it)| it.state).collect();
    let mut name = "";
    for ((system, connector), entries) in pairs(watch).into_iter().zip(states) {
        if system.name != name {
            name = system.name;
            println!("\n{name}");
        }
        println!("  {}", connector.name);
        for check in checks(system, connector, watch).await? {
            complete &= check.found == check.expected;
            tell(&check);
        }
        for (reason, count) in reasons(connector, &watch.topics.seen) {
            println!("      {count:>5} × {reason}");
        }
        if entries > 0 {
            println!(
                "      its plugin keeps {entries} entries: ferrule plugin state {}",
                connector.name
            );
        }
    }
    println!();
    ensure!(complete, "not every record is accounted for");
    say("every record is accounted for");
    Ok(())
}

fn tell(check: &Check) {
    let Check {
        what,
        found,
        expected,
    } = check;
    let mark = if found == expected { "" } else { "  <- WRONG" };
    println!("    {found} of {expected} {what}{mark}");
}
