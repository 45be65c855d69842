//! Telemetry in, anomalies out, natively.

mod model;
mod nested;

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Answer, Content, Input, Made, Runner, reset, world};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::FleetAnomalies;

/// A frame, and what of it matters.
#[derive(Clone, Debug)]
struct Shot {
    vehicle: String,
    event: u128,
    at: i64,
    session: u8,
    index: i64,
    velocity: f64,
    acceleration: f64,
    probability: f64,
    yaw_rate: f64,
}

impl Shot {
    fn new(index: i64) -> Shot {
        Shot {
            vehicle: "scene_1_track_7".into(),
            event: 1000 + index as u128,
            at: index * 250,
            session: 0,
            index,
            velocity: 10.0,
            acceleration: 0.0,
            probability: 0.9,
            yaw_rate: 0.0,
        }
    }

    fn moving(index: i64, velocity: f64, acceleration: f64) -> Shot {
        Shot {
            velocity,
            acceleration,
            ..Shot::new(index)
        }
    }

    /// When the frame was taken: a quarter of a second apart.
    fn event_time(&self) -> i64 {
        self.index * 250_000
    }

    fn fields(&self) -> Vec<(String, Value)> {
        let telemetry = json!({
            "position": { "x": 1.5, "y": 2.5, "z": 0.0 },
            "velocity": { "x": self.velocity, "y": 0.0, "z": 0.0, "magnitude": self.velocity },
            "acceleration": { "x": self.acceleration, "y": 0.0, "z": 0.0,
                              "magnitude": self.acceleration.abs() },
            "yaw": 1.0, "yaw_rate": self.yaw_rate, "label_probability": self.probability,
            "track_length": 12,
        });
        let metadata = json!({ "replay_session_id": self.session, "replay_rate": 10.0 });
        let fields: [(&str, Value); 6] = [
            ("event_id", Uuid::from_u128(self.event).to_string().into()),
            ("vehicle_id", self.vehicle.clone().into()),
            ("event_time", Value::Timestamp(self.event_time())),
            ("frame_index", self.index.into()),
            ("telemetry", Value::Json(telemetry.to_string())),
            ("metadata", Value::Json(metadata.to_string())),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn input(&self) -> Input {
        Input::of(self.fields()).at(self.at)
    }
}

fn runner(config: &[(&str, &str)]) -> Runner<FleetAnomalies> {
    reset();
    Runner::new(config).unwrap()
}

/// The anomalies of these frames, each in a batch of its own, and of what waited at the end.
fn anomalies(config: &[(&str, &str)], shots: &[Shot]) -> Vec<Made> {
    let mut runner = runner(config);
    let mut made = Vec::new();
    for shot in shots {
        made.extend(runner.deliver([shot.input()]).made());
    }
    made.extend(runner.tick(i64::MAX / 2));
    made
}

fn nested(made: &Made, field: &str) -> Json {
    match made.field(field) {
        Value::Json(text) => serde_json::from_str(text).unwrap(),
        other => panic!("{field} is {other:?}"),
    }
}

fn counter(name: &str) -> u64 {
    world(|world| world.counters.get(name).copied().unwrap_or_default())
}

/// The braking of the document's example.
fn braking() -> [Shot; 3] {
    [
        Shot::moving(40, 13.5, -0.1),
        Shot::moving(41, 10.2, -2.5),
        Shot::moving(42, 5.0, -4.2),
    ]
}

#[test]
fn a_sudden_deceleration_has_the_schema_of_its_document() {
    let made = anomalies(&[], &braking());
    let [anomaly] = &made[..] else {
        panic!("{made:?}")
    };
    assert_eq!(anomaly.topic.as_deref(), Some("anomalies"));
    assert_eq!(anomaly.key, Some(Content::Scalar("scene_1_track_7".into())));
    let event = Uuid::from_u128(1042);
    let id = crate::anomaly::id("scene_1_track_7", event, "sudden_deceleration");
    let text: [(&str, &str); 6] = [
        ("anomaly_id", &id.to_string()),
        ("event_id", &event.to_string()),
        ("vehicle_id", "scene_1_track_7"),
        ("anomaly_type", "sudden_deceleration"),
        ("severity", "WARNING"),
        ("triggered_rule", "decel_threshold_exceeded"),
    ];
    for (field, value) in text {
        assert_eq!(anomaly.field(field), &Value::from(value), "{field}");
    }
    assert_eq!(anomaly.field("event_time"), &Value::Timestamp(10_500_000));
    assert_eq!(
        anomaly.field("processing_time"),
        &Value::Timestamp(10_500_000)
    );
    assert_eq!(
        nested(anomaly, "features"),
        json!({ "velocity_delta": -8.5, "acceleration_magnitude": 4.2, "time_window_ms": 500 })
    );
    assert_eq!(
        nested(anomaly, "thresholds"),
        json!({ "decel_threshold_ms2": 3.0, "velocity_delta_threshold_ms": 5.0 })
    );
    assert_eq!(
        nested(anomaly, "evidence"),
        json!({
            "frame_indices": [40, 41, 42],
            "velocity_history": [13.5, 10.2, 5.0],
            "acceleration_history": [-0.1, -2.5, -4.2],
        })
    );
    assert_eq!(id.get_version_num(), 4);
}

#[test]
fn both_measures_of_a_deceleration_must_pass() {
    let [first, second, third] = braking();
    let gentle = Shot {
        acceleration: -3.0,
        ..third.clone()
    };
    assert!(anomalies(&[], &[first.clone(), second.clone(), gentle]).is_empty());
    let short = Shot {
        velocity: 8.5,
        ..third.clone()
    };
    assert!(anomalies(&[], &[first.clone(), second.clone(), short]).is_empty());
    let narrow = [("window.ms", "100")];
    assert!(anomalies(&narrow, &[first, second, third]).is_empty());
}

#[test]
fn the_severity_is_that_of_the_lesser_excess() {
    let severity = |velocity: f64, acceleration: f64| {
        let [first, second, _] = braking();
        let third = Shot::moving(42, velocity, acceleration);
        let made = anomalies(&[], &[first, second, third]);
        made[0].field("severity").clone()
    };
    assert_eq!(severity(8.0, -30.0), "INFO".into());
    assert_eq!(severity(0.5, -3.1), "INFO".into());
    assert_eq!(severity(0.5, -4.0), "WARNING".into());
    assert_eq!(severity(0.5, -6.0), "CRITICAL".into());
}

#[test]
fn a_vehicle_that_stands_after_braking_has_braked() {
    let shots = [Shot::moving(1, 9.0, -5.0), Shot::moving(2, 0.0, -8.0)];
    let made = anomalies(&[], &shots);
    assert_eq!(
        nested(&made[0], "evidence")["acceleration_history"],
        json!([-5.0, -8.0])
    );
    let starts = [Shot::moving(1, 0.0, 8.0), Shot::moving(2, 9.0, 8.0)];
    assert!(anomalies(&[], &starts).is_empty());
}

#[test]
fn perception_is_unstable_when_probability_or_yaw_rate_jumps() {
    let jump = |probability: f64, yaw_rate: f64| {
        let second = Shot {
            probability,
            yaw_rate,
            ..Shot::new(2)
        };
        anomalies(&[], &[Shot::new(1), second])
    };
    assert!(jump(0.65, 0.45).is_empty());
    let made = jump(0.25, -0.75);
    assert_eq!(made.len(), 1);
    let rule = made[0].field("triggered_rule");
    assert_eq!(rule, &"label_probability_jump_exceeded".into());
    assert_eq!(made[0].field("severity"), &"CRITICAL".into());
    let features = nested(&made[0], "features");
    assert_eq!(features["label_probability_delta"], json!(0.25 - 0.9));
    assert_eq!(features["yaw_rate_delta"], json!(-0.75));
    assert_eq!(
        nested(&made[0], "evidence")["yaw_rate_history"],
        json!([0.0, -0.75])
    );
    let made = jump(0.9, 0.6);
    let rule = made[0].field("triggered_rule");
    assert_eq!(rule, &"yaw_rate_jump_exceeded".into());
    assert_eq!(made[0].field("severity"), &"INFO".into());
}

#[test]
fn frames_within_the_tolerance_are_put_in_order_and_others_dropped() {
    let order = [40, 42, 41, 44, 40, 43, 45, 42];
    let [first, second, third] = braking();
    let shots: Vec<_> = (order.iter().zip(0u128..))
        .map(|(index, event)| match index {
            40 if event == 0 => first.clone(),
            41 => second.clone(),
            42 if event == 1 => third.clone(),
            index => Shot {
                event,
                ..Shot::moving(*index, 5.0, 0.0)
            },
        })
        .collect();
    let made = anomalies(&[], &shots);
    assert_eq!(made.len(), 1, "as if nothing had been out of order");
    assert_eq!(
        nested(&made[0], "evidence")["frame_indices"],
        json!([40, 41, 42])
    );
    assert_eq!(counter("frames_late"), 2);
    assert_eq!(counter("frames_reordered"), 2);
    assert_eq!(counter("events_duplicate"), 0);
}

#[test]
fn an_event_counts_once_in_a_minute_of_its_vehicle() {
    let mut runner = runner(&[]);
    let [first, second, third] = braking();
    runner.deliver([first.input(), second.input()]);
    runner.restart();
    let again = Shot {
        at: third.at + 59_999,
        ..third.clone()
    };
    assert_eq!(runner.deliver([third.input()]).made().len(), 1);
    assert!(runner.deliver([third.input()]).made().is_empty());
    runner.restart();
    assert!(runner.deliver([again.input()]).made().is_empty());
    assert_eq!(counter("events_duplicate"), 2);
    let other = Shot {
        vehicle: "scene_1_ego".into(),
        ..third
    };
    runner.deliver([other.input()]);
    assert_eq!(counter("events_duplicate"), 2);
    let late = Shot {
        at: again.at + 1,
        ..again
    };
    runner.deliver([late.input()]);
    assert_eq!(counter("events_duplicate"), 2, "a minute is over");
}

#[test]
fn another_replay_begins_anew() {
    let mut runner = runner(&[]);
    runner.deliver(braking().map(|shot| shot.input()));
    let again = braking().map(|shot| Shot {
        session: 1,
        event: shot.event + 500,
        ..shot
    });
    let mut made = runner.deliver(again.map(|shot| shot.input())).made();
    made.extend(runner.tick(1_000_000));
    assert_eq!(made.len(), 1);
    assert_eq!(counter("frames_late"), 0);
}

#[test]
fn a_late_frame_of_a_replay_that_is_over_does_not_begin_anew() {
    let mut runner = runner(&[]);
    runner.deliver([Shot::new(900).input(), Shot::new(901).input()]);
    let [first, second, third] = braking().map(|shot| Shot {
        session: 1,
        event: shot.event + 500,
        at: 900 * 250 + shot.at,
        ..shot
    });
    let late = Shot {
        at: second.at,
        ..Shot::new(902)
    };
    let before = Shot {
        index: 39,
        event: 39,
        ..first.clone()
    };
    let shots = [before, first, second, late, third];
    let made = runner.deliver(shots.map(|shot| shot.input())).made();
    assert_eq!(made.len(), 1, "the history of the new replay goes on");
    assert_eq!(
        nested(&made[0], "evidence")["frame_indices"],
        json!([40, 41, 42])
    );
    assert_eq!(counter("frames_late"), 1);
    // Once the vehicle was silent for long enough, the same name is a replay as any other.
    let again = Shot {
        at: 900 * 250 + 42 * 250 + 60_001,
        ..Shot::new(903)
    };
    runner.deliver([again.input()]);
    assert_eq!(counter("frames_late"), 1);
}

/// A vehicle brakes, harder and harder, and goes on.
fn stop(from: i64) -> Vec<Shot> {
    let slowing = [30.0, 28.0, 25.0, 21.0, 16.0, 10.0, 6.0];
    let slowing = slowing.map(|velocity| (velocity, -12.0));
    let frames = slowing.into_iter().chain([(6.0, 0.0); 13]);
    let frames = (from..).zip(frames);
    frames
        .map(|(index, (velocity, acceleration))| Shot::moving(index, velocity, acceleration))
        .collect()
}

#[test]
fn one_stop_is_one_anomaly() {
    let shots = stop(0);
    let each = anomalies(&[("cooldown.ms", "0")], &shots);
    assert_eq!(each.len(), 4, "a frame that breaks the rule is one");
    let made = anomalies(&[], &shots);
    let ids: Vec<_> = made.iter().map(|made| made.field("anomaly_id")).collect();
    assert!(ids.iter().all(|id| *id == each[0].field("anomaly_id")));
    let severities: Vec<_> = made.iter().map(|made| made.field("severity")).collect();
    let told: [&Value; 2] = [&"WARNING".into(), &"CRITICAL".into()];
    assert_eq!(severities, told, "told again only when it is graver");
}

#[test]
fn another_stop_after_the_cooldown_is_another_anomaly() {
    let ids = |made: &[Made]| {
        let ids = made
            .iter()
            .map(|made| format!("{:?}", made.field("anomaly_id")));
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let soon = [stop(0), stop(40)].concat();
    assert_eq!(ids(&anomalies(&[], &soon)).len(), 1);
    let later = [stop(0), stop(100)].concat();
    assert_eq!(ids(&anomalies(&[], &later)).len(), 2);
    let ids_of_model_4 = |made: &Made| match made.field("anomaly_id") {
        Value::Text(text) => Uuid::parse_str(text).unwrap().get_version_num(),
        other => panic!("{other:?}"),
    };
    assert!(
        anomalies(&[], &later)
            .iter()
            .all(|it| ids_of_model_4(it) == 4)
    );
}

#[test]
fn a_frame_that_waits_is_put_in_order_by_a_tick() {
    let mut runner = runner(&[]);
    let [first, _, third] = braking();
    let second = Shot {
        index: 39,
        event: 39,
        ..first.clone()
    };
    runner.deliver([second, first].map(|shot| shot.input()));
    assert!(runner.deliver([third.input()]).made().is_empty());
    runner.restart();
    assert!(runner.tick(third.at + 999).is_empty());
    assert_eq!(runner.tick(third.at + 1000).len(), 1);
    assert!(runner.tick(third.at + 1000).is_empty());
}

#[test]
fn what_does_not_fit_names_its_field() {
    let with = |field: &str, value: Value| {
        let mut fields = Shot::new(1).fields();
        fields.retain(|(name, _)| name != field);
        fields.push((field.to_owned(), value));
        runner(&[]).one(fields).failure()
    };
    let cases: [(&str, Value, &str); 7] = [
        ("event_id", "17".into(), "must be a UUID"),
        ("event_id", Value::Null, "is required"),
        ("vehicle_id", "".into(), "must not be empty"),
        ("frame_index", (-1i64).into(), "must not be negative"),
        ("frame_index", 1.5.into(), "must be an integer, not a float"),
        (
            "event_time",
            "noon".into(),
            "must be a timestamp, ISO 8601 text or milliseconds since 1970, not other text",
        ),
        ("telemetry", "fast".into(), "must be nested data, not text"),
    ];
    for (field, value, reason) in cases {
        let failure = with(field, value);
        assert_eq!(failure, (Some(field.to_owned()), reason.to_owned()));
    }
}

#[test]
fn what_the_state_has_no_room_for_fails() {
    let mut runner = runner(&[]);
    world(|world| world.state_limit = Some(40));
    let answers = runner.deliver(braking().map(|shot| shot.input())).answers;
    for answer in answers {
        let (_, reason) = answer.failure();
        assert_eq!(reason, "the plugin's state is full (40 bytes)");
    }
    world(|world| world.state_limit = None);
    let answers = runner.deliver(braking().map(|shot| shot.input())).answers;
    assert!(answers.iter().all(|it| !matches!(it, Answer::Fail(_))));
}

#[test]
fn a_bad_configuration_names_its_key() {
    let errors = |config: &[(&str, &str)]| {
        let errors = Runner::<FleetAnomalies>::new(config).err().unwrap().0;
        errors.into_iter().map(|it| it.key).collect::<Vec<_>>()
    };
    assert_eq!(errors(&[("window.ms", "long")]), ["window.ms"]);
    let ratios = [("severity.critical.ratio", "1.1")];
    assert_eq!(errors(&ratios), ["severity.critical.ratio"]);
}
