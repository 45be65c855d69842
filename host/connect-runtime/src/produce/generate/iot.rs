//! IoT measurements under the names that devices send, which the plugin maps to columns.

use serde_json::{Value, json};

use super::{IOT, Malformed, Plan, Sample, cut, expect, iso};

const KINDS: [Malformed; 5] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::BadTimestamp,
    Malformed::NotNumeric,
    Malformed::MissingField,
];

const MODES: [&str; 3] = ["analog", "digital", "i2c"];
const LABELS: [&str; 3] = ["temperature", "humidity", "pressure"];
const UNITS: [&str; 3] = ["°C", "%", "hPa"];

const DEVICES: u64 = 200;

/// Measurements, in JSON without a schema, keyed by `mac_address`.
///
/// The times come in all the forms that devices send: ISO text and epochs in seconds,
/// milliseconds and microseconds. Every fourth record leaves the optional fields out.
pub fn iot_measurements(plan: impl Into<Plan>) -> impl Iterator<Item = Sample> {
    let plan = plan.into();
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let device = device(plan, index);
        let mut record = good(plan, index, &device);
        let turn = plan.turn(index).unwrap_or(0) % KINDS.len();
        let fields = record.as_object_mut();
        match (kind, fields) {
            (Some(Malformed::MissingField), Some(fields)) => {
                fields.remove(if turn == 1 {
                    "mac_address"
                } else {
                    "timestamp"
                });
            }
            (Some(Malformed::BadTimestamp), _) => record["timestamp"] = json!("yesterday"),
            (Some(Malformed::NotNumeric), _) => record["value"] = json!("warm"),
            _ => {}
        }
        let text = record.to_string().into_bytes();
        let value = if kind == Some(Malformed::InvalidJson) {
            cut(text)
        } else {
            text
        };
        Sample {
            topic: IOT.topic,
            key: device,
            value,
            timestamp: None,
            expect: expect(kind),
            planted: None,
        }
    })
}

fn device(plan: Plan, index: usize) -> String {
    let device = plan.scatter(index, 11) % DEVICES;
    format!("00:1B:44:11:{:02X}:{:02X}", device / 16, device % 16)
}

fn good(plan: Plan, index: usize, device: &str) -> Value {
    // One second a record: the table's primary key has the time in it.
    let second = plan.start_seconds + index as i64;
    let timestamp = match index % 4 {
        0 => json!(iso(second, 0)),
        1 => json!(second),
        2 => json!(second * 1_000),
        _ => json!(second * 1_000_000),
    };
    let number = (plan.scatter(index, 12) % 100_000) as f64 / 100.0;
    let value = match index % 5 {
        0 => json!(format!("{number}")),
        1 => json!(number as i64),
        _ => json!(number),
    };
    let mut record = json!({ "timestamp": timestamp, "mac_address": device, "value": value });
    if index % 4 != 3 {
        record["mode"] = json!(MODES[index % 3]);
        record["data_point_label"] = json!(LABELS[index % 3]);
        record["pin"] = json!(format!("{}", index % 16));
        record["unit"] = json!(UNITS[index % 3]);
        record["original_topic"] = json!(format!("devices/{device}/data"));
    }
    record
}

#[cfg(test)]
mod tests {
    use super::super::exactly_the_good_ones;
    use super::*;

    /// The rules of the measurement's model, told a second time.
    fn is_valid(value: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(value) else {
            return false;
        };
        let timestamp = match &record["timestamp"] {
            Value::String(text) => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
            Value::Number(number) => number.is_i64(),
            _ => false,
        };
        let number = match &record["value"] {
            Value::String(text) => text.parse::<f64>().is_ok(),
            value => value.is_number(),
        };
        timestamp
            && number
            && record["mac_address"]
                .as_str()
                .is_some_and(|mac| mac.len() == 17)
    }

    #[test]
    fn exactly_the_good_ones_keep_the_rules() {
        exactly_the_good_ones(iot_measurements(2000), is_valid);
    }

    #[test]
    fn the_four_forms_of_a_time_name_following_seconds() {
        let times: Vec<Value> = iot_measurements(4)
            .map(|sample| serde_json::from_slice(&sample.value).unwrap_or(Value::Null))
            .map(|record: Value| record["timestamp"].clone())
            .collect();
        assert_eq!(
            times,
            [
                json!("2026-01-01T00:00:00Z"),
                json!(1_767_225_601_i64),
                json!(1_767_225_602_000_i64),
                json!(1_767_225_603_000_000_i64),
            ]
        );
    }
}
