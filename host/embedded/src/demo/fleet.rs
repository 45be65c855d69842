//! Telemetry of vehicles, which brake hard now and then.

use serde_json::{Value, json};

use super::{
    EPOCH_SECONDS, Expect, Malformed, Sample, TELEMETRY, cut, good_before, malformed, scatter,
};

const KINDS: [Malformed; 6] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::BadTimestamp,
    Malformed::NotNumeric,
    Malformed::EmptyId,
    Malformed::NegativeSequence,
];

const VEHICLES: usize = 40;
/// A vehicle brakes at one frame of this many.
const BRAKES_EVERY: usize = 10;
/// From one frame of a vehicle to the next.
const FRAME_MILLIS: i64 = 250;

/// The first `n` frames, in JSON without a schema, keyed by `vehicle_id`. Each braking is an
/// anomaly; the other frames are only remembered.
pub fn raw_telemetry(n: usize) -> impl Iterator<Item = Sample> {
    (0..n).map(|index| {
        let kind = malformed(index, &KINDS);
        let good = good_before(index);
        let (vehicle, frame) = (good % VEHICLES, good / VEHICLES);
        let brakes = frame > 0 && (frame + vehicle).is_multiple_of(BRAKES_EVERY);
        let time = EPOCH_SECONDS * 1_000 + frame as i64 * FRAME_MILLIS;
        let name = format!("vehicle-{vehicle:03}");
        let mut record = record(index, &name, (frame, time), brakes);
        match kind {
            Some(Malformed::MissingField) => record["event_time"] = Value::Null,
            Some(Malformed::BadTimestamp) => record["event_time"] = json!("last Tuesday"),
            Some(Malformed::NotNumeric) => {
                record["telemetry"]["velocity"]["magnitude"] = json!("fast");
            }
            Some(Malformed::EmptyId) => record["vehicle_id"] = json!(""),
            Some(Malformed::NegativeSequence) => record["frame_index"] = json!(-1),
            _ => {}
        }
        let text = record.to_string().into_bytes();
        Sample {
            topic: TELEMETRY.topic,
            key: name,
            value: match kind {
                Some(Malformed::InvalidJson) => cut(text),
                _ => text,
            },
            timestamp: Some(time),
            expect: match kind {
                Some(kind) => Expect::Refused(kind),
                None if brakes => Expect::Landed,
                None => Expect::Remembered,
            },
        }
    })
}

fn record(index: usize, vehicle: &str, (frame, time): (usize, i64), brakes: bool) -> Value {
    let (velocity, acceleration) = if brakes { (5.0, -4.2) } else { (15.0, 0.1) };
    json!({
        "event_id": format!("00000000-0000-4000-8000-{index:012x}"),
        "vehicle_id": vehicle,
        "scene_id": "scene_demo",
        "track_id": index % VEHICLES,
        "event_time": time,
        "processing_time": time,
        "frame_index": frame,
        "telemetry": {
            "position": { "x": (scatter(index, 21) % 10_000) as f64 / 10.0, "y": 67.89, "z": 0.0 },
            "velocity": { "x": velocity, "y": 0.0, "z": 0.0, "magnitude": velocity },
            "acceleration": { "x": acceleration, "y": 0.0, "z": 0.0,
                              "magnitude": f64::abs(acceleration) },
            "yaw": 1.23, "yaw_rate": 0.05, "label_probability": 0.9, "track_length": 120,
        },
        "metadata": { "replay_session_id": "session_demo", "replay_rate": 10.0 },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_good_frames_of_a_vehicle_follow_each_other() {
        let mut next: BTreeMap<String, i64> = BTreeMap::new();
        for sample in raw_telemetry(4_000) {
            if matches!(sample.expect, Expect::Refused(_)) {
                continue;
            }
            let record: Value = serde_json::from_slice(&sample.value).unwrap();
            let expected = next.entry(sample.key).or_default();
            assert_eq!(record["frame_index"], *expected);
            *expected += 1;
        }
        assert_eq!(next.len(), VEHICLES);
    }
}
