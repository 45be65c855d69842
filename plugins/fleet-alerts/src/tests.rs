//! Anomalies and actions in, alerts, their history and refusals out, natively, through both stages.

mod model;

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Answer, Input, Made, Runner, reset, world};
use uuid::Uuid;

use crate::FleetAlerts;
use crate::alert;

const AT: i64 = 1_705_314_230_200;

/// Both stages, one behind the other.
struct Chain {
    rekey: Runner<FleetAlerts>,
    alerts: Runner<FleetAlerts>,
}

impl Chain {
    fn new(config: &[(&str, &str)]) -> Chain {
        reset();
        let mut alerts = Runner::new(config).unwrap();
        alerts.turn_to("operator_alert_events", 0);
        Chain {
            rekey: Runner::new(&[("stage", "rekey")]).unwrap(),
            alerts,
        }
    }

    /// The messages of records that are read together from a partition.
    fn read(&mut self, topic: &str, partition: i32, records: Vec<Input>) -> Vec<Made> {
        self.rekey.turn_to(topic, partition);
        self.rekey.deliver(records).made()
    }

    /// What is told because of messages.
    fn decide(&mut self, messages: &[Made]) -> Vec<Made> {
        let inputs: Vec<_> = messages
            .iter()
            .map(|made| Input::of(made.value.clone()))
            .collect();
        self.alerts.deliver(inputs).made()
    }

    fn pass(&mut self, topic: &str, partition: i32, records: Vec<Input>) -> Vec<Made> {
        let messages = self.read(topic, partition, records);
        self.decide(&messages)
    }

    /// All partitions are at their end at this time.
    fn quiet(&mut self, at: i64) -> Vec<Made> {
        let mut told = Vec::new();
        for (topic, partitions) in [("anomalies", 2), ("operator_actions", 3)] {
            for partition in 0..partitions {
                self.rekey.turn_to(topic, partition);
                let messages = self.rekey.tick(at);
                told.extend(self.decide(&messages));
            }
        }
        told
    }
}

fn anomaly(id: Uuid, severity: &str) -> Input {
    let fields: [(&str, Value); 8] = [
        ("anomaly_id", id.to_string().into()),
        ("event_id", Uuid::nil().to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("event_time", "2024-01-15T10:23:45.123Z".into()),
        ("processing_time", Value::Timestamp(AT * 1000)),
        ("anomaly_type", "sudden_deceleration".into()),
        ("severity", severity.into()),
        ("evidence", Value::Json("{}".into())),
    ];
    Input::of(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    )
    .at(AT)
}

/// An action, so many milliseconds after the first anomaly.
fn action(id: u128, alert: Uuid, kind: &str, after: i64) -> Input {
    Input::of(action_fields(id, alert, kind, after)).at(AT + after)
}

fn action_fields(id: u128, alert: Uuid, kind: &str, after: i64) -> Vec<(String, Value)> {
    let fields: [(&str, Value); 7] = [
        ("action_id", Uuid::from_u128(id).to_string().into()),
        ("alert_id", alert.to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("operator_id", "operator_001".into()),
        ("action_type", kind.into()),
        ("processing_time", Value::Timestamp((AT + after) * 1000)),
        ("metadata", Value::Json(r#"{"comment":"looking"}"#.into())),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What is told of alerts: status and severity of each message.
fn statuses(told: &[Made]) -> Vec<String> {
    let messages = of_topic(told, "operator_alerts");
    let text = |made: &Made, field: &str| match made.field(field) {
        Value::Text(text) => text.clone(),
        other => panic!("{field} is {other:?}"),
    };
    let status = |made: &Made| format!("{} {}", text(made, "alert_status"), text(made, "severity"));
    messages.iter().map(status).collect()
}

fn of_topic(told: &[Made], topic: &str) -> Vec<Made> {
    let all = told
        .iter()
        .filter(|made| made.topic.as_deref() == Some(topic));
    all.cloned().collect()
}

fn reasons(told: &[Made]) -> Vec<Value> {
    let refused = of_topic(told, "operator_actions-dlq");
    refused
        .iter()
        .map(|made| made.field("reason").clone())
        .collect()
}

#[test]
fn an_anomaly_opens_an_alert_with_the_fields_of_the_document() {
    let mut chain = Chain::new(&[]);
    let id = Uuid::from_u128(7);
    let told = chain.pass("anomalies", 0, vec![anomaly(id, "WARNING")]);
    let alert_id = alert::id(id);
    assert_eq!(alert_id.get_version_num(), 4);
    let [message, step] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(message.topic.as_deref(), Some("operator_alerts"));
    assert_eq!(message.key, Some(Value::from(alert_id.to_string()).into()));
    let created = Value::Timestamp(AT * 1000);
    let expected = [
        ("alert_id", alert_id.to_string().into()),
        ("anomaly_id", id.to_string().into()),
        ("vehicle_id", "scene_1_track_7".into()),
        ("event_time", Value::Timestamp(1_705_314_225_123_000)),
        ("processing_time", created.clone()),
        ("alert_status", "OPEN".into()),
        ("severity", "WARNING".into()),
        ("anomaly_type", "sudden_deceleration".into()),
        ("assigned_operator_id", Value::Null),
        ("created_at", created),
    ];
    assert_eq!(message.value, expected.into());
    assert_eq!(step.topic.as_deref(), Some("operator_alert_history"));
    assert_eq!(step.field("entry_id"), &alert_id.to_string().into());
    // The same one again tells nothing; a graver one is a step.
    chain.alerts.restart();
    assert!(
        chain
            .pass("anomalies", 0, vec![anomaly(id, "WARNING")])
            .is_empty()
    );
    let told = chain.pass("anomalies", 0, vec![anomaly(id, "CRITICAL")]);
    assert_eq!(statuses(&told), ["OPEN CRITICAL"]);
    assert_ne!(told[1].field("entry_id"), &alert_id.to_string().into());
    assert!(
        chain
            .pass("anomalies", 0, vec![anomaly(id, "INFO")])
            .is_empty()
    );
}

#[test]
fn actions_of_three_partitions_are_taken_in_their_turn() {
    let mut chain = Chain::new(&[]);
    let alert_id = alert::id(Uuid::from_u128(7));
    chain.pass("anomalies", 1, vec![anomaly(Uuid::from_u128(7), "INFO")]);
    assert!(chain.quiet(AT).is_empty());
    // Each on another partition, and the last one is read first.
    let mut told = chain.pass(
        "operator_actions",
        2,
        vec![action(3, alert_id, "RESOLVE", 30)],
    );
    told.extend(chain.pass(
        "operator_actions",
        0,
        vec![action(4, alert_id, "DISMISS", 40)],
    ));
    chain.alerts.restart();
    told.extend(chain.pass(
        "operator_actions",
        1,
        vec![
            action(1, alert_id, "ACKNOWLEDGE", 10),
            action(2, alert_id, "INTERVENE", 20),
        ],
    ));
    assert!(told.is_empty(), "more may come: {told:?}");
    told.extend(chain.quiet(AT + 1_039));
    let expected = ["ACKNOWLEDGED INFO", "ACKNOWLEDGED INFO", "RESOLVED INFO"];
    assert_eq!(statuses(&told), expected);
    assert!(reasons(&told).is_empty());
    let told = chain.quiet(AT + 1_040);
    let reason = "action_type: is not for an alert that is RESOLVED";
    assert_eq!(reasons(&told), [reason.into()]);
    let refused = &of_topic(&told, "operator_actions-dlq")[0];
    assert_eq!(refused.field("alert_status"), &"RESOLVED".into());
    assert_eq!(
        refused.field("action_id"),
        &Uuid::from_u128(4).to_string().into()
    );
    let headers = refused.headers.clone().unwrap();
    let header = |name: &str| {
        let mut headers = headers.iter();
        headers
            .find(|it| it.name == format!("__connect.errors.{name}"))
            .unwrap()
            .value
            .clone()
    };
    assert_eq!(header("topic"), "operator_actions".into());
    assert_eq!(header("partition"), "0".into());
    assert_eq!(header("exception.message"), reason.into());
}

#[test]
fn an_action_on_an_unknown_alert_waits_for_it_and_is_refused() {
    let mut chain = Chain::new(&[("unknown.alert.wait.ms", "5000")]);
    let alert_id = alert::id(Uuid::from_u128(7));
    let strange = Uuid::from_u128(99);
    chain.quiet(AT);
    chain.pass(
        "operator_actions",
        0,
        vec![
            action(1, alert_id, "ACKNOWLEDGE", 0),
            action(2, strange, "RESOLVE", 0),
        ],
    );
    assert!(chain.quiet(AT + 4_999).is_empty());
    chain.alerts.restart();
    let told = chain.pass("anomalies", 1, vec![anomaly(Uuid::from_u128(7), "INFO")]);
    assert_eq!(statuses(&told), ["OPEN INFO", "ACKNOWLEDGED INFO"]);
    let told = chain.quiet(AT + 5_000);
    assert_eq!(reasons(&told), ["alert_id: there is no such alert".into()]);
    assert_eq!(told.len(), 1, "no alert is made of it: {told:?}");
    assert_eq!(world(|world| world.counters["actions_refused"]), 1);
    assert!(chain.quiet(AT + 90_000).is_empty());
}

#[test]
fn an_alert_of_long_ago_is_acted_upon_today() {
    let mut chain = Chain::new(&[("alert.retention.ms", "1000")]);
    let messages = chain.read("anomalies", 0, vec![anomaly(Uuid::from_u128(7), "INFO")]);
    let at = |messages: &[Made], at: i64| {
        let messages = messages.iter();
        let inputs = messages.map(|made| Input::of(made.value.clone()).at(at));
        inputs.collect::<Vec<_>>()
    };
    let year = 365 * 86_400_000;
    chain.alerts.deliver(at(&messages, AT));
    let alert_id = alert::id(Uuid::from_u128(7));
    let acted = vec![action(1, alert_id, "ACKNOWLEDGE", 3 * year)];
    let messages = chain.read("operator_actions", 0, acted);
    chain.alerts.deliver(at(&messages, AT + 3 * year));
    assert_eq!(statuses(&chain.quiet(AT + 4 * year)), ["ACKNOWLEDGED INFO"]);
}

#[test]
fn an_action_that_comes_again_is_dropped_and_counted() {
    let mut chain = Chain::new(&[]);
    let alert_id = alert::id(Uuid::from_u128(7));
    chain.pass("anomalies", 0, vec![anomaly(Uuid::from_u128(7), "INFO")]);
    chain.pass(
        "operator_actions",
        0,
        vec![action(1, alert_id, "RESOLVE", 0)],
    );
    chain.pass(
        "operator_actions",
        1,
        vec![action(1, alert_id, "RESOLVE", 0)],
    );
    let told = chain.quiet(AT + 60_000);
    assert_eq!(statuses(&told), ["RESOLVED INFO"]);
    assert!(reasons(&told).is_empty());
    assert_eq!(world(|world| world.counters["actions_duplicate"]), 1);
}

#[test]
fn what_does_not_fit_names_its_field() {
    let fails = |topic: &str, fields: Vec<(String, Value)>, field: &str, value: Value| {
        let mut fields = fields;
        fields.retain(|(name, _)| name != field);
        fields.push((field.to_owned(), value));
        let mut chain = Chain::new(&[]);
        chain.rekey.turn_to(topic, 0);
        let (failed, reason) = chain.rekey.one(fields).failure();
        assert_eq!(failed.as_deref(), Some(field));
        reason
    };
    let anomaly = || -> Vec<(String, Value)> {
        let fields: [(&str, &str); 5] = [
            ("anomaly_id", "00000000-0000-4000-8000-000000000001"),
            ("vehicle_id", "v"),
            ("event_time", "2024-01-15T10:23:45.123Z"),
            ("severity", "INFO"),
            ("anomaly_type", "t"),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into()
    };
    let is = "must be a UUID";
    assert_eq!(fails("anomalies", anomaly(), "anomaly_id", "1".into()), is);
    let is = "must be INFO, WARNING or CRITICAL";
    assert_eq!(fails("anomalies", anomaly(), "severity", "BAD".into()), is);
    let is = "must not be empty";
    assert_eq!(fails("anomalies", anomaly(), "vehicle_id", "".into()), is);
    let good = || action_fields(1, Uuid::nil(), "RESOLVE", 0);
    let actions = "operator_actions";
    assert_eq!(fails(actions, good(), "operator_id", "".into()), is);
    let is = "must be ACKNOWLEDGE, RESOLVE, DISMISS or INTERVENE";
    assert_eq!(fails(actions, good(), "action_type", "FIX".into()), is);
    assert_eq!(
        fails(actions, good(), "alert_id", Value::Null),
        "is required"
    );
    let mut chain = Chain::new(&[]);
    let failure = chain.rekey.one(good()).failure();
    let reason = "the record's topic is neither anomalies.topic nor actions.topic";
    assert_eq!(failure, (None, reason.to_owned()));
}

#[test]
fn the_second_stage_refuses_what_is_not_brought_together() {
    let mut chain = Chain::new(&[]);
    // An action as its topic has it.
    let answer = chain
        .alerts
        .one(action_fields(1, Uuid::nil(), "RESOLVE", 0));
    assert_eq!(
        answer.failure(),
        (Some("kind".into()), "is required".into())
    );
    chain.alerts.turn_to("operator_alert_events", 1);
    let messages = chain.read(
        "operator_actions",
        0,
        vec![action(1, Uuid::nil(), "RESOLVE", 0)],
    );
    let answer = chain.alerts.one(messages[0].value.clone());
    let (_, reason) = answer.failure();
    assert!(reason.contains("must have one partition"), "{reason}");
}

#[test]
fn what_the_state_has_no_room_for_fails_and_leaves_nothing() {
    let mut chain = Chain::new(&[]);
    let messages = chain.read(
        "operator_actions",
        0,
        vec![action(1, Uuid::nil(), "RESOLVE", 0)],
    );
    world(|world| world.state_limit = Some(150));
    let answer = chain.alerts.one(messages[0].value.clone());
    assert!(matches!(answer, Answer::Fail(_)), "{answer:?}");
    let left = world(|world| world.partition().entries.len());
    assert_eq!(left, 0);
}
