//! How fast one task of the sink writes activity events, and what it costs its process.
//!
//! `cargo run --release -p postgres-sink --example activity -- URL [TABLE [upsert]]`, where
//! the table is one of `sql/002_track_activity_log.sql`, or like it; an upsert's has its key on
//! `kb_object_id`.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use async_trait::async_trait;
use connect_api::{
    Connector as _, Datum, DeadLetter, ErrantRecordReporter, Error, Offset, Origin, Properties,
    Record, RecordBatch, SinkConnector, SinkRecord, TaskContext, TimestampType, TopicPartition,
    json::Shapes,
};
use postgres_sink::PostgresSinkConnector;

const ROWS: i64 = 1_000_000;
const BATCH: usize = 5_000;

struct Refuse;

#[async_trait]
impl ErrantRecordReporter for Refuse {
    async fn report(
        &mut self,
        _: &SinkRecord,
        error: Error,
    ) -> connect_api::Result<Option<DeadLetter>> {
        Err(error)
    }
}

fn event(n: i64) -> String {
    let (minute, second, milli) = (n % 60, n / 60 % 60, n % 1000);
    let (day, track, other) = (n % 28 + 1, n % 5000, n % 77);
    let (latitude, longitude) = ((n % 90) as f64 + 0.1234567, (n % 180) as f64 + 0.7654321);
    format!(r#"{{"track_id":"track-{track}","domain":"AIR","event_type":"updated","#,)
        + &format!(
            r#""activity_type":"LOITERING","kb_object_id":{n},"mode_s":"A{:05X}","mmsi":null,"#,
            n % 0xf_ffff
        )
        + &format!(
            r#""event_timestamp":"2024-05-{day:02}T12:{minute:02}:{second:02}.{milli:03}Z","#
        )
        + &format!(r#""latitude":{latitude},"longitude":-{longitude},"#)
        + &format!(r#""properties":{{"speed":{other},"source":"radar-7","quality":"good"}},"#)
        + &format!(r#""associated_track_ids":["track-{other}","track-{track}"],"#)
        + &format!(r#""associated_kb_ids":[{n},{other}]}}"#)
}

/// CPU time of this process in seconds, user and system.
fn cpu() -> anyhow::Result<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    Ok((
        fields[11].parse::<f64>()? / 100.0,
        fields[12].parse::<f64>()? / 100.0,
    ))
}

fn configured(arguments: &mut impl Iterator<Item = String>) -> Properties {
    let url = arguments.next().unwrap_or_default();
    let table = arguments.next();
    let table = table.unwrap_or_else(|| "track_activity_log".to_owned());
    let pairs = [("connection.url", url), ("table.name.format", table)];
    let mut properties: Properties = pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    if let Some(mode) = arguments.next() {
        for (key, value) in [
            ("insert.mode", mode.as_str()),
            ("pk.mode", "record_value"),
            ("pk.fields", "kb_object_id"),
        ] {
            properties.insert(key.to_owned(), value.to_owned());
        }
    }
    properties
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let properties = configured(&mut std::env::args().skip(1));
    let connector = PostgresSinkConnector::new();
    let config = connector.config_def().parse(&properties)?;
    let context = TaskContext {
        connector: format!("activity-{}", std::process::id()),
        ..TaskContext::default()
    };
    let mut task = connector.task(&config, &context)?;
    let topic_partition = Arc::new(TopicPartition::new("activity-events", 0));
    let offsets = task.offsets().context("the sink keeps offsets")?;
    offsets.open(&[(*topic_partition).clone()]).await?;
    offsets
        .start_at(&[((*topic_partition).clone(), Offset(0))])
        .await?;
    let mut shapes = Shapes::default();
    let (mut wall, mut user, mut system) = (0.0, 0.0, 0.0);
    for first in (0..ROWS).step_by(BATCH) {
        let given = batch(&topic_partition, first, &mut shapes)?;
        let (before, start) = (cpu()?, Instant::now());
        task.put(&[given], &mut Refuse).await?;
        let after = cpu()?;
        wall += start.elapsed().as_secs_f64();
        user += after.0 - before.0;
        system += after.1 - before.1;
    }
    task.stop().await;
    let rate = ROWS as f64 / wall;
    println!(
        "{ROWS} rows in {wall:.2} s: {rate:.0} rows/s; CPU of the sink: {user:.2} s user, \
         {system:.2} s system"
    );
    Ok(())
}

/// Reading the JSON is the converter's work and is not counted.
fn batch(
    topic_partition: &Arc<TopicPartition>,
    first: i64,
    shapes: &mut Shapes,
) -> anyhow::Result<RecordBatch> {
    let next_offset = first + BATCH as i64;
    let mut records = Vec::with_capacity(BATCH);
    for offset in first..next_offset {
        records.push(SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(topic_partition.partition),
                key: Datum::NULL,
                value: Datum::schemaless(shapes.read(event(offset).as_bytes())?),
                headers: Vec::new(),
                timestamp: None,
            },
            origin: Origin::new(topic_partition, Offset(offset)),
            timestamp_type: TimestampType::None,
        });
    }
    Ok(RecordBatch {
        topic_partition: Arc::clone(topic_partition),
        records,
        first_offset: Offset(first),
        next_offset: Offset(next_offset),
        last_timestamp: None,
        dead_letters: Vec::new(),
        state: Vec::new(),
    })
}
