//! From what a rule found to a record of the topic `anomalies`.

use ferrule_plugin::{JsonText, OutRecord, Rows, Timestamp, ToRow, Value};
use serde_json::json;
use uuid::{Builder, Uuid, uuid};

use crate::config::Settings;
use crate::frame::Sample;
use crate::rules::{Finding, Kind, Severity};

/// The ids of anomalies are names in this namespace, so that they are the same on replay.
const NAMESPACE: Uuid = uuid!("5c7a3c1e-0f5e-5b0a-9d54-3f2f6a1e7c44");

/// A message of the topic.
#[derive(ToRow)]
struct Anomaly {
    anomaly_id: String,
    event_id: String,
    vehicle_id: String,
    event_time: Timestamp,
    processing_time: Timestamp,
    anomaly_type: String,
    severity: String,
    triggered_rule: String,
    features: JsonText,
    thresholds: JsonText,
    evidence: JsonText,
}

/// Makes the records.
pub(crate) struct Anomalies {
    settings: Settings,
    rows: Rows<Anomaly>,
}

impl Anomalies {
    pub(crate) fn new(settings: &Settings) -> Anomalies {
        Anomalies {
            settings: settings.clone(),
            rows: Rows::named("anomaly"),
        }
    }

    /// The records of what was found at frames of a vehicle.
    pub(crate) fn records(&self, vehicle: &str, found: Vec<Finding>) -> Vec<OutRecord> {
        let records = found.into_iter().map(|finding| {
            let row = self.rows.row(self.anomaly(vehicle, &finding));
            OutRecord::new(row)
                .topic(&*self.settings.topic)
                .timestamp(finding.received)
                .key(Value::from(vehicle))
        });
        records.collect()
    }

    fn anomaly(&self, vehicle: &str, finding: &Finding) -> Anomaly {
        let (anomaly_type, triggered_rule) = names(&finding.kind);
        let (features, thresholds) = self.measures(finding);
        let event_time = finding.evidence.last().map_or(0, |last| last.event_time);
        Anomaly {
            anomaly_id: id(vehicle, finding.began_with, anomaly_type).to_string(),
            event_id: finding.event_id.to_string(),
            vehicle_id: vehicle.to_owned(),
            event_time: Timestamp(event_time),
            processing_time: Timestamp(finding.received.saturating_mul(1000)),
            anomaly_type: anomaly_type.to_owned(),
            severity: finding.severity.name().to_owned(),
            triggered_rule: triggered_rule.to_owned(),
            features: JsonText(features.to_string()),
            thresholds: JsonText(thresholds.to_string()),
            evidence: JsonText(evidence(finding).to_string()),
        }
    }

    /// The features and the thresholds.
    fn measures(&self, finding: &Finding) -> (serde_json::Value, serde_json::Value) {
        let time = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.event_time);
        let span = time(finding.evidence.last()) - time(finding.evidence.first());
        let settings = &self.settings;
        match finding.kind {
            Kind::SuddenDeceleration {
                velocity_delta,
                deceleration,
            } => (
                json!({
                    "velocity_delta": velocity_delta,
                    "acceleration_magnitude": deceleration,
                    "time_window_ms": span / 1000,
                }),
                json!({
                    "decel_threshold_ms2": settings.deceleration,
                    "velocity_delta_threshold_ms": settings.velocity_delta,
                }),
            ),
            Kind::PerceptionInstability {
                probability_delta,
                yaw_rate_delta,
                ..
            } => (
                json!({
                    "label_probability_delta": probability_delta,
                    "yaw_rate_delta": yaw_rate_delta,
                    "time_window_ms": span / 1000,
                }),
                json!({
                    "label_probability_jump_threshold": settings.probability_jump,
                    "yaw_rate_jump_threshold_rads": settings.yaw_rate_jump,
                }),
            ),
        }
    }
}

fn names(kind: &Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::SuddenDeceleration { .. } => ("sudden_deceleration", "decel_threshold_exceeded"),
        Kind::PerceptionInstability { by_probability, .. } => {
            let rule = match by_probability {
                true => "label_probability_jump_exceeded",
                false => "yaw_rate_jump_exceeded",
            };
            ("perception_instability", rule)
        }
    }
}

fn evidence(finding: &Finding) -> serde_json::Value {
    let samples = &finding.evidence;
    let all = |of: fn(&Sample) -> Option<f64>| samples.iter().map(of).collect::<Vec<_>>();
    let frames: Vec<_> = samples.iter().map(|sample| sample.index).collect();
    let mut evidence = json!({
        "frame_indices": frames,
        "velocity_history": all(|sample| Some(sample.velocity)),
        "acceleration_history": all(|sample| Some(sample.along())),
    });
    if let Kind::PerceptionInstability { .. } = finding.kind {
        evidence["label_probability_history"] = json!(all(|sample| sample.label_probability));
        evidence["yaw_rate_history"] = json!(all(|sample| sample.yaw_rate));
    }
    evidence
}

/// The same for the same event and rule, whenever it is found. It is a hash, as a UUID of version 5
/// is, but says version 4: the schema of the topic wants uuid-v4, and models such as pydantic's
/// `UUID4` refuse any other number.
pub(crate) fn id(vehicle: &str, event_id: Uuid, anomaly_type: &str) -> Uuid {
    let name = format!("{vehicle}\0{event_id}\0{anomaly_type}");
    let hash = Uuid::new_v5(&NAMESPACE, name.as_bytes()).into_bytes();
    Builder::from_random_bytes(hash).into_uuid()
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Critical => "CRITICAL",
        }
    }
}
