//! Frames in, data points out: what is encoded is decoded, and what is damaged fails.

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Answer, Input, Made, Runner};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::IotDecode;
use crate::crc::crc32;
use crate::frame::{self, Frame, HAS_MODE, HAS_TIMESTAMP, MAGIC, Point, VERSION};

/// A value as the wire has it.
#[derive(Clone, Debug)]
enum Wire {
    None,
    Boolean(bool),
    Int32(i32),
    Int64(i64),
    Float32(f32),
    Float64(f64),
}

impl Wire {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Wire::None => out.push(0),
            Wire::Boolean(it) => out.extend([1, u8::from(*it)]),
            Wire::Int32(it) => out.extend([&[2][..], &it.to_be_bytes()].concat()),
            Wire::Int64(it) => out.extend([&[3][..], &it.to_be_bytes()].concat()),
            Wire::Float32(it) => out.extend([&[4][..], &it.to_be_bytes()].concat()),
            Wire::Float64(it) => out.extend([&[5][..], &it.to_be_bytes()].concat()),
        }
    }

    fn value(&self) -> Option<f64> {
        match self {
            Wire::None => None,
            Wire::Boolean(it) => Some(f64::from(u8::from(*it))),
            Wire::Int32(it) => Some(f64::from(*it)),
            Wire::Int64(it) => Some(*it as f64),
            Wire::Float32(it) => Some(f64::from(*it)).filter(|it| !it.is_nan()),
            Wire::Float64(it) => Some(*it).filter(|it| !it.is_nan()),
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(text.len()).unwrap());
    out.extend(text.as_bytes());
}

/// A device's side of the frame.
#[derive(Clone, Debug)]
struct Sent {
    mac: [u8; 6],
    millis: Option<i64>,
    mode: Option<String>,
    points: Vec<(String, i16, Wire, String)>,
}

impl Sent {
    fn encode(&self) -> Vec<u8> {
        let mut out = [&MAGIC[..], &[VERSION]].concat();
        let timestamp = self.millis.map_or(0, |_| HAS_TIMESTAMP);
        out.push(timestamp | self.mode.as_ref().map_or(0, |_| HAS_MODE));
        out.extend(self.mac);
        out.extend(self.millis.into_iter().flat_map(i64::to_be_bytes));
        if let Some(mode) = &self.mode {
            text(mode, &mut out);
        }
        out.push(u8::try_from(self.points.len()).unwrap());
        for (label, pin, value, unit) in &self.points {
            text(label, &mut out);
            out.extend(pin.to_be_bytes());
            value.write(&mut out);
            text(unit, &mut out);
        }
        sealed(out)
    }

    fn frame(&self) -> Frame {
        let [a, b, c, d, e, f] = self.mac;
        let points = self.points.iter().map(|(label, pin, value, unit)| Point {
            label: label.clone(),
            pin: (*pin != -1).then(|| pin.to_string()),
            value: value.value(),
            unit: unit.clone(),
            timestamp: None,
        });
        Frame {
            mac_address: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            timestamp: self.millis.map(|millis| millis * 1000),
            mode: self.mode.clone(),
            points: points.collect(),
        }
    }
}

/// The bytes with their sum.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes
}

fn one() -> Sent {
    Sent {
        mac: [0xa4, 0xcf, 0x12, 0, 0xff, 1],
        millis: Some(1_736_173_800_123),
        mode: Some("lora".into()),
        points: vec![
            ("temperature".into(), 4, Wire::Float32(21.5), "°C".into()),
            ("door".into(), -1, Wire::Boolean(true), String::new()),
        ],
    }
}

fn answer(bytes: &[u8]) -> Answer {
    let mut plugin = Runner::<IotDecode>::new(&[]).unwrap();
    plugin.turn_to("raw_iot_data", 0);
    let input = Input::of(Value::Bytes(bytes.to_vec())).at(1_700_000_000_000);
    plugin.deliver([input]).answers.remove(0)
}

fn made(bytes: &[u8]) -> Vec<Made> {
    match answer(bytes) {
        Answer::Replace(made) => made,
        other => panic!("nothing made: {other:?}"),
    }
}

fn reason(bytes: &[u8]) -> String {
    let (field, reason) = answer(bytes).failure();
    field.map_or(reason.clone(), |field| format!("{field}: {reason}"))
}

#[test]
fn a_frame_gives_a_record_for_each_data_point() {
    let made = made(&one().encode());
    let [temperature, door] = &made[..] else {
        panic!("{made:?}")
    };
    let mac = Value::from("a4:cf:12:00:ff:01");
    assert_eq!(temperature.topic.as_deref(), Some("decoded_iot_data"));
    assert_eq!(temperature.key, Some(mac.clone().into()));
    for (field, value) in [
        ("timestamp", Value::Timestamp(1_736_173_800_123_000)),
        ("mac_address", mac),
        ("mode", "lora".into()),
        ("data_point_label", "temperature".into()),
        ("pin", "4".into()),
        ("value", 21.5.into()),
        ("unit", "°C".into()),
        ("original_topic", "raw_iot_data".into()),
    ] {
        assert_eq!(temperature.field(field), &value, "{field}");
    }
    assert_eq!(door.field("pin"), &"-1".into());
    assert_eq!(door.field("value"), &1.0.into());
}

#[test]
fn a_frame_of_the_documentation_is_these_bytes() {
    let sent = Sent {
        mac: [1, 2, 3, 4, 5, 6],
        millis: None,
        mode: None,
        points: vec![("t".into(), 2, Wire::Int32(-1), "C".into())],
    };
    let bytes = [
        0x49, 0x46, 1, 0, 1, 2, 3, 4, 5, 6, 1, 1, b't', 0, 2, 2, 0xff, 0xff, 0xff, 0xff, 1, b'C',
    ];
    assert_eq!(sent.encode(), sealed(bytes.to_vec()));
    // Without a time of its own it is of the time of its record, and without a mode of none.
    let made = made(&sent.encode());
    let time = Value::Timestamp(1_700_000_000_000_000);
    assert_eq!(made[0].field("timestamp"), &time);
    assert_eq!(made[0].field("mode"), &"unknown".into());
}

#[test]
fn json_forms_of_one_frame_are_the_same() {
    let hexadecimal: String = one().encode().iter().map(|b| format!("{b:02X}")).collect();
    let forms = [
        r#"{"mac_address": "a4:cf:12:00:ff:01", "timestamp": 1736173800123, "mode": "lora",
            "data_points": [{"label": "temperature", "pin": 4.0, "value": "21.5", "unit": "°C"},
                            {"data_point_label": "door", "value": true}]}"#
            .to_owned(),
        r#" [{"mac": "a4:cf:12:00:ff:01", "ts": "2025-01-06T14:30:00.123Z", "mode": "lora",
            "data_points": null,
            "values": {"temperature": {"value": 21.5, "pin": "4", "unit": "°C"}, "door": 1}}]"#
            .to_owned(),
        r#"[{"device_id": "a4:cf:12:00:ff:01", "timestamp": 1736173800123000000, "mode": "lora",
             "data_point_label": "temperature", "pin": 4, "value": 21.5, "unit": "°C"},
            {"mac_address": "a4:cf:12:00:ff:01", "timestamp": "1736173800123", "mode": "lora",
             "name": "door", "value": true}]"#
            .to_owned(),
        format!(r#"{{"frame": "{hexadecimal}"}}"#),
    ];
    // An object of values has no order.
    let sorted = |mut made: Vec<Made>| {
        made.sort_by_key(|made| format!("{:?}", made.field("data_point_label")));
        made
    };
    let expected = sorted(made(&one().encode()));
    for form in forms {
        assert_eq!(sorted(made(form.as_bytes())), expected, "{form}");
    }
}

#[test]
fn a_data_point_may_have_a_time_of_its_own_and_no_value() {
    let made = made(
        br#"{"mac": "m", "ts": 1, "points": [{"name": "a", "value": "N/A", "timestamp": 2},
                                            {"name": "b"}]}"#,
    );
    assert_eq!(made[0].field("timestamp"), &Value::Timestamp(2_000_000));
    assert_eq!(made[1].field("timestamp"), &Value::Timestamp(1_000_000));
    assert_eq!(made[0].field("value"), &Value::Null);
    assert_eq!(made[1].field("value"), &Value::Null);
}

/// Bytes, and a part of the reason why they fail.
type Damaged<'a> = (&'a [u8], &'a str);

fn assert_damaged(cases: &[Damaged<'_>]) {
    for (bytes, expected) in cases {
        let reason = reason(bytes);
        assert!(reason.contains(expected), "{reason} for {expected}");
        assert!(!reason.contains("secret"));
    }
}

#[test]
fn a_binary_frame_that_is_damaged_fails_with_the_reason() {
    let good = one().encode();
    let body = good[..good.len() - 4].to_vec();
    let changed = |at: usize, byte: u8| {
        let mut body = body.clone();
        body[at] = byte;
        sealed(body)
    };
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    let mut infinite = one();
    infinite.points[0].2 = Wire::Float64(f64::INFINITY);
    assert_damaged(&[
        (b"", "neither a binary frame"),
        (b"hello", "neither a binary frame"),
        (b"IF", "the frame ends within its header"),
        (&flipped, "CRC-32 does not fit"),
        (&good[..good.len() - 1], "CRC-32 does not fit"),
        (
            &changed(2, 9),
            "is of version 9; this plugin reads version 1",
        ),
        (&changed(3, 0xff), "flags that are not known"),
        (
            &sealed(body[..12].to_vec()),
            "the frame ends within its header",
        ),
        (
            &sealed(body[..body.len() - 3].to_vec()),
            "the frame ends within its data points",
        ),
        (
            &sealed([&body[..], &[1, 2]].concat()),
            "has 2 bytes behind its data points",
        ),
        (
            &sealed([&MAGIC[..], &[VERSION, 0], &[0; 6], &[0]].concat()),
            "has no data points",
        ),
        (&infinite.encode(), "value: is infinite"),
    ]);
}

#[test]
fn json_that_is_no_frame_fails_with_the_reason() {
    assert_damaged(&[
        (b"{}", "mac_address: is required"),
        (b"[]", "the array has no frames"),
        (b"[1]", "[0]: the frame is not a JSON object"),
        (
            b"{\"mac\": \"secret\"",
            "not valid JSON (line 1, column 16)",
        ),
        (br#"{"mac": "m"}"#, "data_points: must have at least one"),
        (
            br#"{"mac": "", "value": 1}"#,
            "mac_address: must not be empty",
        ),
        (
            br#"{"mac": "m", "value": 1}"#,
            "data_point_label: is required",
        ),
        (
            br#"{"mac": "m", "values": {"a": "secret"}}"#,
            "values.a: must be a number",
        ),
        (
            br#"{"mac": "m", "ts": "secret", "values": {"a": 1}}"#,
            "timestamp: must be ISO 8601",
        ),
        (
            br#"{"mac": "m", "values": {"a": 1, "b": {"pin": [], "value": 2}}}"#,
            "values.b.pin: must be text or an integer",
        ),
        (
            br#"{"mac": "m", "points": [{"name": "a", "value": 1}, {"name": "b", "value": "x"}]}"#,
            "points[1].value: must be a number",
        ),
        (
            br#"{"mac": "m", "data_points": [{"value": 1}]}"#,
            "data_points[0].data_point_label: is required",
        ),
        (
            br#"{"mac": "m", "data_points": ["secret"]}"#,
            "data_points[0]: must be an object",
        ),
        (
            br#"[{"mac": "m", "values": {"a": 1}}, {"values": {"a": 1}}]"#,
            "[1].mac_address: is required",
        ),
        (
            br#"[{"mac": "m", "values": {"a": 1}}, 7]"#,
            "[1]: the frame is not a JSON object",
        ),
        (br#"{"frame": "494"}"#, "frame: must be text of hexadecimal"),
        (br#"{"frame": "0102"}"#, "frame: does not begin with"),
        (br#"{"frame": "4946"}"#, "the frame ends within"),
    ]);
    let mut plugin = Runner::<IotDecode>::new(&[]).unwrap();
    let (_, reason) = plugin.row([("mac", "m".into())]).failure();
    assert!(reason.contains("ByteArrayConverter"), "{reason}");
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        Just(Wire::None),
        any::<bool>().prop_map(Wire::Boolean),
        any::<i32>().prop_map(Wire::Int32),
        any::<i64>().prop_map(Wire::Int64),
        (any::<f32>().prop_filter("finite", |it| !it.is_infinite())).prop_map(Wire::Float32),
        (any::<f64>().prop_filter("finite", |it| !it.is_infinite())).prop_map(Wire::Float64),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let point = (".{1,20}", any::<i16>(), wire(), ".{0,6}");
    let millis = proptest::option::of(-9_000_000_000_000_000..9_000_000_000_000_000i64);
    let mode = proptest::option::of(".{0,12}");
    (any::<[u8; 6]>(), millis, mode, vec(point, 1..6)).prop_map(|(mac, millis, mode, points)| {
        Sent {
            mac,
            millis,
            mode,
            points,
        }
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(sent in sent()) {
        let read = frame::read(&sent.encode()).unwrap();
        prop_assert_eq!(read, sent.frame());
    }

    #[test]
    fn no_bit_can_be_turned(sent in sent(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = sent.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(matches!(answer(&bytes), Answer::Fail(_)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..80), body in vec(any::<u8>(), 0..60)) {
        answer(&bytes);
        // With a sum that fits, so that the rest is read, too.
        answer(&sealed([&MAGIC[..], &[VERSION], &body].concat()));
        answer(&[b"{\"mac\":\"m\",", &bytes[..]].concat());
    }

    #[test]
    fn no_json_makes_it_panic(
        json in r#"\{("(mac|ts|value|values|points|pin|unit|frame|label)":(null|true|-?1e?[0-9]{1,25}|"[0-9a-fA-F:]{0,8}"|\[\{\}\]|\{"a":\{"value":1\}\}),?){0,6}\}"#
    ) {
        answer(json.as_bytes());
    }
}
