//! Anomalies and actions in, alerts and their history out, natively.

use std::collections::BTreeMap;

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Answer, Content, Input, Made, Runner, reset, world};
use proptest::prelude::*;
use uuid::Uuid;

use crate::FleetAlerts;
use crate::opening::alert_id;

const AT: i64 = 1_705_314_230_200;

fn runner() -> Runner<FleetAlerts> {
    reset();
    Runner::new(&[]).unwrap()
}

fn anomaly(id: Uuid) -> Vec<(String, Value)> {
    let fields: [(&str, Value); 8] = [
        ("anomaly_id", id.to_string().into()),
        ("event_id", Uuid::nil().to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("event_time", "2024-01-15T10:23:45.123Z".into()),
        ("processing_time", Value::Timestamp(AT * 1000)),
        ("anomaly_type", "sudden_deceleration".into()),
        ("severity", "WARNING".into()),
        ("evidence", Value::Json("{}".into())),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn action(id: u128, alert: Uuid, kind: &str) -> Vec<(String, Value)> {
    let fields: [(&str, Value); 7] = [
        ("action_id", Uuid::from_u128(id).to_string().into()),
        ("alert_id", alert.to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("operator_id", "operator_001".into()),
        ("action_type", kind.into()),
        ("processing_time", "2024-01-15T10:23:50.200Z".into()),
        ("metadata", Value::Json(r#"{"comment":"looking"}"#.into())),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The record for the table of alerts and that for the history.
fn two(answer: Answer) -> (Made, Made) {
    match answer {
        Answer::Replace(made) if made.len() == 2 => {
            let [alert, history] = <[Made; 2]>::try_from(made).unwrap();
            assert_eq!(alert.topic.as_deref(), Some("operator_alerts"));
            assert_eq!(history.topic.as_deref(), Some("operator_alert_history"));
            (alert, history)
        }
        other => panic!("{other:?}"),
    }
}

fn act(runner: &mut Runner<FleetAlerts>, id: u128, alert: Uuid, kind: &str) -> Answer {
    runner.turn_to("operator_actions", 0);
    let input = Input::of(action(id, alert, kind)).at(AT);
    runner.deliver([input]).answers.remove(0)
}

#[test]
fn an_anomaly_opens_an_alert() {
    let mut runner = runner();
    runner.turn_to("anomalies", 3);
    let id = Uuid::from_u128(7);
    let (alert, history) = two(runner.one(anomaly(id)));
    let alert_id = alert_id(id).to_string();
    assert_eq!(
        alert.key,
        Some([("alert_id", alert_id.clone().into())].into())
    );
    let expected: Content = [
        ("alert_id", alert_id.clone().into()),
        ("anomaly_id", id.to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("event_time", Value::Timestamp(1_705_314_225_123_000)),
        ("processing_time", Value::Timestamp(AT * 1000)),
        ("severity", "WARNING".into()),
        ("anomaly_type", "sudden_deceleration".into()),
        ("created_at", Value::Timestamp(AT * 1000)),
    ]
    .into();
    assert_eq!(alert.value, expected, "the status is the table's default");
    assert_eq!(history.key, Some([("entry_id", alert_id.into())].into()));
    assert_eq!(history.field("alert_status"), &"OPEN".into());
    assert_eq!(history.field("action_id"), &Value::Null);
    assert_eq!(
        two(runner.one(anomaly(id))),
        (alert, history),
        "and the same one again"
    );
}

#[test]
fn actions_move_an_alert_on() {
    let mut runner = runner();
    let alert_id = Uuid::from_u128(99);
    let at = Value::Timestamp(AT * 1000);
    let (alert, history) = two(act(&mut runner, 1, alert_id, "ACKNOWLEDGE"));
    let expected: Content = [
        ("alert_id", alert_id.to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("alert_status", "ACKNOWLEDGED".into()),
        ("assigned_operator_id", "operator_001".into()),
        ("intervened_at", Value::Null),
        ("updated_at", at.clone()),
    ]
    .into();
    assert_eq!(alert.value, expected);
    let entry = Uuid::from_u128(1).to_string();
    assert_eq!(history.key, Some([("entry_id", entry.into())].into()));
    let metadata = Value::Json(r#"{"comment":"looking"}"#.into());
    assert_eq!(history.field("metadata"), &metadata);
    runner.restart();
    let (alert, history) = two(act(&mut runner, 2, alert_id, "INTERVENE"));
    assert_eq!(alert.field("alert_status"), &"ACKNOWLEDGED".into());
    assert_eq!(alert.field("intervened_at"), &at);
    assert_eq!(history.field("action_type"), &"INTERVENE".into());
    let (alert, _) = two(act(&mut runner, 3, alert_id, "RESOLVE"));
    assert_eq!(alert.field("alert_status"), &"RESOLVED".into());
    assert_eq!(alert.field("intervened_at"), &at);
}

#[test]
fn what_does_not_fit_names_its_field() {
    let fails = |topic: &str, fields: &[(String, Value)], field: &str, value: Value| {
        let mut fields = fields.to_vec();
        fields.retain(|(name, _)| name != field);
        fields.push((field.to_owned(), value));
        let mut runner = runner();
        runner.turn_to(topic, 0);
        let (failed, reason) = runner.one(fields).failure();
        assert_eq!(failed.as_deref(), Some(field));
        reason
    };
    let (good, is) = (anomaly(Uuid::nil()), "must be a UUID");
    assert_eq!(fails("anomalies", &good, "anomaly_id", "1".into()), is);
    let is = "must be INFO, WARNING or CRITICAL";
    assert_eq!(fails("anomalies", &good, "severity", "BAD".into()), is);
    let is = "must not be empty";
    assert_eq!(fails("anomalies", &good, "vehicle_id", "".into()), is);
    let good = action(1, Uuid::nil(), "RESOLVE");
    assert_eq!(
        fails("operator_actions", &good, "operator_id", "".into()),
        is
    );
    let is = "must be ACKNOWLEDGE, RESOLVE, DISMISS or INTERVENE";
    assert_eq!(
        fails("operator_actions", &good, "action_type", "FIX".into()),
        is
    );
    let is = "is required";
    assert_eq!(
        fails("operator_actions", &good, "alert_id", Value::Null),
        is
    );
    let failure = runner().one(good).failure();
    let reason = "the record's topic is neither anomalies.topic nor actions.topic";
    assert_eq!(failure, (None, reason.to_owned()));
}

const KINDS: [&str; 4] = ["ACKNOWLEDGE", "RESOLVE", "DISMISS", "INTERVENE"];

/// What an alert becomes by an action, if it may.
fn model(status: &'static str, action: &str) -> Option<&'static str> {
    match (status, action) {
        ("OPEN", "ACKNOWLEDGE") => Some("ACKNOWLEDGED"),
        ("OPEN" | "ACKNOWLEDGED", "RESOLVE") => Some("RESOLVED"),
        ("OPEN" | "ACKNOWLEDGED", "DISMISS") => Some("DISMISSED"),
        ("OPEN" | "ACKNOWLEDGED", "INTERVENE") => Some(status),
        _ => None,
    }
}

proptest! {
    #[test]
    fn alerts_go_the_way_of_the_model(
        steps in prop::collection::vec((0u128..3, 0usize..4, 0u128..12, any::<bool>()), 0..40),
    ) {
        let mut runner = runner();
        let mut statuses = BTreeMap::new();
        let mut taken = Vec::new();
        // The tables, as the rows leave them.
        let (mut alerts, mut entries) = (BTreeMap::new(), 0);
        for (alert, kind, id, restart) in steps {
            let (alert_id, kind) = (Uuid::from_u128(alert), KINDS[kind]);
            let status = statuses.entry(alert_id).or_insert("OPEN");
            let answer = act(&mut runner, id, alert_id, kind);
            if taken.contains(&(alert, id)) {
                prop_assert_eq!(answer, Answer::Drop);
            } else if let Some(next) = model(status, kind) {
                let (row, history) = two(answer);
                *status = next;
                taken.push((alert, id));
                prop_assert_eq!(history.field("alert_status"), &Value::from(next));
                alerts.insert(alert_id, row.field("alert_status").clone());
                entries += 1;
            } else {
                let reason = format!("is not for an alert that is {status}");
                prop_assert_eq!(answer.failure(), (Some("action_type".into()), reason));
            }
            if restart {
                runner.restart();
            }
        }
        prop_assert_eq!(entries, taken.len());
        for (alert, status) in alerts {
            prop_assert_eq!(status, Value::from(statuses[&alert]));
        }
    }
}

#[test]
fn an_action_that_comes_again_is_dropped_and_counted() {
    let mut runner = runner();
    let alert_id = Uuid::from_u128(99);
    act(&mut runner, 1, alert_id, "RESOLVE");
    assert_eq!(act(&mut runner, 1, alert_id, "RESOLVE"), Answer::Drop);
    assert_eq!(world(|world| world.counters["actions_duplicate"]), 1);
}
