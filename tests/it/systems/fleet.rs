//! FleetOps: anomalies of vehicles, and the alerts that operators work on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use serde_json::{Value, json};

/// The file of the tables.
pub const TABLES: &str = "005_fleet.sql";
/// The connector's file of anomalies.
pub const ANOMALIES: &str = "fleet-anomalies-sink.json";
/// 2024-01-15T10:23:45Z, in milliseconds.
const BEGIN: i64 = 1_705_314_225_000;

/// The id of an event.
pub fn event(vehicle: u64, number: u64) -> String {
    format!("00000000-0000-4000-8000-{:012x}", vehicle << 32 | number)
}

/// A frame of a vehicle, a quarter of a second after the one before, which comes when it is taken.
pub fn frame(vehicle: u64, index: i64, motion: (f64, f64, f64)) -> Record {
    let (velocity, acceleration, probability) = motion;
    let at = BEGIN + index * 250;
    let name = format!("scene_{vehicle}_track_7");
    let number = u64::try_from(index).unwrap_or_default();
    let message = json!({
        "event_id": event(vehicle, number),
        "vehicle_id": name,
        "scene_id": format!("scene_{vehicle}"),
        "track_id": 7,
        "event_time": at,
        "processing_time": at,
        "frame_index": index,
        "telemetry": {
            "position": { "x": 123.45, "y": 67.89, "z": 0.0 },
            "velocity": { "x": velocity, "y": 0.0, "z": 0.0, "magnitude": velocity },
            "acceleration": { "x": acceleration, "y": 0.0, "z": 0.0,
                              "magnitude": acceleration.abs() },
            "yaw": 1.23, "yaw_rate": 0.05, "label_probability": probability, "track_length": 120,
        },
        "metadata": { "replay_session_id": "session_abc123", "replay_rate": 10.0 },
    });
    let partition = i32::try_from(vehicle % 6).unwrap_or_default();
    Record::json(&message)
        .key(name)
        .partition(partition)
        .timestamp(at)
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_becomes_anomalies() -> Result<()> {
    let pipeline = Pipeline::shared("fleet", 6).await?;
    pipeline.database.apply(TABLES).await?;
    pipeline.deploy_file(ANOMALIES, &[]).await?;
    let steady = (10.0, 0.0, 0.9);
    let broken = Record::json(&json!({ "vehicle_id": "v", "event_id": "1" }))
        .partition(5)
        .timestamp(BEGIN);
    let records = [
        // It brakes, with a frame out of order and one twice.
        frame(1, 40, (13.5, -0.1, 0.9)),
        frame(1, 42, (5.0, -4.2, 0.9)),
        frame(1, 41, (10.2, -2.5, 0.9)),
        frame(1, 43, (5.0, 0.0, 0.9)),
        frame(1, 42, (5.0, -4.2, 0.9)),
        frame(1, 44, (5.0, 0.0, 0.9)),
        // Another loses sight.
        frame(2, 1, steady),
        frame(2, 2, (10.0, 0.0, 0.25)),
        frame(2, 3, (10.0, 0.0, 0.25)),
        frame(2, 4, (10.0, 0.0, 0.25)),
        broken.clone(),
    ];
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    let refused = Refused {
        record: broken,
        at: (5, 0),
        reason: Reason::transform("fleet-anomalies", "event_time: is required"),
    };
    pipeline.assert_refused(&[refused]).await?;

    let rows = pipeline
        .rows("SELECT * FROM anomalies ORDER BY vehicle_id")
        .await?;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_braking(&rows[0])?;
    let blind = &rows[1];
    assert_eq!(blind["anomaly_type"], json!("perception_instability"));
    assert_eq!(blind["severity"], json!("CRITICAL"));
    Ok(())
}

/// The row of the vehicle that brakes.
fn assert_braking(braking: &Value) -> Result<()> {
    let nested = |row: &Value, field: &str| -> Result<Value> {
        Ok(serde_json::from_str(
            row[field].as_str().unwrap_or_default(),
        )?)
    };
    for (column, value) in [
        ("event_id", event(1, 42).as_str()),
        ("vehicle_id", "scene_1_track_7"),
        ("event_time", "2024-01-15T10:23:55.5+00:00"),
        ("processing_time", "2024-01-15T10:23:55.5+00:00"),
        ("anomaly_type", "sudden_deceleration"),
        ("severity", "WARNING"),
        ("triggered_rule", "decel_threshold_exceeded"),
    ] {
        assert_eq!(braking[column], json!(value), "{column}");
    }
    assert_eq!(
        nested(braking, "features")?,
        json!({ "velocity_delta": -8.5, "acceleration_magnitude": 4.2, "time_window_ms": 500 })
    );
    assert_eq!(
        nested(braking, "thresholds")?,
        json!({ "decel_threshold_ms2": 3.0, "velocity_delta_threshold_ms": 5.0 })
    );
    assert_eq!(
        nested(braking, "evidence")?,
        json!({
            "frame_indices": [40, 41, 42],
            "velocity_history": [13.5, 10.2, 5.0],
            "acceleration_history": [-0.1, -2.5, -4.2],
        })
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_that_falls_silent_is_looked_at_all_the_same() -> Result<()> {
    let pipeline = Pipeline::shared("silent", 6).await?;
    pipeline.database.apply(TABLES).await?;
    pipeline.deploy_file(ANOMALIES, &[]).await?;
    // Frame 41 is lost, and with 42 it brakes and says nothing more. As it would come now.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let now = i64::try_from(now)?;
    let live = |index, motion| {
        let at = now - (42 - index) * 250;
        frame(1, index, motion).timestamp(at)
    };
    let records = [
        live(39, (13.5, -0.1, 0.9)),
        live(40, (13.5, -0.1, 0.9)),
        live(42, (5.0, -4.2, 0.9)),
    ];
    pipeline.produce(records).await?;
    wait_until(Duration::from_secs(40), "the anomaly", async || {
        let found = pipeline.database.count("anomalies").await?;
        ensure!(found == 1, "{found}");
        Ok(true)
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stop_is_one_row() -> Result<()> {
    let pipeline = Pipeline::shared("stop", 6).await?;
    pipeline.database.apply(TABLES).await?;
    pipeline.deploy_file(ANOMALIES, &[]).await?;
    // Harder and harder: four of these frames break the rule.
    let slowing = [30.0, 28.0, 25.0, 21.0, 16.0, 10.0, 6.0].map(|v| (v, -12.0, 0.9));
    let frames = slowing.into_iter().chain([(6.0, 0.0, 0.9); 8]);
    let frames = (0..).zip(frames).map(|(n, motion)| frame(1, n, motion));
    pipeline.produce(frames).await?;
    pipeline.drained().await?;
    let rows = pipeline.rows("SELECT * FROM anomalies").await?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["severity"], json!("CRITICAL"), "the gravest of it");
    Ok(())
}
