//! The messages of the topic between the two stages: anomalies and actions side by side, and how
//! far
//! each of their partitions has been read.

use ferrule_plugin::{
    Failure, FromRow, Json, JsonText, OutRecord, Record, Result, Rows, Timestamp, ToRow, Value,
};

/// What a message is about.
pub(crate) const ANOMALY: &str = "anomaly";
pub(crate) const ACTION: &str = "action";
pub(crate) const PROGRESS: &str = "progress";

/// A message, as it is written.
#[derive(Default, ToRow)]
pub(crate) struct NewEvent {
    kind: String,
    /// Where it comes from.
    source_topic: String,
    source_partition: i64,
    source_offset: Option<i64>,
    /// The record's timestamp, in milliseconds since 1970. All that the partition has up to there
    /// has been read.
    source_timestamp: i64,
    alert_id: Option<String>,
    anomaly_id: Option<String>,
    vehicle_id: Option<String>,
    event_time: Option<Timestamp>,
    processing_time: Option<Timestamp>,
    severity: Option<String>,
    anomaly_type: Option<String>,
    action_id: Option<String>,
    operator_id: Option<String>,
    action_type: Option<String>,
    metadata: Option<JsonText>,
}

/// A message, as it is read.
#[derive(FromRow)]
pub(crate) struct Event<'a> {
    pub(crate) kind: &'a str,
    pub(crate) source_topic: &'a str,
    pub(crate) source_partition: i64,
    pub(crate) source_offset: Option<i64>,
    pub(crate) source_timestamp: i64,
    pub(crate) alert_id: Option<&'a str>,
    pub(crate) anomaly_id: Option<&'a str>,
    pub(crate) vehicle_id: Option<&'a str>,
    #[row(coerce)]
    pub(crate) event_time: Option<Timestamp>,
    #[row(coerce)]
    pub(crate) processing_time: Option<Timestamp>,
    pub(crate) severity: Option<&'a str>,
    pub(crate) anomaly_type: Option<&'a str>,
    pub(crate) action_id: Option<&'a str>,
    pub(crate) operator_id: Option<&'a str>,
    pub(crate) action_type: Option<&'a str>,
    pub(crate) metadata: Option<Json<'a>>,
}

/// A message of the topic `anomalies`.
#[derive(FromRow)]
struct Anomaly<'a> {
    anomaly_id: &'a str,
    vehicle_id: &'a str,
    #[row(coerce)]
    event_time: Timestamp,
    #[row(coerce)]
    processing_time: Option<Timestamp>,
    severity: &'a str,
    anomaly_type: &'a str,
}

/// A message of the topic `operator_actions`.
#[derive(FromRow)]
struct Action<'a> {
    action_id: &'a str,
    alert_id: &'a str,
    vehicle_id: &'a str,
    operator_id: &'a str,
    action_type: &'a str,
    #[row(coerce)]
    processing_time: Option<Timestamp>,
    metadata: Option<Json<'a>>,
}

/// Writes messages.
pub(crate) struct Events {
    topic: String,
    rows: Rows<NewEvent>,
}

impl Events {
    pub(crate) fn to(topic: String) -> Events {
        Events {
            topic,
            rows: Rows::named("operator_alert_event"),
        }
    }

    /// The message of an anomaly.
    pub(crate) fn anomaly(&self, record: Record<'_>) -> Result<OutRecord> {
        let anomaly: Anomaly<'_> = record.row()?.read()?;
        let anomaly_id = crate::uuid("anomaly_id", anomaly.anomaly_id)?;
        not_empty("vehicle_id", anomaly.vehicle_id)?;
        if !matches!(anomaly.severity, "INFO" | "WARNING" | "CRITICAL") {
            return Err(Failure::at("severity", "must be INFO, WARNING or CRITICAL"));
        }
        let alert_id = crate::alert::id(anomaly_id);
        let own = NewEvent {
            kind: ANOMALY.to_owned(),
            alert_id: Some(alert_id.to_string()),
            processing_time: anomaly.processing_time,
            anomaly_id: Some(anomaly_id.to_string()),
            vehicle_id: Some(anomaly.vehicle_id.to_owned()),
            event_time: Some(anomaly.event_time),
            severity: Some(anomaly.severity.to_owned()),
            anomaly_type: Some(anomaly.anomaly_type.to_owned()),
            ..NewEvent::default()
        };
        Ok(self.of(record, own))
    }

    /// The message of an action.
    pub(crate) fn action(&self, record: Record<'_>) -> Result<OutRecord> {
        let action: Action<'_> = record.row()?.read()?;
        let action_id = crate::uuid("action_id", action.action_id)?;
        let alert_id = crate::uuid("alert_id", action.alert_id)?;
        not_empty("vehicle_id", action.vehicle_id)?;
        not_empty("operator_id", action.operator_id)?;
        if !crate::alert::is_action(action.action_type) {
            let known = "must be ACKNOWLEDGE, RESOLVE, DISMISS or INTERVENE";
            return Err(Failure::at("action_type", known));
        }
        let own = NewEvent {
            kind: ACTION.to_owned(),
            alert_id: Some(alert_id.to_string()),
            processing_time: action.processing_time,
            vehicle_id: Some(action.vehicle_id.to_owned()),
            action_id: Some(action_id.to_string()),
            operator_id: Some(action.operator_id.to_owned()),
            action_type: Some(action.action_type.to_owned()),
            metadata: action.metadata.map(|json| JsonText(json.0.to_owned())),
            ..NewEvent::default()
        };
        Ok(self.of(record, own))
    }

    /// The event that came as this record.
    fn of(&self, record: Record<'_>, own: NewEvent) -> OutRecord {
        let named = own.processing_time.map_or(0, |at| at.0.div_euclid(1000));
        let came = record.timestamp().unwrap_or(named);
        let key = Value::Text(own.alert_id.clone().unwrap_or_default());
        let row = self.rows.row(NewEvent {
            source_topic: record.topic().to_owned(),
            source_partition: record.partition().into(),
            source_offset: Some(record.offset()),
            source_timestamp: came,
            // Who sends no time acts when the record comes.
            processing_time: own
                .processing_time
                .or(Some(Timestamp(came.saturating_mul(1000)))),
            ..own
        });
        OutRecord::new(row).topic(&*self.topic).key(key)
    }

    /// The message that a partition has been read up to a time.
    pub(crate) fn progress(&self, topic: &str, partition: i32, upto: i64) -> OutRecord {
        let row = self.rows.row(NewEvent {
            kind: PROGRESS.to_owned(),
            source_topic: topic.to_owned(),
            source_partition: partition.into(),
            source_timestamp: upto,
            ..NewEvent::default()
        });
        let key = Value::Text(format!("{topic}-{partition}"));
        OutRecord::new(row).topic(&*self.topic).key(key)
    }
}

fn not_empty(field: &str, text: &str) -> Result<()> {
    match text {
        "" => Err(Failure::at(field, "must not be empty")),
        _ => Ok(()),
    }
}
