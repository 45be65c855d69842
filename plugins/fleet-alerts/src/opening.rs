//! An anomaly opens an alert.

use ferrule_plugin::{Failure, FromRow, JsonText, Result, Timestamp, ToRow};
use uuid::{Uuid, uuid};

/// The ids of alerts are names in this namespace, so that they are the same on replay.
const NAMESPACE: Uuid = uuid!("8f3d5a52-7d0c-5e6b-8c7e-51a6f4b2d9e3");

/// A message of the topic `anomalies`.
#[derive(FromRow)]
pub(crate) struct Anomaly<'a> {
    anomaly_id: &'a str,
    vehicle_id: &'a str,
    #[row(coerce)]
    event_time: Timestamp,
    #[row(coerce)]
    processing_time: Option<Timestamp>,
    severity: &'a str,
    anomaly_type: &'a str,
}

/// What an anomaly tells of its alert. The status is left to the table, where it is OPEN until an
/// action says otherwise, even one that was read before.
#[derive(ToRow)]
pub(crate) struct Opened {
    alert_id: String,
    anomaly_id: String,
    vehicle_id: String,
    event_time: Timestamp,
    processing_time: Timestamp,
    severity: String,
    anomaly_type: String,
    created_at: Timestamp,
}

/// One step of an alert.
#[derive(ToRow)]
pub(crate) struct History {
    /// That of the alert for its opening, that of the action else.
    pub(crate) entry_id: String,
    pub(crate) alert_id: String,
    pub(crate) anomaly_id: Option<String>,
    pub(crate) vehicle_id: String,
    pub(crate) event_time: Option<Timestamp>,
    pub(crate) processing_time: Timestamp,
    pub(crate) alert_status: String,
    pub(crate) severity: Option<String>,
    pub(crate) anomaly_type: Option<String>,
    pub(crate) action_id: Option<String>,
    pub(crate) action_type: Option<String>,
    pub(crate) operator_id: Option<String>,
    pub(crate) metadata: Option<JsonText>,
}

impl Anomaly<'_> {
    /// The alert, and the first entry of its history. `came` is when the record did.
    pub(crate) fn open(&self, came: Timestamp) -> Result<(Opened, History)> {
        let anomaly_id = crate::uuid("anomaly_id", self.anomaly_id)?;
        if self.vehicle_id.is_empty() {
            return Err(Failure::at("vehicle_id", "must not be empty"));
        }
        if !matches!(self.severity, "INFO" | "WARNING" | "CRITICAL") {
            return Err(Failure::at("severity", "must be INFO, WARNING or CRITICAL"));
        }
        let alert_id = alert_id(anomaly_id).to_string();
        let processing_time = self.processing_time.unwrap_or(came);
        let opened = Opened {
            alert_id: alert_id.clone(),
            anomaly_id: anomaly_id.to_string(),
            vehicle_id: self.vehicle_id.to_owned(),
            event_time: self.event_time,
            processing_time,
            severity: self.severity.to_owned(),
            anomaly_type: self.anomaly_type.to_owned(),
            created_at: processing_time,
        };
        let history = History {
            entry_id: alert_id.clone(),
            alert_id,
            anomaly_id: Some(anomaly_id.to_string()),
            vehicle_id: self.vehicle_id.to_owned(),
            event_time: Some(self.event_time),
            processing_time,
            alert_status: "OPEN".to_owned(),
            severity: Some(self.severity.to_owned()),
            anomaly_type: Some(self.anomaly_type.to_owned()),
            action_id: None,
            action_type: None,
            operator_id: None,
            metadata: None,
        };
        Ok((opened, history))
    }
}

/// The same for the same anomaly, however often it comes.
pub(crate) fn alert_id(anomaly_id: Uuid) -> Uuid {
    Uuid::new_v5(&NAMESPACE, anomaly_id.as_bytes())
}
