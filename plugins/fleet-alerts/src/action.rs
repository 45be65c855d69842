//! An operator acts on an alert.

use ferrule_plugin::state::{Map, Ring, Stored};
use ferrule_plugin::{Failure, FromRow, Json, JsonText, Result, Timestamp, ToRow, metrics};

use crate::opening::History;

/// A message of the topic `operator_actions`.
#[derive(FromRow)]
pub(crate) struct Action<'a> {
    action_id: &'a str,
    alert_id: &'a str,
    vehicle_id: &'a str,
    operator_id: &'a str,
    action_type: &'a str,
    #[row(coerce)]
    processing_time: Option<Timestamp>,
    metadata: Option<Json<'a>>,
}

/// What an action tells of its alert. Each row is whole, so that of several in one transaction the
/// last may stand for all.
#[derive(ToRow)]
pub(crate) struct Standing {
    alert_id: String,
    vehicle_id: String,
    alert_status: String,
    assigned_operator_id: String,
    intervened_at: Option<Timestamp>,
    updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Open,
    Acknowledged,
    Resolved,
    Dismissed,
}

/// What the state has of an alert: what the actions on it come to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Alert {
    status: Status,
    /// Microseconds since 1970.
    intervened_at: Option<i64>,
    /// Those actions that may come again.
    actions: Ring<u128, 16>,
}

/// The alerts that were acted upon.
pub(crate) struct Actions(Map<Alert>);

impl Actions {
    /// Alerts that are remembered for some milliseconds after their last action.
    pub(crate) fn kept_for(retention: u64) -> Actions {
        Actions(Map::named("alert").kept_for(retention))
    }

    /// The alert as it stands then, and the next entry of its history; none if the action was
    /// taken before. `came` is when the record did.
    pub(crate) fn take(
        &self,
        action: &Action<'_>,
        came: Timestamp,
    ) -> Result<Option<(Standing, History)>> {
        let action_id = crate::uuid("action_id", action.action_id)?;
        let alert_id = crate::uuid("alert_id", action.alert_id)?;
        for (field, text) in [
            ("vehicle_id", action.vehicle_id),
            ("operator_id", action.operator_id),
        ] {
            if text.is_empty() {
                return Err(Failure::at(field, "must not be empty"));
            }
        }
        let mut alert = self.0.get(alert_id.as_bytes())?.unwrap_or_default();
        if alert.actions.iter().any(|id| *id == action_id.as_u128()) {
            metrics::count("actions_duplicate", 1);
            return Ok(None);
        }
        let at = action.processing_time.unwrap_or(came);
        alert.act(action.action_type, at)?;
        alert.actions.push(action_id.as_u128());
        self.0.insert(alert_id.as_bytes(), &alert)?;
        let standing = Standing {
            alert_id: alert_id.to_string(),
            vehicle_id: action.vehicle_id.to_owned(),
            alert_status: alert.status.name().to_owned(),
            assigned_operator_id: action.operator_id.to_owned(),
            intervened_at: alert.intervened_at.map(Timestamp),
            updated_at: at,
        };
        let history = History {
            entry_id: action_id.to_string(),
            alert_id: alert_id.to_string(),
            anomaly_id: None,
            vehicle_id: action.vehicle_id.to_owned(),
            event_time: None,
            processing_time: at,
            alert_status: alert.status.name().to_owned(),
            severity: None,
            anomaly_type: None,
            action_id: Some(action_id.to_string()),
            action_type: Some(action.action_type.to_owned()),
            operator_id: Some(action.operator_id.to_owned()),
            metadata: action.metadata.map(|json| JsonText(json.0.to_owned())),
        };
        Ok(Some((standing, history)))
    }
}

impl Alert {
    /// Takes an action, if it is one for an alert of this status.
    fn act(&mut self, action: &str, at: Timestamp) -> Result<()> {
        let next = match action {
            "ACKNOWLEDGE" => Status::Acknowledged,
            "RESOLVE" => Status::Resolved,
            "DISMISS" => Status::Dismissed,
            "INTERVENE" => self.status,
            _ => {
                let known = "must be ACKNOWLEDGE, RESOLVE, DISMISS or INTERVENE";
                return Err(Failure::at("action_type", known));
            }
        };
        let over = matches!(self.status, Status::Resolved | Status::Dismissed);
        let again = next == self.status && action != "INTERVENE";
        if over || again {
            let reason = format_args!("is not for an alert that is {}", self.status.name());
            return Err(Failure::at("action_type", reason));
        }
        if action == "INTERVENE" {
            self.intervened_at = Some(at.0);
        }
        self.status = next;
        Ok(())
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Open => "OPEN",
            Status::Acknowledged => "ACKNOWLEDGED",
            Status::Resolved => "RESOLVED",
            Status::Dismissed => "DISMISSED",
        }
    }
}

impl Stored for Alert {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.status {
            Status::Open => 0,
            Status::Acknowledged => 1,
            Status::Resolved => 2,
            Status::Dismissed => 3,
        });
        self.intervened_at.write(out);
        self.actions.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Alert> {
        let status = match u8::read(bytes)? {
            0 => Status::Open,
            1 => Status::Acknowledged,
            2 => Status::Resolved,
            3 => Status::Dismissed,
            _ => return None,
        };
        Some(Alert {
            status,
            intervened_at: Stored::read(bytes)?,
            actions: Stored::read(bytes)?,
        })
    }
}
