//! The plugin `fleet-alerts`: anomalies open alerts, and actions of operators move them on.
//!
//! Each record makes two: one for the table of alerts as they stand, by upsert, and one for their
//! history. Anomalies and actions are topics of their own, drained side by side, so neither waits
//! for the other: what an anomaly tells of an alert and what an action tells of it are different
//! columns, and an alert whose anomaly is yet to come is as good as open.
//!
//! What an action may do depends on those before it, which are in the state of its partition. So
//! the actions of one alert must come on one partition: keyed by `alert_id`.

mod action;
mod opening;
#[cfg(test)]
mod tests;

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, FromRow as _, OutPayload, OutRecord,
    Outcome, Record, RowShape, Rows, Timestamp, Transform, Validator,
};
use uuid::Uuid;

use action::{Action, Actions, Standing};
use opening::{Anomaly, History, Opened};

/// Holds the configuration and the shapes; the alerts are in the state.
pub struct FleetAlerts {
    topics: Topics,
    actions: Actions,
    key: RowShape,
    history_key: RowShape,
    opened: Rows<Opened>,
    standing: Rows<Standing>,
    history: Rows<History>,
}

struct Topics {
    anomalies: String,
    actions: String,
    alerts: String,
    history: String,
}

const DAY: i64 = 86_400_000;

impl Transform for FleetAlerts {
    const FIELDS: &'static [&'static str] = Action::FIELDS;

    fn describe() -> Description {
        let topic = |name, default, documentation: &str| {
            ConfigKey::text(name, default, documentation).valid(Validator::NonEmpty)
        };
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Opens an alert for each anomaly, and follows the actions of operators: an alert that \
             is OPEN or ACKNOWLEDGED may be RESOLVED or DISMISSED, one that is OPEN \
             ACKNOWLEDGED; INTERVENE is recorded while it is neither RESOLVED nor DISMISSED. Any \
             other action fails. An action that comes again is dropped; the counter \
             actions_duplicate tells how many. The actions of an alert must come on one \
             partition.",
        )
        .stateful()
        .key(topic(
            "anomalies.topic",
            "anomalies",
            "The topic of the anomalies.",
        ))
        .key(topic(
            "actions.topic",
            "operator_actions",
            "The topic of the actions.",
        ))
        .key(topic(
            "alerts.topic",
            "operator_alerts",
            "Where alerts as they stand go, keyed by alert_id: rows to be upserted.",
        ))
        .key(topic(
            "history.topic",
            "operator_alert_history",
            "Where each step of an alert goes, keyed by entry_id.",
        ))
        .key(
            ConfigKey::long(
                "alert.retention.ms",
                90 * DAY,
                "For how many milliseconds of record time after its last action an alert is \
                 remembered; later it counts as open.",
            )
            .valid(Validator::Between((1.0, i64::MAX as f64))),
        )
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut topic = |key| errors.note(config.text(key).map(str::to_owned));
        let topics = Topics {
            anomalies: topic("anomalies.topic"),
            actions: topic("actions.topic"),
            alerts: topic("alerts.topic"),
            history: topic("history.topic"),
        };
        let retention = errors.note(config.int("alert.retention.ms"));
        errors.or(FleetAlerts {
            topics,
            actions: Actions::kept_for(retention.unsigned_abs()),
            key: RowShape::new("alert_key").of::<String>("alert_id"),
            history_key: RowShape::new("history_key").of::<String>("entry_id"),
            opened: Rows::named("alert_opened"),
            standing: Rows::named("alert_standing"),
            history: Rows::named("alert_history"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        // Who sends no time acts when the record comes.
        let came = Timestamp(record.timestamp().unwrap_or_default().saturating_mul(1000));
        if record.topic() == self.topics.anomalies {
            let anomaly: Anomaly<'_> = row.read()?;
            let (opened, history) = anomaly.open(came)?;
            return Ok(self.outcome(self.opened.row(opened).into(), history));
        }
        if record.topic() == self.topics.actions {
            let action: Action<'_> = row.read()?;
            return Ok(match self.actions.take(&action, came)? {
                Some((standing, history)) => {
                    self.outcome(self.standing.row(standing).into(), history)
                }
                None => Outcome::Drop,
            });
        }
        Err(Failure::new(
            "the record's topic is neither anomalies.topic nor actions.topic",
        ))
    }
}

impl FleetAlerts {
    fn outcome(&self, alert: OutPayload, history: History) -> Outcome {
        let key = self.key.row([history.alert_id.clone().into()]);
        let entry = self.history_key.row([history.entry_id.clone().into()]);
        Outcome::Replace(vec![
            OutRecord::new(alert).topic(&*self.topics.alerts).key(key),
            OutRecord::new(self.history.row(history))
                .topic(&*self.topics.history)
                .key(entry),
        ])
    }
}

/// The text of a field as a UUID.
fn uuid(field: &str, text: &str) -> ferrule_plugin::Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Failure::at(field, "must be a UUID"))
}

ferrule_plugin::export!(FleetAlerts);
