//! A small machine: the IoT system within the memory and the part of a core that its document gives
//! it, at the rate that it expects.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::connect::connector;
use harness::limits::Limits;
use harness::names;
use harness::worker::{TestWorker, WorkerConfig};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sqlx::{Connection, PgConnection};

use crate::meter;
use crate::stand::Stand;
use crate::table;

/// 256 MiB and a third of a core.
const LIMITS: Limits = Limits {
    memory_mib: Some(256),
    cpu_thousandths: Some(333),
};
/// Records a second: the document's figure, and beyond it.
const RATES: [u64; 3] = [1_000, 3_000, 10_000];
const MEASURED: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(120);
const TABLE: &str = include_str!("../../sql/004_iot_measurements.sql");

/// Measures, and prints the table.
pub async fn report(stand: &Stand) -> Result<()> {
    let title = "IoT measurements into their table, in 256 MiB and a third of a core";
    table::head(
        title,
        &[
            "records/s",
            "rows",
            "behind at the end s",
            "CPU of a core",
            "RSS MiB",
        ],
    );
    for rate in RATES {
        table::row(&measure(stand, rate).await?);
    }
    Ok(())
}

async fn measure(stand: &Stand, rate: u64) -> Result<Vec<String>> {
    let mut database = PgConnection::connect(&stand.database.url()).await?;
    sqlx::raw_sql("DROP TABLE IF EXISTS iot_measurements")
        .execute(&mut database)
        .await?;
    sqlx::raw_sql(TABLE).execute(&mut database).await?;
    let config = WorkerConfig::new(&stand.kafka.bootstrap())?.limit(LIMITS);
    let mut worker = TestWorker::start(config).await?;
    ensure!(worker.is_limited(), "this user may make no control groups");
    let topic = names::unique("iot");
    stand.kafka.create_topic(&topic, 1).await?;
    let url = stand.database.jdbc_url();
    let settings = [
        ("topics", topic.as_str()),
        ("connection.url", &url),
        ("connection.user", harness::postgres::USER),
        ("connection.password", harness::postgres::PASSWORD),
        ("errors.deadletterqueue.topic.name", &format!("{topic}-dlq")),
    ];
    let body = connector("iot-measurements-sink.json", &topic, &settings)?;
    worker.rest().create(&body).await?;
    worker.rest().wait_for_state(&topic, "RUNNING").await?;
    let pid = worker.pid().context("the worker is not running")?;
    meter::reset_peak_rss(pid)?;
    let (began, cpu) = (Instant::now(), meter::cpu_seconds(pid)?);
    let records = rate * MEASURED.as_secs();
    let producer: BaseProducer = stand.kafka.client().create()?;
    tokio::task::spawn_blocking(move || produce(&producer, &topic, rate, records)).await??;
    let sent = Instant::now();
    let rows = loop {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM iot_measurements")
            .fetch_one(&mut database)
            .await?;
        if u64::try_from(rows)? >= records {
            break rows;
        }
        ensure!(
            sent.elapsed() < PATIENCE,
            "{rows} of {records} rows are there"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let used = (meter::cpu_seconds(pid)? - cpu) / began.elapsed().as_secs_f64();
    worker.be_quiet();
    Ok(vec![
        rate.to_string(),
        rows.to_string(),
        format!("{:.1}", sent.elapsed().as_secs_f64()),
        format!("{used:.2}"),
        format!("{:.0}", meter::peak_rss(pid)?),
    ])
}

/// Each record is another row.
fn produce(producer: &BaseProducer, topic: &str, rate: u64, records: u64) -> Result<()> {
    let begin = Instant::now();
    for number in 0..records {
        let due = begin + Duration::from_secs_f64(number as f64 / rate as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let device = format!("aa:bb:cc:dd:ee:{:02x}", number % 200);
        let value = format!(
            r#"{{"mac_address":"{device}","mode":"mqtt","data_point_label":"temperature","pin":"{}",
            "timestamp":{},"value":{}.5,"unit":"C","original_topic":"devices/{device}"}}"#,
            number % 7,
            1_767_225_600_000 + number,
            number % 40
        );
        let record = BaseRecord::to(topic).key(&device).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE)?;
    Ok(())
}
