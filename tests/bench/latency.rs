//! End-to-end latency: from the producer's hand to the row that a reader sees.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{Executor, PgConnection};

use crate::contender::Contender;
use crate::drain::Case;
use crate::events::Format;
use crate::events::fill::Topic;
use crate::stand::Stand;
use crate::table;
use crate::target::Target;

/// Events a second.
const RATES: [u64; 2] = [1_000, 10_000];
/// What is produced before anything counts: a JVM compiles its code meanwhile.
const WARM_UP: Duration = Duration::from_secs(15);
/// What counts.
const MEASURED: Duration = Duration::from_secs(20);
/// The partitions of the topic.
const PARTITIONS: i32 = 3;
/// How long the last rows may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures and prints all rates for Ferrule and for Kafka Connect.
pub async fn report(stand: &Stand) -> Result<()> {
    let mut headed = false;
    for (contender, who) in [
        (Contender::Ferrule, "Ferrule"),
        (Contender::Connect, "Kafka Connect"),
    ] {
        for rate in RATES {
            let name = format!("latency, {who}, {rate} events/s");
            if !stand.options.wants(&name) {
                continue;
            }
            if !std::mem::replace(&mut headed, true) {
                let title = "Produce to visible row, default settings, Avro, insert, all indexes";
                table::head(title, &["case", "p50 ms", "p99 ms", "max ms"]);
            }
            let mut latencies = measure(stand, contender, rate)
                .await
                .context(name.clone())?;
            latencies.sort_unstable();
            let at = |share: f64| {
                let place = (latencies.len() - 1) as f64 * share;
                format!("{:.1}", latencies[place as usize].as_secs_f64() * 1e3)
            };
            table::row(&[name, at(0.5), at(0.99), at(1.0)]);
        }
    }
    Ok(())
}

async fn measure(stand: &Stand, contender: Contender, rate: u64) -> Result<Vec<Duration>> {
    let rows = rate * (WARM_UP + MEASURED).as_secs();
    let topic = Topic::new(Format::Avro, PARTITIONS, rows);
    let schema = topic.create(stand).await?;
    let case = Case {
        contender,
        topic: &topic,
        table: "visible",
        target: Target {
            indexes: true,
            upsert: false,
        },
        tasks: 1,
        connectors: 1,
        settings: &[],
    };
    case.target.create(stand, case.table).await?;
    let mut reader = stand.superuser().await?;
    // The reader finds the newest row of each partition by this index alone.
    let index = format!(
        "CREATE INDEX ON public.visible ((kb_object_id % {PARTITIONS}), kb_object_id); \
         ALTER TABLE public.visible SET (autovacuum_enabled = false)"
    );
    reader.execute(&*index).await?;
    let name = harness::names::unique("latency");
    let mut running = contender.start(stand, &[]).await?;
    running.order(stand, &case, &name).await?;
    let watch = tokio::spawn(watch(reader, rows));
    let sent = topic.stream(stand, schema, rate).await?;
    let seen = tokio::time::timeout(PATIENCE, watch)
        .await
        .context("the last rows do not come")???;
    running.ensure_running(&name).await?;
    running.be_quiet();
    let from = (rate * WARM_UP.as_secs()) as usize;
    let both = sent.iter().zip(&seen).skip(from);
    Ok(both.map(|(sent, seen)| *seen - *sent).collect())
}

/// Asks without pause for the newest row of each partition, and tells when each row was seen. In a
/// partition rows become visible in order, so the newest stands for all before it.
async fn watch(mut reader: PgConnection, rows: u64) -> Result<Vec<Instant>> {
    let newest = (0..PARTITIONS).map(|partition| {
        format!(
            "(SELECT max(kb_object_id) FROM public.visible \
             WHERE kb_object_id % {PARTITIONS} = {partition})"
        )
    });
    let query = format!("SELECT ARRAY[{}]", newest.collect::<Vec<_>>().join(","));
    let mut seen: Vec<Option<Instant>> = vec![None; usize::try_from(rows)?];
    let mut next: Vec<u64> = (0..PARTITIONS as u64).collect();
    while next.iter().any(|next| *next < rows) {
        let newest: Vec<Option<i64>> = sqlx::query_scalar(&query).fetch_one(&mut reader).await?;
        let now = Instant::now();
        for (next, newest) in next.iter_mut().zip(newest) {
            while newest.is_some_and(|newest| *next <= newest as u64) {
                seen[usize::try_from(*next)?] = Some(now);
                *next += PARTITIONS as u64;
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let all: Option<Vec<_>> = seen.into_iter().collect();
    let all = all.context("a row is missing")?;
    ensure!(all.len() as u64 == rows, "rows are missing");
    Ok(all)
}
