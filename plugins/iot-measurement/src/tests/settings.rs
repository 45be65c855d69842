//! What each key of the configuration changes.

use ferrule_plugin::testing::{Answer, Content, Runner};
use ferrule_plugin::{Json, Value};

use super::{answer, field};
use crate::IotMeasurement;

fn with(config: &[(&str, &str)], json: &str) -> Answer {
    let mut plugin = Runner::<IotMeasurement>::new(config).unwrap();
    plugin.one(Value::Text(json.to_owned()))
}

#[test]
fn a_pin_that_is_a_whole_number_is_written_as_one() {
    for (pin, text) in [
        ("4.0", "4"),
        ("1e2", "100"),
        ("7", "7"),
        (r#""4.0""#, "4.0"),
    ] {
        let json = format!(r#"{{"mac_address":"d","timestamp":1,"pin":{pin}}}"#);
        assert_eq!(field(&json, "pin_position"), text.into(), "{pin}");
    }
    let row = |pin: Value| {
        answer([
            ("mac_address", "d".into()),
            ("timestamp", 1i64.into()),
            ("pin", pin),
        ])
    };
    let made = row(Value::Decimal("12.00".into())).record();
    assert_eq!(made.field("pin_position"), &"12".into());
    let (_, reason) = row(Value::Decimal("12.50".into())).failure();
    assert_eq!(reason, "must be text or an integer, not a decimal");
}

#[test]
fn a_text_that_says_that_there_is_no_value_is_null() {
    for text in ["", "  ", "N/A", "n/a", "None", "NULL", "-"] {
        let json = format!(r#"{{"mac_address":"d","timestamp":1,"value":"{text}"}}"#);
        assert_eq!(field(&json, "value"), Value::Null, "{text}");
    }
    let json = r#"{"mac_address":"d","timestamp":1,"value":"offline"}"#;
    let made = with(&[("value.none", "offline")], json).record();
    assert_eq!(made.field("value"), &Value::Null);
}

#[test]
fn what_reads_as_no_number_is_null_where_that_is_chosen() {
    let null = [("value.unparsable", "null")];
    for text in ["warm", "21,5", "21.5 C", "1e999"] {
        let json = format!(r#"{{"mac_address":"d","timestamp":1,"value":"{text}"}}"#);
        let (field, _) = with(&[], &json).failure();
        assert_eq!(field.as_deref(), Some("value"), "{text}");
        let made = with(&null, &json).record();
        assert_eq!(made.field("value"), &Value::Null, "{text}");
    }
    // What is no text is no spelling of a number.
    let nested = r#"{"mac_address":"d","timestamp":1,"value":{}}"#;
    assert_eq!(with(&null, nested).failure().0.as_deref(), Some("value"));
}

#[test]
fn a_unit_behind_the_number_is_the_unit_unless_the_message_names_one() {
    let config = [
        ("value.unit.suffix", "true"),
        ("value.decimal.comma", "true"),
    ];
    let of = |fields: &str| {
        let json = format!(r#"{{"mac_address":"d","timestamp":1,{fields}}}"#);
        let made = with(&config, &json).record();
        (made.field("value").clone(), made.field("unit").clone())
    };
    assert_eq!(of(r#""value":"21,5 C""#), (21.5.into(), "C".into()));
    assert_eq!(of(r#""value":"21.5\u00b0C""#), (21.5.into(), "°C".into()));
    assert_eq!(
        of(r#""value":"21.5 C","unit":"""#),
        (21.5.into(), "C".into())
    );
    assert_eq!(
        of(r#""value":"21.5 C","unit":"K""#),
        (21.5.into(), "K".into())
    );
    assert_eq!(of(r#""value":"21.5""#), (21.5.into(), "".into()));
}

#[test]
fn strict_takes_what_the_documents_model_takes() {
    let strict = [("strict", "true")];
    let good = r#"{"mac_address":"d","timestamp":1,"value":null,"device_id":5,"topic":7}"#;
    let made = with(&strict, good).record();
    // The names of columns are fields like any other.
    assert_eq!(made.field("device_id"), &"d".into());
    assert_eq!(made.field("topic"), &"".into());
    let refused = [
        (r#""device_id":"d""#, "mac_address", "is required"),
        (
            r#""mac_address":null"#,
            "mac_address",
            "must be text, not null",
        ),
        (
            r#""mac_address":"d","mode":null"#,
            "mode",
            "must be text, not null",
        ),
        (
            r#""mac_address":"d","unit":null"#,
            "unit",
            "must be text, not null",
        ),
        (
            r#""mac_address":"d","pin":4"#,
            "pin",
            "must be text, not an integer",
        ),
        (
            r#""mac_address":"d","pin":4.0"#,
            "pin",
            "must be text, not a float",
        ),
    ];
    for (fields, field, reason) in refused {
        let json = format!(r#"{{"timestamp":1,{fields}}}"#);
        assert_eq!(
            with(&strict, &json).failure(),
            (Some(field.to_owned()), reason.to_owned()),
            "{fields}"
        );
        // A lenient reading takes all of these, but for a device that has no name at all.
        let nameless = fields.contains(r#""mac_address":null"#);
        let is_taken = matches!(with(&[], &json), Answer::Replace(_));
        assert_eq!(is_taken, !nameless, "{fields}");
    }
}

#[test]
fn other_fields_are_kept_where_that_is_chosen() {
    let keep = [("extra.fields", "keep")];
    let json = r#"{"mac_address":"d","rssi":-70,"timestamp":1,"site":{"a":[1]},"firmware":"1.2",
        "battery":3.5,"charging":true,"note":null,"topic":"t","Value":"is no column"}"#;
    let row = [
        ("mac_address", "d".into()),
        ("rssi", (-70i64).into()),
        ("timestamp", 1i64.into()),
        ("site", Json(r#"{"a":[1]}"#).into()),
        ("firmware", "1.2".into()),
        ("battery", 3.5.into()),
        ("charging", true.into()),
        ("note", Value::Null),
        ("topic", "t".into()),
    ];
    let mut plugin = Runner::<IotMeasurement>::new(&keep).unwrap();
    for message in [Content::from(Value::Text(json.into())), row.clone().into()] {
        let made = plugin.one(message).record();
        for (name, value) in &row {
            match *name {
                "mac_address" => assert_eq!(made.field("device_id"), value),
                "timestamp" => assert_eq!(made.field(name), &Value::Timestamp(1_000_000)),
                _ => assert_eq!(made.field(name), value, "{name}"),
            }
        }
        let Content::Row(fields) = &made.value else {
            panic!("not a row")
        };
        assert_eq!(fields.len(), 14, "the eight columns and six others");
        let Content::Row(fields) = answer(row.clone()).record().value else {
            panic!("not a row")
        };
        assert_eq!(fields.len(), 8, "by default they are left out");
    }
}

#[test]
fn a_bad_setting_names_its_key() {
    let config = [
        ("strict", "maybe"),
        ("value.unparsable", "zero"),
        ("extra.fields", "some"),
    ];
    let errors = Runner::<IotMeasurement>::new(&config).err().unwrap();
    let keys: Vec<_> = errors.0.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["strict", "value.unparsable", "extra.fields"]);
}
