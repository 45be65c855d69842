//! An alert: what opens it, and what operators may do to it.

use ferrule_plugin::state::{Ring, Stored};
use uuid::{Builder, Uuid, uuid};

/// The ids of alerts are names in this namespace, so that they are the same on replay.
const NAMESPACE: Uuid = uuid!("8f3d5a52-7d0c-5e6b-8c7e-51a6f4b2d9e3");

/// The id of the alert of an anomaly. It is a hash, and says that it is of version 4, as the schema
/// wants it.
pub(crate) fn id(anomaly_id: Uuid) -> Uuid {
    named(anomaly_id.as_bytes())
}

/// The id of the step in which an alert becomes this severe.
pub(crate) fn escalation_id(alert_id: Uuid, severity: &str) -> Uuid {
    named(&[alert_id.as_bytes(), severity.as_bytes()].concat())
}

fn named(name: &[u8]) -> Uuid {
    let hash = Uuid::new_v5(&NAMESPACE, name).into_bytes();
    Builder::from_random_bytes(hash).into_uuid()
}

/// Whether there is such an action.
pub(crate) fn is_action(action: &str) -> bool {
    matches!(action, "ACKNOWLEDGE" | "RESOLVE" | "DISMISS" | "INTERVENE")
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Open,
    Acknowledged,
    Resolved,
    Dismissed,
}

/// What the state has of an alert. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alert {
    pub(crate) status: Status,
    pub(crate) anomaly_id: u128,
    pub(crate) vehicle_id: String,
    pub(crate) event_time: i64,
    pub(crate) severity: String,
    pub(crate) anomaly_type: String,
    pub(crate) created_at: i64,
    pub(crate) operator_id: Option<String>,
    /// Those actions that may come again.
    pub(crate) actions: Ring<u128, 16>,
}

impl Alert {
    /// Takes an action, if it is one for an alert of this status.
    pub(crate) fn act(&mut self, action: &str) -> Result<(), String> {
        let next = match action {
            "ACKNOWLEDGE" => Status::Acknowledged,
            "RESOLVE" => Status::Resolved,
            "DISMISS" => Status::Dismissed,
            _ => self.status,
        };
        let over = matches!(self.status, Status::Resolved | Status::Dismissed);
        let again = next == self.status && action != "INTERVENE";
        if over || again {
            return Err(format!(
                "action_type: is not for an alert that is {}",
                self.status.name()
            ));
        }
        self.status = next;
        Ok(())
    }
}

/// How severe a severity is.
pub(crate) fn rank(severity: &str) -> u8 {
    match severity {
        "CRITICAL" => 2,
        "WARNING" => 1,
        _ => 0,
    }
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
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
        self.anomaly_id.write(out);
        self.vehicle_id.write(out);
        self.event_time.write(out);
        self.severity.write(out);
        self.anomaly_type.write(out);
        self.created_at.write(out);
        self.operator_id.write(out);
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
            anomaly_id: Stored::read(bytes)?,
            vehicle_id: Stored::read(bytes)?,
            event_time: Stored::read(bytes)?,
            severity: Stored::read(bytes)?,
            anomaly_type: Stored::read(bytes)?,
            created_at: Stored::read(bytes)?,
            operator_id: Stored::read(bytes)?,
            actions: Stored::read(bytes)?,
        })
    }
}
