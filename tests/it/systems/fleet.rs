//! FleetOps: anomalies of vehicles, and the alerts that operators work on.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::names;
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

/// The file of the tables.
pub const TABLES: &str = "005_fleet.sql";
/// The connector's file of anomalies.
pub const ANOMALIES: &str = "fleet-anomalies-sink.json";
/// The connector's file of alerts.
pub const ALERTS: &str = "fleet-alerts-sink.json";
/// 2024-01-15T10:23:45Z, in milliseconds.
const BEGIN: i64 = 1_705_314_225_000;

/// The id of an event.
fn event(vehicle: u64, number: u64) -> String {
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

fn anomaly(number: u64) -> Record {
    let message = json!({
        "anomaly_id": event(9, number),
        "event_id": event(1, number),
        "vehicle_id": "scene_1_track_7",
        "event_time": "2024-01-15T10:23:45.123Z",
        "processing_time": "2024-01-15T10:23:45.130Z",
        "anomaly_type": "sudden_deceleration",
        "severity": "WARNING",
        "triggered_rule": "decel_threshold_exceeded",
        "features": { "velocity_delta": -8.5 },
        "thresholds": {},
        "evidence": { "frame_indices": [40, 41, 42] },
    });
    Record::json(&message).key("scene_1_track_7")
}

/// An action of an operator on an alert.
pub fn action(number: u64, alert: &str, kind: &str) -> Record {
    let message = json!({
        "action_id": event(10, number),
        "alert_id": alert,
        "vehicle_id": "scene_1_track_7",
        "operator_id": "operator_001",
        "action_type": kind,
        "processing_time": "2024-01-15T10:23:50.200Z",
        "metadata": { "comment": "Investigating anomaly" },
    });
    // Those of one alert on one partition.
    Record::json(&message).key(alert)
}

/// Both topics of the alerts, and a connector that drains them.
struct Alerts {
    pipeline: Pipeline,
    kafka: &'static TestKafka,
    actions: String,
}

impl Alerts {
    async fn deploy() -> Result<Self> {
        let kafka = TestKafka::shared().await?;
        let pipeline = Pipeline::shared("alerts", 6).await?;
        let actions = names::unique("actions");
        kafka.create_topic(&actions, 3).await?;
        pipeline.database.apply(TABLES).await?;
        let topics = format!("{},{actions}", pipeline.name);
        let settings = [
            ("topics", topics.as_str()),
            ("transforms.alerts.anomalies.topic", &pipeline.name),
            ("transforms.alerts.actions.topic", &actions),
        ];
        pipeline.deploy_file(ALERTS, &settings).await?;
        Ok(Self {
            pipeline,
            kafka,
            actions,
        })
    }

    /// Produces actions, and waits until they are done.
    async fn act(&self, records: Vec<Record>) -> Result<()> {
        self.kafka.produce(&self.actions, records).await?;
        let ends = self.kafka.end_offsets(&self.actions).await?;
        let all: i64 = ends.values().sum();
        let query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ferrule.offsets \
                     WHERE connector = $1 AND topic = $2";
        let limit = std::time::Duration::from_secs(40);
        harness::wait::wait_until(limit, "the actions to be done", async || {
            let done: i64 = sqlx::query_scalar(query)
                .bind(&self.pipeline.name)
                .bind(&self.actions)
                .fetch_one(self.pipeline.database.pool())
                .await?;
            ensure!(done == all, "{done} of {all} are");
            Ok(true)
        })
        .await
    }

    async fn statuses(&self) -> Result<Vec<String>> {
        let query = "SELECT coalesce(severity, '?') || ' ' || alert_status || ' ' \
            || coalesce(assigned_operator_id, '-') || CASE WHEN intervened_at IS NULL THEN '' \
            ELSE ' intervened' END FROM operator_alerts ORDER BY anomaly_id, alert_id";
        let rows = self.pipeline.database.texts(query).await?;
        Ok(rows.into_iter().flatten().collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_work_on_alerts() -> Result<()> {
    let alerts = Alerts::deploy().await?;
    alerts.pipeline.produce((1..=4).map(anomaly)).await?;
    alerts.pipeline.drained().await?;
    assert_eq!(alerts.statuses().await?, ["WARNING OPEN -"; 4]);
    let ids = "SELECT alert_id::text FROM operator_alerts ORDER BY anomaly_id";
    let ids = alerts.pipeline.database.texts(ids).await?;
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    let strange = "00000000-0000-4000-8000-00000000abcd";
    alerts
        .act(vec![
            action(1, &ids[0], "ACKNOWLEDGE"),
            action(2, &ids[0], "INTERVENE"),
            action(3, &ids[0], "RESOLVE"),
            // Too late, and refused.
            action(4, &ids[0], "ACKNOWLEDGE"),
            action(5, &ids[1], "DISMISS"),
            action(6, &ids[2], "ACKNOWLEDGE"),
            // The same one again, and another one that is refused.
            action(6, &ids[2], "ACKNOWLEDGE"),
            action(7, &ids[2], "ACKNOWLEDGE"),
            action(8, &ids[3], "FIX"),
            // Its anomaly is yet to come.
            action(9, strange, "ACKNOWLEDGE"),
        ])
        .await?;
    let expected = [
        "WARNING RESOLVED operator_001 intervened",
        "WARNING DISMISSED operator_001",
        "WARNING ACKNOWLEDGED operator_001",
        "WARNING OPEN -",
        "? ACKNOWLEDGED operator_001",
    ];
    assert_eq!(alerts.statuses().await?, expected);
    // The anomalies again: what became of the alerts stays.
    alerts.pipeline.produce((1..=4).map(anomaly)).await?;
    alerts.pipeline.drained().await?;
    assert_eq!(alerts.statuses().await?, expected);

    assert_history(&alerts).await?;
    assert_refusals(&alerts).await
}

/// Each action that was taken is in the history once.
async fn assert_history(alerts: &Alerts) -> Result<()> {
    let history = "SELECT coalesce(action_type, 'opened') || ' ' || alert_status \
                   FROM operator_alert_history ORDER BY 1";
    let history = alerts.pipeline.database.texts(history).await?;
    let mut history: Vec<String> = history.into_iter().flatten().collect();
    let expected = [
        "ACKNOWLEDGE ACKNOWLEDGED",
        "ACKNOWLEDGE ACKNOWLEDGED",
        "ACKNOWLEDGE ACKNOWLEDGED",
        "DISMISS DISMISSED",
        "INTERVENE ACKNOWLEDGED",
        "opened OPEN",
        "opened OPEN",
        "opened OPEN",
        "opened OPEN",
        "RESOLVE RESOLVED",
    ];
    history.sort_by_key(|entry| entry.to_lowercase());
    assert_eq!(history, expected);
    Ok(())
}

/// Each action that was refused has a dead letter that says why.
async fn assert_refusals(alerts: &Alerts) -> Result<()> {
    let letters = alerts
        .kafka
        .read(&alerts.pipeline.dead_letter_topic())
        .await?;
    // A batch that is given up in a rebalance leaves its letters twice.
    let letters = letters.iter().map(|letter| {
        let header = |name: &str| letter.header(&format!("__connect.errors.{name}"));
        let at = ["topic", "partition", "offset"].map(header);
        (at, header("exception.message"))
    });
    let letters: BTreeMap<_, _> = letters.collect();
    let mut reasons: Vec<_> = letters.into_values().flatten().collect();
    reasons.sort();
    for (reason, expected) in reasons.iter().zip([
        "is not for an alert that is ACKNOWLEDGED",
        "is not for an alert that is RESOLVED",
        "must be ACKNOWLEDGE, RESOLVE, DISMISS or INTERVENE",
    ]) {
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(reasons.len(), 3);
    Ok(())
}
