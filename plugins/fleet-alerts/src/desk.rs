//! The second stage: anomalies open alerts, actions move them on, each in its turn.

use ferrule_plugin::state::Map;
use ferrule_plugin::{
    Failure, Header, JsonText, OutRecord, Record, Result, Rows, Timestamp, ToRow, Value, metrics,
};
use uuid::Uuid;

use crate::alert::{self, Alert, Status};
use crate::event::{ACTION, ANOMALY, Event, PROGRESS};
use crate::held::{self, Held, Progress};

/// What the keys of the configuration say.
pub(crate) struct Settings {
    pub(crate) actions_topic: String,
    pub(crate) alerts_topic: String,
    pub(crate) history_topic: String,
    pub(crate) refused_topic: String,
    /// Milliseconds.
    pub(crate) retention: u64,
    pub(crate) order: i64,
    pub(crate) unknown_wait: i64,
}

/// Decides on actions.
pub(crate) struct Desk {
    settings: Settings,
    /// Alerts that operators may act upon are remembered until they may not. The clock of the
    /// records does not end them: telemetry of long ago may be followed by actions of today.
    alerts: Map<Alert>,
    /// The same entries, for those that are final.
    final_alerts: Map<Alert>,
    messages: Rows<AlertMessage>,
    history: Rows<History>,
    refusals: Rows<Refusal>,
}

/// A message of the topic `operator_alerts`.
#[derive(ToRow)]
struct AlertMessage {
    alert_id: String,
    anomaly_id: String,
    vehicle_id: String,
    event_time: Timestamp,
    processing_time: Timestamp,
    alert_status: String,
    severity: String,
    anomaly_type: String,
    assigned_operator_id: Option<String>,
    created_at: Timestamp,
}

/// One step of an alert.
#[derive(ToRow)]
struct History {
    /// That of the alert for its opening, that of the action for an action.
    entry_id: String,
    alert_id: String,
    anomaly_id: String,
    vehicle_id: String,
    event_time: Timestamp,
    processing_time: Timestamp,
    alert_status: String,
    severity: String,
    anomaly_type: String,
    action_id: Option<String>,
    action_type: Option<String>,
    operator_id: Option<String>,
    metadata: Option<JsonText>,
}

/// An action that is not taken: its message, and why.
#[derive(ToRow)]
struct Refusal {
    action_id: String,
    alert_id: String,
    vehicle_id: String,
    operator_id: String,
    action_type: String,
    processing_time: Timestamp,
    metadata: Option<JsonText>,
    /// What the alert is; null when there is none.
    alert_status: Option<String>,
    reason: String,
}

/// The step of an alert that is told.
struct Step<'a> {
    entry_id: Uuid,
    at: i64,
    action: Option<&'a Held>,
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Desk {
        Desk {
            alerts: Map::named("alert"),
            final_alerts: Map::named("alert").kept_for(settings.retention),
            messages: Rows::named("operator_alert"),
            history: Rows::named("operator_alert_step"),
            refusals: Rows::named("operator_action_refused"),
            settings,
        }
    }

    /// Takes a message, and gives what is told of alerts because of it.
    pub(crate) fn take(&self, record: Record<'_>) -> Result<Vec<OutRecord>> {
        if record.partition() != 0 {
            return Err(Failure::new(
                "it is of another partition than 0: actions on an alert are put in order in one \
                 place, and the topic must have one partition",
            ));
        }
        let event: Event<'_> = record.row()?.read()?;
        let mut told = Vec::new();
        match event.kind {
            ANOMALY => self.open(&event, &mut told)?,
            ACTION => {
                let alert_id = uuid_of("alert_id", event.alert_id)?;
                held_of(&event)?.hold(alert_id.as_u128())?;
            }
            PROGRESS => {}
            _ => return Err(Failure::at("kind", "must be anomaly, action or progress")),
        }
        let source = (event.source_topic, event.source_partition);
        let topic = &*self.settings.actions_topic;
        let (before, now) = held::note_progress(topic, source, event.source_timestamp)?;
        if before != now || event.kind != PROGRESS {
            self.release(now, &mut told)?;
        }
        Ok(told)
    }

    /// Opens an alert, or raises its severity.
    fn open(&self, event: &Event<'_>, told: &mut Vec<OutRecord>) -> Result<()> {
        let anomaly_id = uuid_of("anomaly_id", event.anomaly_id)?;
        let alert_id = alert::id(anomaly_id);
        let at = present("processing_time", event.processing_time)?.0;
        let severity = present("severity", event.severity)?;
        let known = self.alerts.get(alert_id.as_bytes())?;
        let (alert, entry_id) = match known {
            Some(alert) if alert::rank(&alert.severity) >= alert::rank(severity) => {
                metrics::count("anomalies_duplicate", 1);
                return Ok(());
            }
            Some(mut alert) => {
                alert.severity = severity.to_owned();
                (alert, alert::escalation_id(alert_id, severity))
            }
            None => {
                let alert = Alert {
                    anomaly_id: anomaly_id.as_u128(),
                    vehicle_id: present("vehicle_id", event.vehicle_id)?.to_owned(),
                    event_time: present("event_time", event.event_time)?.0,
                    severity: severity.to_owned(),
                    anomaly_type: present("anomaly_type", event.anomaly_type)?.to_owned(),
                    created_at: at,
                    ..Alert::default()
                };
                (alert, alert_id)
            }
        };
        self.keep(alert_id, &alert)?;
        let step = Step {
            entry_id,
            at,
            action: None,
        };
        self.tell(alert_id, &alert, &step, told);
        Ok(())
    }

    /// Decides on the actions whose turn it is.
    fn release(&self, progress: Progress, told: &mut Vec<OutRecord>) -> Result<()> {
        let (Some(actions), Some(all)) = (progress.actions, progress.all) else {
            return Ok(());
        };
        let upto = actions.saturating_sub(self.settings.order);
        let unknown_upto = all.saturating_sub(self.settings.unknown_wait);
        for alert_id in held::alerts_of_actions_by(upto) {
            let held = held::of_alert(alert_id)?;
            let id = Uuid::from_u128(alert_id);
            let Some(mut alert) = self.alerts.get(id.as_bytes())? else {
                for held in held.iter().filter(|held| held.came <= unknown_upto) {
                    held.release(alert_id);
                    let why = "alert_id: there is no such alert";
                    told.push(self.refused(id, held, None, why));
                }
                continue;
            };
            // What goes before one whose turn it is goes with it.
            let last = held.iter().rposition(|held| held.came <= upto);
            for held in held.iter().take(last.map_or(0, |last| last + 1)) {
                held.release(alert_id);
                self.act(id, &mut alert, held, told);
            }
        }
        Ok(())
    }

    fn act(&self, alert_id: Uuid, alert: &mut Alert, held: &Held, told: &mut Vec<OutRecord>) {
        if alert.actions.iter().any(|id| *id == held.action_id) {
            metrics::count("actions_duplicate", 1);
            return;
        }
        let mut next = alert.clone();
        let taken = next.act(&held.action_type).and_then(|()| {
            next.actions.push(held.action_id);
            next.operator_id = Some(held.operator_id.clone());
            let kept = self.keep(alert_id, &next);
            kept.map_err(|failure| failure.reason)
        });
        if let Err(why) = taken {
            told.push(self.refused(alert_id, held, Some(alert), &why));
            return;
        }
        *alert = next;
        let step = Step {
            entry_id: Uuid::from_u128(held.action_id),
            at: held.processing_time,
            action: Some(held),
        };
        self.tell(alert_id, alert, &step, told);
    }

    fn keep(&self, alert_id: Uuid, alert: &Alert) -> Result<()> {
        let alerts = match alert.status {
            Status::Open | Status::Acknowledged => &self.alerts,
            Status::Resolved | Status::Dismissed => &self.final_alerts,
        };
        alerts.insert(alert_id.as_bytes(), alert)
    }

    /// The alert as it stands after a step, and the step.
    fn tell(&self, alert_id: Uuid, alert: &Alert, step: &Step<'_>, told: &mut Vec<OutRecord>) {
        let anomaly_id = Uuid::from_u128(alert.anomaly_id).to_string();
        let message = AlertMessage {
            alert_id: alert_id.to_string(),
            anomaly_id: anomaly_id.clone(),
            vehicle_id: alert.vehicle_id.clone(),
            event_time: Timestamp(alert.event_time),
            processing_time: Timestamp(step.at),
            alert_status: alert.status.name().to_owned(),
            severity: alert.severity.clone(),
            anomaly_type: alert.anomaly_type.clone(),
            assigned_operator_id: alert.operator_id.clone(),
            created_at: Timestamp(alert.created_at),
        };
        let action = step.action;
        let history = History {
            entry_id: step.entry_id.to_string(),
            alert_id: alert_id.to_string(),
            anomaly_id,
            vehicle_id: alert.vehicle_id.clone(),
            event_time: Timestamp(alert.event_time),
            processing_time: Timestamp(step.at),
            alert_status: alert.status.name().to_owned(),
            severity: alert.severity.clone(),
            anomaly_type: alert.anomaly_type.clone(),
            action_id: action.map(|held| Uuid::from_u128(held.action_id).to_string()),
            action_type: action.map(|held| held.action_type.clone()),
            operator_id: action.map(|held| held.operator_id.clone()),
            metadata: action.and_then(|held| held.metadata.clone().map(JsonText)),
        };
        let key = |id: Uuid| Value::Text(id.to_string());
        told.push(
            OutRecord::new(self.messages.row(message))
                .topic(&*self.settings.alerts_topic)
                .key(key(alert_id))
                .headers(Vec::new()),
        );
        told.push(
            OutRecord::new(self.history.row(history))
                .topic(&*self.settings.history_topic)
                .key(key(step.entry_id))
                .headers(Vec::new()),
        );
    }

    /// The action goes where those go that are not taken, with the headers of a dead letter.
    fn refused(&self, alert_id: Uuid, held: &Held, alert: Option<&Alert>, why: &str) -> OutRecord {
        metrics::count("actions_refused", 1);
        let action_id = Uuid::from_u128(held.action_id).to_string();
        let refusal = Refusal {
            action_id: action_id.clone(),
            alert_id: alert_id.to_string(),
            vehicle_id: held.vehicle_id.clone(),
            operator_id: held.operator_id.clone(),
            action_type: held.action_type.clone(),
            processing_time: Timestamp(held.processing_time),
            metadata: held.metadata.clone().map(JsonText),
            alert_status: alert.map(|alert| alert.status.name().to_owned()),
            reason: why.to_owned(),
        };
        let headers = [
            ("topic", self.settings.actions_topic.clone()),
            ("partition", held.partition.to_string()),
            ("offset", held.offset.to_string()),
            ("exception.message", why.to_owned()),
        ];
        let headers = headers.map(|(name, text)| Header {
            name: format!("__connect.errors.{name}"),
            value: Value::Text(text),
        });
        OutRecord::new(self.refusals.row(refusal))
            .topic(&*self.settings.refused_topic)
            .key(Value::Text(action_id))
            .headers(headers.into())
    }
}

fn held_of(event: &Event<'_>) -> Result<Held> {
    Ok(Held {
        came: event.source_timestamp,
        partition: event.source_partition,
        offset: present("source_offset", event.source_offset)?,
        action_id: uuid_of("action_id", event.action_id)?.as_u128(),
        vehicle_id: present("vehicle_id", event.vehicle_id)?.to_owned(),
        operator_id: present("operator_id", event.operator_id)?.to_owned(),
        action_type: present("action_type", event.action_type)?.to_owned(),
        processing_time: present("processing_time", event.processing_time)?.0,
        metadata: event.metadata.map(|json| json.0.to_owned()),
    })
}

fn present<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Failure::at(field, "is required"))
}

fn uuid_of(field: &str, text: Option<&str>) -> Result<Uuid> {
    crate::uuid(field, present(field, text)?)
}
