//! Activity events: aircraft and ships that something was noticed about.

use serde_json::{Value, json};

use super::{ACTIVITY, Malformed, Plan, Sample, cut, expect, iso};

/// One entry a turn: both sides of a rule come by.
const KINDS: [Malformed; 9] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::CoordinateOutOfRange,
    Malformed::BadTimestamp,
    Malformed::UnknownName,
    Malformed::BadIdentifier,
    Malformed::MissingField,
    Malformed::CoordinateOutOfRange,
    Malformed::BadIdentifier,
];

const TRACKS: u64 = 500;
const EVENTS: [&str; 3] = ["activity_detected", "identified", "updated"];
const AIR: [&str; 3] = ["air_refueling", "formation_flight", "rendezvous"];
const MARITIME: [&str; 4] = ["port_call", "refueling_stop", "convoy", "rendezvous"];

/// Activity events, in JSON without a schema, keyed by `track_id`.
pub fn activity_events(plan: impl Into<Plan>) -> impl Iterator<Item = Sample> {
    let plan = plan.into();
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let track = track(plan, index);
        let mut event = good(plan, index, &track);
        // Every other turn of a kind spoils the other field.
        let turn = plan.turn(index).unwrap_or(0) % KINDS.len();
        if let Some(kind) = kind {
            spoil(&mut event, kind, turn >= KINDS.len() / 2 + 2);
        }
        let text = event.to_string().into_bytes();
        let value = if kind == Some(Malformed::InvalidJson) {
            cut(text)
        } else {
            text
        };
        Sample {
            topic: ACTIVITY.topic,
            key: track,
            value,
            timestamp: None,
            expect: expect(kind),
            planted: None,
        }
    })
}

fn track(plan: Plan, index: usize) -> String {
    format!("T-{:05}", plan.scatter(index, 1) % TRACKS)
}

fn good(plan: Plan, index: usize, track: &str) -> Value {
    let second = plan.start_seconds + index as i64;
    let is_air = index.is_multiple_of(2);
    let mut event = json!({
        "track_id": track,
        "domain": if is_air { "AIR" } else { "MARITIME" },
        "event_type": EVENTS[index % 3],
        "event_timestamp": iso(second, (index as u32 % 1000) * 1_000_000),
        "latitude": degrees(plan.scatter(index, 2), 90),
        "longitude": degrees(plan.scatter(index, 3), 180),
        "properties": {
            "altitude_ft": plan.scatter(index, 4) % 45_000,
            "speed_kts": plan.scatter(index, 5) % 600,
            "source": { "sensor": format!("sensor-{}", index % 7), "index": index },
        },
        "associated_track_ids": [],
        "associated_kb_ids": [],
    });
    if index.is_multiple_of(3) {
        let names: &[&str] = if is_air { &AIR } else { &MARITIME };
        event["activity_type"] = json!(names[index / 3 % names.len()]);
        event["associated_track_ids"] = json!([format!("T-{:05}", index % 97), "T-with \"quote"]);
        event["associated_kb_ids"] = json!([index, index + 1]);
    } else {
        event["kb_object_id"] = json!(plan.scatter(index, 6) % 100_000);
        event["activity_type"] = Value::Null;
    }
    if is_air {
        event["mode_s"] = json!(format!("{:06X}", plan.scatter(index, 7) & 0xFF_FFFF));
    } else {
        event["mmsi"] = json!(format!(
            "{}",
            200_000_000 + plan.scatter(index, 8) % 500_000_000
        ));
    }
    event
}

/// A coordinate of seven digits after the point, as the table keeps them.
fn degrees(random: u64, limit: i64) -> f64 {
    let scale = 10_000_000;
    let span = (2 * limit * scale) as u64 + 1;
    ((random % span) as i64 - limit * scale) as f64 / scale as f64
}

fn spoil(event: &mut Value, kind: Malformed, other: bool) {
    match (kind, other) {
        (Malformed::MissingField, false) => remove(event, "track_id"),
        (Malformed::MissingField, true) => remove(event, "event_type"),
        (Malformed::CoordinateOutOfRange, false) => event["latitude"] = json!(90.5),
        (Malformed::CoordinateOutOfRange, true) => event["longitude"] = json!(-180.25),
        (Malformed::BadIdentifier, false) => event["mode_s"] = json!("XYZ123456"),
        (Malformed::BadIdentifier, true) => event["mmsi"] = json!("1234567890"),
        (Malformed::BadTimestamp, _) => event["event_timestamp"] = json!("last Tuesday"),
        (Malformed::UnknownName, _) => event["event_type"] = json!("spotted"),
        // Cut as text, or not of this system.
        _ => {}
    }
}

fn remove(event: &mut Value, field: &str) {
    if let Some(fields) = event.as_object_mut() {
        fields.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Expect, exactly_the_good_ones};
    use super::*;

    /// The rules of the event schema, told a second time.
    fn is_valid(value: &[u8]) -> bool {
        let Ok(event) = serde_json::from_slice::<Value>(value) else {
            return false;
        };
        let text = |field: &str| event[field].as_str();
        let within =
            |field: &str, limit: f64| event[field].as_f64().is_some_and(|v| v.abs() <= limit);
        let shaped = |field: &str, length: usize, radix: u32| {
            text(field).is_none_or(|id| id.len() == length && id.chars().all(|c| c.is_digit(radix)))
        };
        text("track_id").is_some_and(|id| !id.is_empty() && id.len() <= 50)
            && matches!(text("domain"), Some("AIR" | "MARITIME"))
            && matches!(
                text("event_type"),
                Some("identified" | "updated" | "activity_detected")
            )
            && text("event_timestamp")
                .is_some_and(|time| chrono::DateTime::parse_from_rfc3339(time).is_ok())
            && within("latitude", 90.0)
            && within("longitude", 180.0)
            && shaped("mode_s", 6, 16)
            && shaped("mmsi", 9, 10)
    }

    #[test]
    fn exactly_the_good_ones_keep_the_rules() {
        exactly_the_good_ones(activity_events(4000), is_valid);
    }

    #[test]
    fn both_required_fields_and_both_identifiers_are_spoilt() {
        let spoilt = |wanted: &'static [u8]| {
            activity_events(400)
                .filter(|sample| sample.expect != Expect::Landed)
                .filter(|sample| sample.value.windows(wanted.len()).any(|w| w == wanted))
                .count()
        };
        for mark in [
            &b"90.5"[..],
            b"-180.25",
            b"XYZ123",
            b"\"1234567890\"",
            b"last Tuesday",
        ] {
            assert!(spoilt(mark) > 0, "{}", String::from_utf8_lossy(mark));
        }
        let without = |field: &str| {
            activity_events(400)
                .filter(|sample| sample.expect == Expect::Refused(Malformed::MissingField))
                .filter(|sample| !String::from_utf8_lossy(&sample.value).contains(field))
                .count()
        };
        assert!(without("\"track_id\"") > 0 && without("\"event_type\"") > 0);
    }
}
