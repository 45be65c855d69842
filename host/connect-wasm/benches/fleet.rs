//! What the plugin `fleet-anomalies` takes for a frame: microseconds, the least of many batches.
//!
//! `cargo bench -p connect-wasm --bench fleet`, after `make plugins`. Sixty vehicles send ten
//! frames a second each, for longer than an event is remembered; one in five hundred frames is an
//! anomaly.

mod stand;

use std::sync::Arc;
use std::time::Instant;

use connect_api::{
    Datum, Field, Kind, Offset, Origin, Outcome, Record, Schema, SinkRecord, Struct, Tick,
    TickReason, Timestamp, TimestampType, TopicPartition, Value,
};

const VEHICLES: i64 = 60;
/// Frames of a batch.
const BATCH: i64 = 1_000;
const BATCHES: i64 = 100;
const FIELDS: [&str; 9] = [
    "event_id",
    "vehicle_id",
    "scene_id",
    "track_id",
    "event_time",
    "processing_time",
    "frame_index",
    "telemetry",
    "metadata",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut transform = stand::transform("fleet-anomalies")?;
    let topic_partition = Arc::new(TopicPartition::new("raw_telemetry", 0));
    let any = Schema {
        optional: true,
        ..Schema::new(Kind::Any)
    };
    let fields = FIELDS.map(|name| Field::new(name, any.clone()));
    let schema = Arc::new(Schema::new(Kind::Struct(fields.into())));
    let (mut least, mut anomalies) = (f64::INFINITY, 0);
    for batch in 0..BATCHES {
        let offsets = batch * BATCH..(batch + 1) * BATCH;
        let mut records: Vec<_> = offsets
            .map(|at| record(&topic_partition, &schema, at))
            .collect();
        let begin = Instant::now();
        let outcomes = transform.apply(&topic_partition, &mut records)?;
        let tick = Tick {
            next_offset: Offset((batch + 1) * BATCH),
            reason: TickReason::Batch,
        };
        transform.tick(&topic_partition, tick)?;
        let took = begin.elapsed().as_secs_f64();
        // The first batches have little to remember.
        if batch > BATCHES / 2 {
            least = least.min(took);
        }
        let made = outcomes.iter().map(|outcome| match outcome {
            Outcome::Change => 1,
            Outcome::Replace(made) => made.len(),
            _ => 0,
        });
        anomalies += made.sum::<usize>();
        transform.durable(&topic_partition, Offset((batch + 1) * BATCH));
    }
    let micros = least * 1e6 / BATCH as f64;
    println!(
        "fleet-anomalies: {micros:.2} µs/record, {:.0} records/s, {anomalies} anomalies in {}",
        1e6 / micros,
        BATCH * BATCHES
    );
    Ok(())
}

fn record(topic_partition: &Arc<TopicPartition>, schema: &Arc<Schema>, offset: i64) -> SinkRecord {
    let (vehicle, index) = (offset % VEHICLES, offset / VEHICLES);
    let at = 1_705_314_225_000 + index * 100;
    let brakes = offset % 500 == 499;
    let (velocity, acceleration) = if brakes {
        (4.2, -4.5)
    } else {
        (12.34567, 0.12345)
    };
    let telemetry = format!(
        r#"{{"position":{{"x":123.45,"y":67.89,"z":0.0}},"velocity":{{"x":{velocity},"y":0.1,"z":0.0,"magnitude":{velocity}}},"acceleration":{{"x":{acceleration},"y":0.0,"z":0.0,"magnitude":0.5}},"yaw":1.23,"yaw_rate":0.05,"label_probability":0.95,"track_length":120}}"#
    );
    let metadata = r#"{"replay_session_id":"session_abc123","replay_rate":10.0}"#;
    let values = vec![
        Value::from(format!("00000000-0000-4000-8000-{offset:012x}").as_str()),
        Value::from(format!("scene_{vehicle}_track_456").as_str()),
        Value::from(format!("scene_{vehicle}").as_str()),
        Value::Int(456),
        Value::from("2024-01-15T10:23:45.123Z"),
        Value::from("2024-01-15T10:23:45.125Z"),
        Value::Int(index),
        Value::Json(telemetry.into()),
        Value::Json(metadata.into()),
    ];
    SinkRecord {
        record: Record {
            topic: Arc::clone(&topic_partition.topic),
            partition: Some(topic_partition.partition),
            key: Datum::NULL,
            value: Datum::schemaless_row(Struct::new(Arc::clone(schema), values)),
            headers: Vec::new(),
            timestamp: Some(Timestamp(at)),
        },
        origin: Origin::new(topic_partition, Offset(offset)),
        timestamp_type: TimestampType::CreateTime,
    }
}
