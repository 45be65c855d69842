//! Each rule broken alone, switched off, and held against random events.

use ferrule_plugin::ValueRef::{self, Decimal, Float, Int, Json, Null, Text};
use ferrule_plugin::testing::{Answer, Content, Input, Runner};
use ferrule_plugin::{Json as JsonText, Value};
use proptest::prelude::*;

use super::RULES;
use crate::ActivityEvent;

fn good() -> Vec<(String, Value)> {
    let fields: [(&str, Value); 13] = [
        ("track_id", "T-12345".into()),
        ("domain", "AIR".into()),
        ("event_type", "activity_detected".into()),
        ("activity_type", "air_refueling".into()),
        ("kb_object_id", 42i64.into()),
        ("mode_s", "A12345".into()),
        ("mmsi", "366999712".into()),
        ("event_timestamp", "2025-01-06T14:30:00Z".into()),
        ("latitude", 35.123.into()),
        ("longitude", (-118.456).into()),
        ("properties", JsonText(r#"{"altitude_ft":25000}"#).into()),
        (
            "associated_track_ids",
            JsonText(r#"["T-1","T-\"2"]"#).into(),
        ),
        ("associated_kb_ids", JsonText("[1,-2]").into()),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn with(name: &str, value: impl Into<Value>) -> Content {
    let mut fields = good();
    fields
        .iter_mut()
        .find(|(field, _)| field == name)
        .unwrap()
        .1 = value.into();
    fields.into()
}

fn answer(config: &[(&str, &str)], value: impl Into<Content>) -> Answer {
    Runner::<ActivityEvent>::new(config).unwrap().one(value)
}

/// With the rules that are off by default.
const ALL_RULES: &[(&str, &str)] = &[("rules.mode_s", "true"), ("rules.mmsi", "true")];

/// A field, a value that breaks a rule, and the reason that is told.
type Broken = (&'static str, ValueRef<'static>, &'static str);

const LATITUDE: &str = "must be from -90 to 90";
const MODE_S: &str = "must be six hexadecimal digits";
const TEXTS: &str = "must be an array of text";
const INTEGERS: &str = "must be an array of integers";

/// By rule, what breaks it. Texts that are too long are in [`broken`].
const BROKEN: &[(&str, &[Broken])] = &[
    (
        "track_id",
        &[
            ("track_id", Null, "is required"),
            ("track_id", Text(" "), "must not be empty"),
        ],
    ),
    (
        "domain",
        &[
            ("domain", Text("air"), "must be AIR or MARITIME"),
            ("domain", Null, "is required"),
        ],
    ),
    (
        "event_type",
        &[(
            "event_type",
            Text("seen"),
            "must be identified, updated or activity_detected",
        )],
    ),
    (
        "event_timestamp",
        &[
            (
                "event_timestamp",
                Text("yesterday"),
                "must be an ISO 8601 timestamp",
            ),
            (
                "event_timestamp",
                Int(1_736_173_800),
                "must be an ISO 8601 timestamp, not an integer",
            ),
        ],
    ),
    (
        "coordinates",
        &[
            ("latitude", Float(90.000_1), LATITUDE),
            ("latitude", Float(f64::NAN), LATITUDE),
            ("latitude", Decimal("-90.0000001"), LATITUDE),
            ("longitude", Int(-181), "must be from -180 to 180"),
            ("longitude", Text("12"), "must be a number, not text"),
        ],
    ),
    (
        "mode_s",
        &[
            ("mode_s", Text("A1234"), MODE_S),
            ("mode_s", Text("A1234G"), MODE_S),
        ],
    ),
    (
        "mmsi",
        &[
            ("mmsi", Text("36699971"), "must be nine digits"),
            ("mmsi", Text("36699971x"), "must be nine digits"),
        ],
    ),
    (
        "kb_object_id",
        &[(
            "kb_object_id",
            Float(4.5),
            "must be an integer, not a float",
        )],
    ),
    (
        "properties",
        &[
            ("properties", Json(" [1]"), "must be an object"),
            ("properties", Text("{}"), "must be nested data, not text"),
        ],
    ),
    (
        "associations",
        &[
            ("associated_track_ids", Json(r#"["T-1",2]"#), TEXTS),
            ("associated_track_ids", Json("{}"), TEXTS),
            ("associated_kb_ids", Json(r#"[1,"2"]"#), INTEGERS),
            ("associated_kb_ids", Json("[9223372036854775808]"), INTEGERS),
        ],
    ),
];

/// Rule, field, a value that breaks the rule, the reason.
fn broken() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let table = BROKEN.iter().flat_map(|(rule, cases)| {
        let case = move |(field, value, reason): &Broken| (*rule, *field, (*value).into(), *reason);
        cases.iter().map(case)
    });
    let long = [
        (
            "track_id",
            "é".repeat(51),
            "must have at most 50 characters",
        ),
        (
            "activity_type",
            "x".repeat(101),
            "must have at most 100 characters",
        ),
    ];
    let long = long.map(|(field, value, reason)| ("lengths", field, value.into(), reason));
    table.chain(long).collect()
}

#[test]
fn good_events_are_kept() {
    assert_eq!(answer(&[], good()), Answer::Keep);
    let required = ["track_id", "domain", "event_type", "event_timestamp"];
    // Without a time it would be stamped.
    let mut least = good();
    least.retain(|(name, _)| required.contains(&name.as_str()));
    assert_eq!(answer(&[], least.clone()), Answer::Keep);
    let nulls = good().into_iter().map(|(name, value)| {
        let value = if required.contains(&name.as_str()) {
            value
        } else {
            Value::Null
        };
        (name, value)
    });
    assert_eq!(answer(&[], nulls.collect::<Vec<_>>()), Answer::Keep);
    assert_eq!(
        answer(&[], with("event_timestamp", Value::Timestamp(0))),
        Answer::Keep
    );
    assert_eq!(answer(&[], with("mode_s", "abcdef")), Answer::Keep);
    assert_eq!(answer(&[], with("latitude", 90i64)), Answer::Keep);
    assert_eq!(
        answer(&[], with("longitude", Value::Decimal("-180.000".into()))),
        Answer::Keep
    );
    assert_eq!(
        answer(&[], with("associated_kb_ids", JsonText("[]"))),
        Answer::Keep
    );
}

#[test]
fn each_broken_rule_names_its_field() {
    for (rule, field, value, reason) in broken() {
        let failure = answer(ALL_RULES, with(field, value)).failure();
        assert_eq!(
            failure,
            (Some(field.to_owned()), reason.to_owned()),
            "{rule}"
        );
    }
}

#[test]
fn each_rule_can_be_switched_off() {
    for (rule, field, value, _) in broken() {
        let key = format!("rules.{rule}");
        assert_eq!(
            answer(&[(&key, "false")], with(field, value)),
            Answer::Keep,
            "{rule}"
        );
    }
    for rule in RULES {
        let known = broken()
            .iter()
            .any(|(name, ..)| rule.key == format!("rules.{name}"));
        assert!(known, "{} is never broken", rule.key);
    }
}

#[test]
fn identifiers_are_any_text_of_the_columns_length_by_default() {
    for (field, value) in [
        ("mode_s", "A1234567"),
        ("mode_s", "N123AB"),
        ("mode_s", ""),
        ("mmsi", "366"),
        ("mmsi", "MMSI-1234"),
    ] {
        assert_eq!(answer(&[], with(field, value)), Answer::Keep, "{value}");
    }
    for (field, value) in [("mode_s", "A12345678"), ("mmsi", "3669997123")] {
        let (named, _) = answer(&[], with(field, value)).failure();
        assert_eq!(named.as_deref(), Some(field));
    }
}

fn without_time() -> Vec<(String, Value)> {
    let mut fields = good();
    fields.retain(|(name, _)| name != "event_timestamp");
    fields
}

#[test]
fn an_event_without_a_time_gets_that_of_its_record() {
    let mut plugin = Runner::<ActivityEvent>::new(&[]).unwrap();
    let at = |fields: Content| Input::of(fields).at(1_736_173_800_123);
    let mut shuffled = without_time();
    shuffled.reverse();
    let null = with("event_timestamp", Value::Null);
    // Of different shapes, in turns.
    let events = [without_time().into(), null, shuffled.into(), good().into()];
    let answers = plugin.deliver(events.map(at)).answers;
    let (kept, stamped) = answers.split_last().unwrap();
    assert_eq!(*kept, Answer::Keep, "it has its own");
    for answer in stamped {
        let made = answer.clone().record();
        for (name, value) in without_time() {
            assert_eq!(made.field(&name), &value);
        }
        let time = Value::Timestamp(1_736_173_800_123_000);
        assert_eq!(made.field("event_timestamp"), &time);
        assert_eq!((made.topic, made.timestamp, made.key), (None, None, None));
    }
}

#[test]
fn an_event_without_a_time_is_the_columns_to_decide_or_fails() {
    let missing = |what| [("event_timestamp.missing", what)];
    let kept = answer(&missing("column.default"), without_time());
    assert_eq!(kept, Answer::Keep);
    for event in [without_time().into(), with("event_timestamp", Value::Null)] {
        assert_eq!(
            answer(&missing("fail"), event).failure(),
            (Some("event_timestamp".into()), "is required".into())
        );
    }
    let errors = Runner::<ActivityEvent>::new(&missing("now")).err().unwrap();
    assert_eq!(errors.0[0].key, "event_timestamp.missing");
}

#[test]
fn what_is_no_row_fails_whatever_is_switched_off() {
    assert_eq!(answer(&[], Value::Text("{}".into())).failure().0, None);
}

#[test]
fn every_bad_switch_is_told() {
    let config = [("rules.domain", "no"), ("rules.mmsi", "")];
    let errors = Runner::<ActivityEvent>::new(&config).err().unwrap();
    let keys: Vec<_> = errors.0.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["rules.domain", "rules.mmsi"]);
}

proptest! {
    #[test]
    fn coordinates_are_kept_exactly_within_their_ranges(
        latitude in -200.0f64..200.0,
        longitude in -400.0f64..400.0,
    ) {
        let mut fields = good();
        fields[8].1 = latitude.into();
        fields[9].1 = longitude.into();
        let fits = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        prop_assert_eq!(answer(&[], fields) == Answer::Keep, fits);
    }

    #[test]
    fn identifiers_are_kept_exactly_in_their_shape(
        mode_s in "[0-9A-Fa-fg]{5,7}",
        mmsi in "[0-9a]{8,10}",
    ) {
        let mut fields = good();
        fields[5].1 = mode_s.clone().into();
        fields[6].1 = mmsi.clone().into();
        let fits = mode_s.len() == 6 && !mode_s.contains('g')
            && mmsi.len() == 9 && !mmsi.contains('a');
        prop_assert_eq!(answer(ALL_RULES, fields) == Answer::Keep, fits);
    }

    #[test]
    fn a_failure_never_tells_a_value(field in 0usize..10, secret in "[x-z]{12,20}") {
        let mut fields = good();
        fields[field].1 = secret.clone().into();
        if let Answer::Fail(failure) = answer(&[], fields) {
            prop_assert!(!failure.reason.contains(&secret));
        }
    }
}
