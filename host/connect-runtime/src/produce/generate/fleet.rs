//! Telemetry of vehicles, which brake hard now and then.

use serde_json::{Value, json};

use super::{Expect, Malformed, Plan, Planted, Sample, TELEMETRY, cut, iso};

const KINDS: [Malformed; 6] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::BadTimestamp,
    Malformed::NotNumeric,
    Malformed::EmptyId,
    Malformed::NegativeSequence,
];

/// From one frame of a vehicle to the next: ten a second, as data sets have them.
const FRAME_MILLIS: i64 = 100;
/// Frames that a stop takes: from [`CRUISE`] down to [`CRAWL`] within two seconds.
const STOP_FRAMES: usize = 20;
/// Frames in front of a stop, and behind it, at least.
const MARGIN: usize = 10;
/// Frames that a vehicle needs, so that a stop is within them.
pub const FRAMES_FOR_A_STOP: usize = STOP_FRAMES + 2 * MARGIN;
/// Metres a second before a stop, and behind it.
const CRUISE: f64 = 30.0;
const CRAWL: f64 = 6.0;
/// Most vehicles, unless more of them are to brake.
const MOST_VEHICLES: usize = 40;

/// What a vehicle does at a frame.
struct Motion {
    velocity: f64,
    acceleration: f64,
}

/// A frame of a vehicle.
struct Frame {
    vehicle: String,
    scene: String,
    track: usize,
    /// Counted from 0 in each vehicle.
    index: usize,
    /// Milliseconds since 1970.
    time: i64,
    motion: Motion,
}

/// Frames of vehicles, in JSON without a schema, keyed by `vehicle_id`. Exactly so many vehicles
/// brake as the plan says, each once, over two seconds. The other frames are only remembered.
pub fn raw_telemetry(plan: impl Into<Plan>) -> impl Iterator<Item = Sample> {
    let plan = plan.into();
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let good = plan.good_before(index);
        let (frame, brakes) = frame(plan, good);
        sample(plan, index, frame, kind, brakes)
    })
}

/// How many vehicles there are: as many as have enough frames for a stop.
fn vehicles(plan: Plan) -> usize {
    let good = plan.good_before(plan.records);
    let enough = (good / FRAMES_FOR_A_STOP).clamp(1, MOST_VEHICLES);
    enough.max(plan.braking)
}

/// A frame, and whether the vehicle begins to brake with it.
fn frame(plan: Plan, good: usize) -> (Frame, bool) {
    let braking = plan.braking;
    let vehicles = vehicles(plan);
    let (vehicle, index) = (good % vehicles, good / vehicles);
    let frames = plan.good_before(plan.records) / vehicles;
    // Which ones brake is scattered over all: those of the first places in a shuffled order.
    let place = (vehicle + plan.seed as usize % vehicles) % vehicles;
    let begin = (place < braking).then(|| {
        let room = frames.saturating_sub(FRAMES_FOR_A_STOP) + 1;
        MARGIN + plan.scatter(vehicle, 22) as usize % room
    });
    let scene = format!("scene_{:03}", plan.seed % 1_000);
    let frame = Frame {
        vehicle: format!("{scene}_track_{vehicle:03}"),
        scene,
        track: vehicle,
        index,
        time: plan.start_seconds * 1_000 + index as i64 * FRAME_MILLIS,
        motion: motion(index, begin),
    };
    (frame, begin == Some(index))
}

/// A vehicle that goes steadily, but for a stop that begins at a frame.
fn motion(index: usize, begin: Option<usize>) -> Motion {
    let seconds = STOP_FRAMES as f64 * FRAME_MILLIS as f64 / 1_000.0;
    let deceleration = (CRUISE - CRAWL) / seconds;
    let Some(into) = begin.and_then(|begin| index.checked_sub(begin)) else {
        return Motion {
            velocity: CRUISE,
            acceleration: 0.0,
        };
    };
    if into >= STOP_FRAMES {
        return Motion {
            velocity: CRAWL,
            acceleration: 0.0,
        };
    }
    let braked = (into + 1) as f64 / STOP_FRAMES as f64;
    Motion {
        velocity: CRUISE - (CRUISE - CRAWL) * braked,
        acceleration: -deceleration,
    }
}

fn sample(plan: Plan, index: usize, frame: Frame, kind: Option<Malformed>, brakes: bool) -> Sample {
    let mut record = record(plan, index, &frame);
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
    let is_planted = brakes && kind.is_none();
    Sample {
        topic: TELEMETRY.topic,
        value: match kind {
            Some(Malformed::InvalidJson) => cut(text),
            _ => text,
        },
        timestamp: Some(frame.time),
        expect: match kind {
            Some(kind) => Expect::Refused(kind),
            None if brakes => Expect::Landed,
            None => Expect::Remembered,
        },
        planted: is_planted.then(|| Planted {
            what: "brakes",
            key: frame.vehicle.clone(),
            details: json!({ "frame_index": frame.index, "event_time": time(frame.time) }),
        }),
        key: frame.vehicle,
    }
}

fn time(millis: i64) -> String {
    let nanos = millis.rem_euclid(1_000) as u32 * 1_000_000;
    iso(millis.div_euclid(1_000), nanos)
}

fn record(plan: Plan, index: usize, frame: &Frame) -> Value {
    let Motion {
        velocity,
        acceleration,
    } = frame.motion;
    let event_time = json!(time(frame.time));
    json!({
        "event_id": format!("{:08x}-0000-4000-8000-{index:012x}", plan.seed & 0xFFFF_FFFF),
        "vehicle_id": frame.vehicle,
        "scene_id": frame.scene,
        "track_id": frame.track,
        "event_time": event_time,
        "processing_time": event_time,
        "frame_index": frame.index,
        "telemetry": {
            "position": { "x": (plan.scatter(index, 21) % 10_000) as f64 / 10.0, "y": 67.89, "z": 0.0 },
            "velocity": { "x": velocity, "y": 0.0, "z": 0.0, "magnitude": velocity },
            "acceleration": { "x": acceleration, "y": 0.0, "z": 0.0,
                              "magnitude": f64::abs(acceleration) },
            "yaw": 1.23, "yaw_rate": 0.05, "label_probability": 0.9, "track_length": 120,
        },
        "metadata": { "replay_session_id": format!("session_{}", plan.seed), "replay_rate": 10.0 },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Bad;
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
        assert_eq!(next.len(), MOST_VEHICLES);
    }

    #[test]
    fn exactly_so_many_vehicles_of_a_replay_brake() {
        for (records, braking, seed) in [(2_000, 5, 1), (400, 10, 7), (40, 1, 3), (3_000, 0, 2)] {
            let plan = Plan {
                seed,
                bad: Bad::Of(3),
                braking,
                ..Plan::demo(records + 3)
            };
            let mut slowest: BTreeMap<String, f64> = BTreeMap::new();
            let mut planted = Vec::new();
            for sample in raw_telemetry(plan) {
                planted.extend(sample.planted.map(|it| it.key));
                if matches!(sample.expect, Expect::Refused(_)) {
                    continue;
                }
                let record: Value = serde_json::from_slice(&sample.value).unwrap();
                let velocity = record["telemetry"]["velocity"]["magnitude"]
                    .as_f64()
                    .unwrap();
                let slowest = slowest.entry(sample.key).or_insert(velocity);
                *slowest = slowest.min(velocity);
            }
            let mut stopped: Vec<_> = slowest.iter().filter(|(_, v)| **v <= CRAWL).collect();
            stopped.sort_by(|a, b| a.0.cmp(b.0));
            planted.sort();
            assert_eq!(planted.len(), braking, "{records} records");
            let stopped: Vec<_> = stopped.into_iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(stopped, planted);
            assert!(slowest.values().all(|v| *v == CRUISE || *v == CRAWL));
        }
    }
}
