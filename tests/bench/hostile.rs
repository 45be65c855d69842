//! A hostile neighbour: what a plugin that does harm costs another connector of the same worker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::names;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use crate::contender::{Contender, ferrule};
use crate::drain::Case;
use crate::events::Format;
use crate::events::fill::Topic;
use crate::heavy::{Heavy, RECORD_MEMORY};
use crate::meter;
use crate::stand::Stand;
use crate::table;
use crate::target::Target;

const TARGET: Target = Target {
    indexes: false,
    upsert: false,
};
const LIMIT: Duration = Duration::from_secs(600);
/// What a record of `test-guest` orders; one of so many records does, the others are kept.
const HARM: [&str; 8] = [
    "loop",
    "allocate",
    "recurse",
    "trap",
    "huge",
    "state-forever",
    "log",
    "one-outcome-less",
];
const ONE_OF: usize = 500;
/// Of each neighbour's topic: more than it gets done meanwhile.
const RECORDS: usize = 100_000;

/// What a run gave.
struct Measured {
    rows_per_second: f64,
    /// MiB of the worker: with the neighbour at work, when the drain is over, and at most.
    rss: [f64; 3],
    /// What became of the neighbour.
    neighbour: String,
}

/// What runs beside the good connector.
#[derive(Clone, Copy)]
enum Neighbour {
    Nobody,
    /// A plugin that does this harm.
    Harmful(&'static str),
    Heavy(Heavy),
}

/// Measures the good connector alone, and then beside each neighbour.
pub async fn report(stand: &Stand) -> Result<()> {
    let topic = Topic::new(Format::Json, 1, stand.options.rows);
    topic.fill(stand).await?;
    let title = format!(
        "A hostile neighbour on the same worker: {} JSON events, one task each, {}; one of {ONE_OF} \
         of the neighbour's records does harm",
        stand.options.rows,
        TARGET.name()
    );
    let columns = [
        "neighbour",
        "rows/s",
        "of alone",
        "RSS before MiB",
        "RSS after MiB",
        "peak RSS MiB",
        "the neighbour's task",
    ];
    table::head(&title, &columns);
    let alone = measure(stand, &topic, Neighbour::Nobody).await?;
    row("none", &alone, &alone);
    for harm in HARM {
        if stand.options.wants(harm) {
            let neighbour = Neighbour::Harmful(harm);
            row(harm, &measure(stand, &topic, neighbour).await?, &alone);
        }
    }
    for heavy in Heavy::ALL {
        if stand.options.wants(heavy.name()) {
            let measured = measure(stand, &topic, Neighbour::Heavy(heavy)).await?;
            row(heavy.name(), &measured, &alone);
        }
    }
    stand.kafka.delete_topic(&topic.name).await
}

fn row(name: &str, measured: &Measured, alone: &Measured) {
    let mib = measured.rss.map(|mib| format!("{mib:.0}"));
    let [before, after, peak] = mib;
    table::row(&[
        name.to_owned(),
        format!("{:.0}", measured.rows_per_second),
        format!("{:.2}", measured.rows_per_second / alone.rows_per_second),
        before,
        after,
        peak,
        measured.neighbour.clone(),
    ]);
}

async fn measure(stand: &Stand, topic: &Topic, beside: Neighbour) -> Result<Measured> {
    TARGET.create(stand, "drained").await?;
    let config = WorkerConfig::new(&stand.kafka.bootstrap())?;
    let config = config.set(RECORD_MEMORY.0, RECORD_MEMORY.1);
    let mut worker = TestWorker::start(config).await?;
    let pid = worker.pid().context("the worker is not running")?;
    let neighbour = match beside {
        Neighbour::Nobody => None,
        Neighbour::Harmful(harm) => Some(harmful(stand, &worker, harm).await?),
        Neighbour::Heavy(heavy) => {
            let name = heavy.start(stand, &worker).await?;
            busy(stand, &name).await?;
            Some(name)
        }
    };
    let before = meter::rss(pid)?;
    meter::reset_peak_rss(pid)?;
    let name = names::unique("good");
    let case = Case {
        contender: Contender::Ferrule,
        topic,
        table: "drained",
        target: TARGET,
        tasks: 1,
        connectors: 1,
        settings: &[],
    };
    let body = ferrule(stand, &case, &name);
    worker.rest().create(&body).await?;
    let done = async || done(stand, &name).await;
    let wait = async |rows: u64| -> Result<(Instant, u64)> {
        let until = Instant::now() + LIMIT;
        loop {
            let found = done().await?;
            if found >= rows {
                return Ok((Instant::now(), found));
            }
            ensure!(Instant::now() < until, "{found} rows of {rows} are there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (first, at_first) = wait(1).await?;
    let (last, all) = wait(topic.rows).await?;
    ensure!(all > at_first, "all rows came at once: take more of them");
    let rss = [before, meter::rss(pid)?, meter::peak_rss(pid)?];
    let status = match &neighbour {
        Some(name) => {
            let status = worker.rest().status(name).await?;
            status["tasks"][0]["state"]
                .as_str()
                .unwrap_or("?")
                .to_owned()
        }
        None => "–".to_owned(),
    };
    worker.be_quiet();
    Ok(Measured {
        rows_per_second: (all - at_first) as f64 / (last - first).as_secs_f64(),
        rss,
        neighbour: status,
    })
}

/// How many records of its topic the connector has done.
async fn done(stand: &Stand, connector: &str) -> Result<u64> {
    let query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ferrule.offsets \
                 WHERE connector = $1";
    // Its table comes with the first task.
    let there = stand
        .database
        .texts("SELECT to_regclass('ferrule.offsets')::text");
    if there.await?.iter().all(Option::is_none) {
        return Ok(0);
    }
    let query = sqlx::query_scalar(query).bind(connector);
    let done: i64 = query.fetch_one(stand.database.pool()).await?;
    Ok(u64::try_from(done)?)
}

/// Starts the neighbour, and waits until it has met its first harm.
async fn harmful(stand: &Stand, worker: &TestWorker, harm: &str) -> Result<String> {
    let name = names::unique("harmful");
    stand.kafka.create_topic(&name, 1).await?;
    let order = |number: usize| match number % ONE_OF {
        1 => harm,
        _ => "keep",
    };
    let records = (0..RECORDS).map(|number| Record::json(&json!({ "cmd": order(number) })));
    stand.kafka.produce(&name, records).await?;
    let table = "DROP TABLE IF EXISTS harmed; CREATE TABLE harmed (cmd text)";
    stand.database.execute(table).await?;
    let config = json!({
        "connector.class": "FerrulePostgresSink",
        "topics": name,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "connection.url": stand.database.jdbc_url(),
        "connection.user": "ferrule",
        "connection.password": "ferrule",
        "table.name.format": "harmed",
        "pk.mode": "none",
        "transforms": "guest",
        "transforms.guest.type": "test-guest",
        "errors.tolerance": "all",
        "consumer.override.max.poll.records": ONE_OF.to_string(),
    });
    let body = json!({ "name": name, "config": config });
    worker.rest().create(&body).await?;
    busy(stand, &name).await?;
    Ok(name)
}

/// Waits until a neighbour has written something.
async fn busy(stand: &Stand, neighbour: &str) -> Result<()> {
    wait_until(LIMIT, "the neighbour's first rows", async || {
        Ok(done(stand, neighbour).await? > 0)
    })
    .await
}
