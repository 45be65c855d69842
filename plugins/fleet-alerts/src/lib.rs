//! The plugin `fleet-alerts`: anomalies open alerts, and actions of operators move them on.
//!
//! It runs twice. `stage=rekey` brings anomalies and actions, which are topics of their own with
//! keys
//! of their own, together in one topic of one partition, and says there how far each of their
//! partitions has been read. `stage=alerts` reads that topic and decides: an action waits until
//! what was before it is known, and what is decided is the same whenever a worker is killed.

mod alert;
mod desk;
mod event;
mod held;
#[cfg(test)]
mod tests;

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, OutRecord, Outcome, Record, Tick,
    Transform, Validator,
};
use uuid::Uuid;

use desk::{Desk, Settings};
use event::Events;

/// Holds the configuration; the alerts are in the state.
pub struct FleetAlerts {
    stage: Stage,
    anomalies_topic: String,
    actions_topic: String,
}

enum Stage {
    Rekey(Events),
    Alerts(Box<Desk>),
}

const DAY: i64 = 86_400_000;

impl Transform for FleetAlerts {
    fn describe() -> Description {
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Opens an alert for each anomaly, and follows the actions of operators: an alert that \
             is OPEN or ACKNOWLEDGED may be RESOLVED or DISMISSED, one that is OPEN \
             ACKNOWLEDGED; INTERVENE is recorded while it is neither RESOLVED nor DISMISSED. Any \
             other action, and one on an alert that there is not, is refused: it goes to \
             refused.topic, with the reason. An action that comes again is dropped; the counter \
             actions_duplicate tells how many. It takes two connectors: stage=rekey brings anomalies \
             and actions, however they are keyed, together in a topic of one partition, and \
             stage=alerts decides there.",
        );
        let description = description.stateful().ticking();
        let keys = topic_keys().into_iter().chain(time_keys());
        keys.fold(description, Description::key)
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let text =
            |errors: &mut ConfigErrors, key| errors.note(config.text(key).map(str::to_owned));
        let actions_topic = text(&mut errors, "actions.topic");
        let stage = match &*text(&mut errors, "stage") {
            "rekey" => Stage::Rekey(Events::to(text(&mut errors, "events.topic"))),
            _ => Stage::Alerts(Box::new(Desk::new(Settings {
                actions_topic: actions_topic.clone(),
                alerts_topic: text(&mut errors, "alerts.topic"),
                history_topic: text(&mut errors, "history.topic"),
                refused_topic: text(&mut errors, "refused.topic"),
                retention: errors.note(config.int("alert.retention.ms")).unsigned_abs(),
                order: errors.note(config.int("action.order.ms")),
                unknown_wait: errors.note(config.int("unknown.alert.wait.ms")),
            }))),
        };
        let anomalies_topic = text(&mut errors, "anomalies.topic");
        errors.or(FleetAlerts {
            stage,
            anomalies_topic,
            actions_topic,
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        match &self.stage {
            Stage::Rekey(events) if record.topic() == self.anomalies_topic => {
                events.anomaly(record).map(Outcome::replace)
            }
            Stage::Rekey(events) if record.topic() == self.actions_topic => {
                events.action(record).map(Outcome::replace)
            }
            Stage::Rekey(_) => Err(Failure::new(
                "the record's topic is neither anomalies.topic nor actions.topic",
            )),
            Stage::Alerts(desk) => desk.take(record).map(Outcome::Replace),
        }
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        match &self.stage {
            Stage::Rekey(events) => vec![events.progress(tick.topic, tick.partition, tick.now)],
            Stage::Alerts(_) => Vec::new(),
        }
    }
}

fn topic_keys() -> [ConfigKey; 7] {
    let topic = |name, default, documentation: &str| {
        ConfigKey::text(name, default, documentation).valid(Validator::NonEmpty)
    };
    [
        ConfigKey::text(
            "stage",
            "alerts",
            "rekey: anomalies and actions become messages of events.topic. alerts: the messages of \
             that topic become alerts.",
        )
        .valid(Validator::OneOf(
            ["rekey", "alerts"].map(str::to_owned).into(),
        )),
        topic(
            "anomalies.topic",
            "anomalies",
            "The topic of the anomalies.",
        ),
        topic(
            "actions.topic",
            "operator_actions",
            "The topic of the actions.",
        ),
        topic(
            "events.topic",
            "operator_alert_events",
            "stage=rekey: where anomalies and actions come together. It must have one partition.",
        ),
        topic(
            "alerts.topic",
            "operator_alerts",
            "stage=alerts: where an alert goes, as it stands, after each step; keyed by alert_id.",
        ),
        topic(
            "history.topic",
            "operator_alert_history",
            "stage=alerts: where each step of an alert goes, keyed by entry_id.",
        ),
        topic(
            "refused.topic",
            "operator_actions-dlq",
            "stage=alerts: where an action goes that is not taken, keyed by action_id: its fields, \
             the alert's status and the reason, and the headers of a dead letter.",
        ),
    ]
}

/// They are told of `stage=alerts` alone.
fn time_keys() -> [ConfigKey; 3] {
    let millis = |name, default, least: f64, documentation: &str| {
        ConfigKey::long(name, default, documentation)
            .valid(Validator::Between((least, 1_000_000.0 * DAY as f64)))
    };
    [
        millis(
            "alert.retention.ms",
            90 * DAY,
            1.0,
            "For how many milliseconds of record time an alert is remembered that is RESOLVED or \
             DISMISSED; later it is unknown. Any other is remembered until it is one.",
        ),
        millis(
            "action.order.ms",
            1_000,
            0.0,
            "An action waits until all partitions of the actions have been read up to so many \
             milliseconds after it, so that those on one alert are taken in the order of their \
             processing_time.",
        ),
        millis(
            "unknown.alert.wait.ms",
            60_000,
            0.0,
            "An action on an alert that is unknown is refused when the anomalies, too, have been \
             read up to so many milliseconds after it.",
        ),
    ]
}

/// The text of a field as a UUID.
fn uuid(field: &str, text: &str) -> ferrule_plugin::Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Failure::at(field, "must be a UUID"))
}

ferrule_plugin::export!(FleetAlerts);
