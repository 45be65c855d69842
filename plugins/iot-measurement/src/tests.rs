//! Messages in, rows or failures out: as structs and as raw JSON.

mod settings;

use ferrule_plugin::testing::{Answer, Content, Runner};
use ferrule_plugin::{Json, Value};
use proptest::prelude::*;

use crate::IotMeasurement;

fn answer(value: impl Into<Content>) -> Answer {
    Runner::<IotMeasurement>::new(&[]).unwrap().one(value)
}

fn of_json(json: &str) -> Answer {
    answer(Value::Text(json.to_owned()))
}

fn field(json: &str, name: &str) -> Value {
    of_json(json).record().field(name).clone()
}

/// Field and reason of a failure.
fn failure(json: &str) -> (String, String) {
    let (field, reason) = of_json(json).failure();
    (field.unwrap_or_default(), reason)
}

#[test]
fn aliases_become_columns() {
    let row = [
        ("mac_address", "aa:bb".into()),
        ("mode", "lora".into()),
        ("data_point_label", "temperature".into()),
        ("pin", 4i64.into()),
        ("value", "21.5".into()),
        ("unit", "°C".into()),
        ("original_topic", "iot/aa".into()),
        ("timestamp", "2025-01-06T14:30:00Z".into()),
        ("noise", true.into()),
    ];
    let expected: Content = [
        ("timestamp", Value::Timestamp(1_736_173_800_000_000)),
        ("device_id", "aa:bb".into()),
        ("connector_mode", "lora".into()),
        ("component_type", "temperature".into()),
        ("pin_position", "4".into()),
        ("value", 21.5.into()),
        ("unit", "°C".into()),
        ("topic", "iot/aa".into()),
    ]
    .into();
    let made = answer(row).record();
    assert_eq!(made.value, expected);
    assert_eq!((made.topic, made.timestamp, made.key), (None, None, None));
}

#[test]
fn what_is_missing_or_null_gets_its_default() {
    let expected: Content = [
        ("timestamp", Value::Timestamp(0)),
        ("device_id", "d".into()),
        ("connector_mode", "unknown".into()),
        ("component_type", "unknown".into()),
        ("pin_position", "-1".into()),
        ("value", Value::Null),
        ("unit", "".into()),
        ("topic", "".into()),
    ]
    .into();
    assert_eq!(
        of_json(r#"{"mac_address":"d","timestamp":0}"#)
            .record()
            .value,
        expected
    );
    let nulls =
        r#"{"device_id":"d","timestamp":0,"mode":null,"pin":null,"value":null,"unit":null}"#;
    assert_eq!(of_json(nulls).record().value, expected);
    let row = [
        ("timestamp", 0i64.into()),
        ("mac_address", Value::Null),
        ("device_id", "d".into()),
    ];
    assert_eq!(answer(row).record().value, expected);
}

#[test]
fn an_alias_wins_over_the_name() {
    let json = r#"{"device_id":"name","mac_address":"alias","pin_position":"1","pin":"2",
        "topic":"name","timestamp":1}"#;
    assert_eq!(field(json, "device_id"), "alias".into());
    assert_eq!(field(json, "pin_position"), "2".into());
    assert_eq!(field(json, "topic"), "name".into());
}

#[test]
fn raw_json_comes_as_text_bytes_or_json() {
    let json = r#" {"mac_address":"a\u00e9\n","timestamp":1,"x":{"y":[1]}} "#;
    for value in [
        Value::Text(json.into()),
        Value::Bytes(json.into()),
        Value::from(Json(json)),
    ] {
        assert_eq!(answer(value).record().field("device_id"), &"aé\n".into());
    }
}

#[test]
fn what_is_no_object_fails_without_its_content() {
    let no_object = |value: Value| answer(value).failure();
    let reason = |reason: &str| (None, reason.to_owned());
    let (_, text) = no_object("[\"secret\"]".into());
    assert_eq!(text, "the value is not a JSON object (line 1, column 0)");
    assert_eq!(
        no_object("{\"secret\"".into()),
        reason("the value is not valid JSON (line 1, column 9)")
    );
    assert!(
        no_object("{} {}".into())
            .1
            .starts_with("the value is not valid JSON")
    );
    assert!(
        no_object(Value::Bytes(vec![0xff]))
            .1
            .starts_with("the value is not valid JSON")
    );
    assert_eq!(
        no_object(Value::Null),
        reason("the value is null, not a JSON object")
    );
    assert_eq!(
        no_object(5i64.into()),
        reason("the value is an integer, not a JSON object")
    );
}

#[test]
fn each_field_that_does_not_fit_is_named_as_the_message_names_it() {
    let cases = [
        (r#"{"timestamp":1}"#, "mac_address", "is required"),
        (r#"{"mac_address":"d"}"#, "timestamp", "is required"),
        (
            r#"{"mac_address":7,"timestamp":1}"#,
            "mac_address",
            "must be text, not an integer",
        ),
        (
            r#"{"device_id":[],"timestamp":1}"#,
            "device_id",
            "must be text, not nested data",
        ),
        (
            r#"{"mac_address":"d","timestamp":1,"mode":2}"#,
            "mode",
            "must be text, not an integer",
        ),
        (
            r#"{"mac_address":"d","timestamp":1,"pin":1.5}"#,
            "pin",
            "must be text or an integer, not a float",
        ),
        (
            r#"{"mac_address":"d","timestamp":1,"value":"warm"}"#,
            "value",
            "must be a number, not other text",
        ),
        (
            r#"{"mac_address":"d","timestamp":1,"value":"1e999"}"#,
            "value",
            "is too large for a float",
        ),
        (
            r#"{"mac_address":"d","timestamp":1,"value":{}}"#,
            "value",
            "must be a number, not nested data",
        ),
        (
            r#"{"mac_address":"d","timestamp":"soon"}"#,
            "timestamp",
            "must be ISO 8601 or a number",
        ),
        (
            r#"{"mac_address":"d","timestamp":"NaN"}"#,
            "timestamp",
            "is out of range",
        ),
        (
            r#"{"mac_address":"d","timestamp":3e19}"#,
            "timestamp",
            "is out of range",
        ),
        (
            r#"{"mac_address":"d","timestamp":true}"#,
            "timestamp",
            "must be ISO 8601 text or a number, not a boolean",
        ),
    ];
    for (json, field, reason) in cases {
        assert_eq!(
            failure(json),
            (field.to_owned(), reason.to_owned()),
            "{json}"
        );
    }
}

#[test]
fn values_become_floats() {
    let cases = [
        ("1", 1.0),
        ("-2.5e3", -2500.0),
        ("0.1", 0.1),
        ("18446744073709551615", 18_446_744_073_709_552_000.0),
        (r#"" 21.50 ""#, 21.5),
        (r#""-7""#, -7.0),
        (r#""-inf""#, f64::NEG_INFINITY),
        ("true", 1.0),
        ("false", 0.0),
    ];
    for (value, float) in cases {
        let json = format!(r#"{{"mac_address":"d","timestamp":1,"value":{value}}}"#);
        assert_eq!(field(&json, "value"), float.into(), "{value}");
    }
    let row = |value: Value| {
        answer([
            ("mac_address", "d".into()),
            ("timestamp", 1i64.into()),
            ("value", value),
        ])
    };
    assert_eq!(
        row(Value::Decimal("12.340".into())).record().field("value"),
        &12.34.into()
    );
    assert_eq!(
        row(Value::Timestamp(1)).failure().1,
        "must be a number, not a timestamp"
    );
}

#[test]
fn timestamps_are_told_apart_by_their_size() {
    let micros = 1_736_173_800_123_456;
    let cases = [
        ("1736173800", 1_736_173_800_000_000),
        ("1736173800.123456", micros),
        ("1736173800123", 1_736_173_800_123_000),
        ("1736173800123.456", micros),
        ("1736173800123456", micros),
        (r#""1736173800""#, 1_736_173_800_000_000),
        (r#"" 1736173800123 ""#, 1_736_173_800_123_000),
        (r#""1736173800.123456""#, micros),
        (r#""2025-01-06T14:30:00.123456+00:00""#, micros),
        (r#""2025-01-06 15:30:00.123456+01""#, micros),
        (r#""2025-01-06T14:30:00.123456""#, micros),
        ("-1", -1_000_000),
        ("20000000000", 20_000_000_000_000_000),
        ("20000000001", 20_000_000_001_000),
        ("1736173800123456789", micros),
        (r#""1736173800123456789""#, micros),
        ("-1736173800123456001", -micros - 1),
        ("20000000000000000", 20_000_000_000_000_000),
        ("20000000000000001", 20_000_000_000_000),
        ("9223372036854775807", 9_223_372_036_854_775),
    ];
    for (timestamp, micros) in cases {
        let json = format!(r#"{{"mac_address":"d","timestamp":{timestamp}}}"#);
        assert_eq!(
            field(&json, "timestamp"),
            Value::Timestamp(micros),
            "{timestamp}"
        );
    }
    let row = |timestamp| answer([("mac_address", "d".into()), ("timestamp", timestamp)]);
    let stamped = row(Value::Timestamp(5)).record();
    assert_eq!(stamped.field("timestamp"), &Value::Timestamp(5));
    let dated = row(Value::Date(-1)).record();
    assert_eq!(dated.field("timestamp"), &Value::Timestamp(-86_400_000_000));
}

proptest! {
    #[test]
    fn units_agree(millis in 20_000_000_001i64..4_000_000_000_000) {
        let of = |number: String| {
            field(&format!(r#"{{"mac_address":"d","timestamp":{number}}}"#), "timestamp")
        };
        let expected = Value::Timestamp(millis * 1000);
        prop_assert_eq!(&of(millis.to_string()), &expected);
        prop_assert_eq!(&of((millis * 1000).to_string()), &expected);
        prop_assert_eq!(&of((millis * 1_000_000).to_string()), &expected);
        prop_assert_eq!(&of(format!("{}.{:03}", millis / 1000, millis % 1000)), &expected);
        prop_assert_eq!(&of(format!("\"{millis}\"")), &expected);
    }

    #[test]
    fn a_struct_and_its_json_give_the_same_row(
        device in "[ -~]{0,20}",
        value in proptest::num::f64::NORMAL,
        pin in any::<i64>(),
        seconds in 0i64..4_000_000_000,
    ) {
        let row = [
            ("mac_address", Value::from(device.as_str())),
            ("value", value.into()),
            ("pin", pin.into()),
            ("timestamp", seconds.into()),
        ];
        let device = serde_json::to_string(&device).unwrap();
        let json = format!(
            r#"{{"mac_address":{device},"value":{value:e},"pin":{pin},"timestamp":{seconds}}}"#
        );
        let of_row = answer(row);
        prop_assert_eq!(&of_row, &of_json(&json));
        let made = of_row.record();
        prop_assert_eq!(made.field("value"), &Value::from(value));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        answer(Value::Bytes(bytes));
    }

    #[test]
    fn a_failure_never_tells_a_value(name in 0usize..13, secret in "[x-z]{12,20}") {
        let name = crate::FIELDS[name];
        let json = format!(r#"{{"{name}":["{secret}"],"{secret}":tru"#);
        let whole = json.replace("tru", "1}");
        for json in [json, whole] {
            let (_, reason) = failure(&json);
            prop_assert!(!reason.contains(&secret));
        }
    }
}
