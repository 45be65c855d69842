//! Raw frames of IoT devices, of which the plugin `iot-decode` makes measurements: binary frames,
//! as that plugin documents them, and frames in JSON; some are damaged.

use serde_json::json;

use super::{Expect, Malformed, Plan, Sample};

/// The topic of frames, as the system's document names it.
pub const FRAMES_TOPIC: &str = "raw_iot_data";
/// What a binary frame begins with.
pub const MAGIC: [u8; 2] = *b"IF";
/// Measurements that a good frame comes to.
pub const POINTS_OF_A_FRAME: usize = 2;

const KINDS: [Malformed; 2] = [Malformed::Damaged, Malformed::InvalidJson];
const DEVICES: usize = 8;
const FRAME_MILLIS: i64 = 1_000;
/// A timestamp and a mode follow.
const FLAGS: u8 = 3;
const FLOAT64: u8 = 5;
const INT32: u8 = 2;

/// Frames, keyed by device: in turns two binary ones and two in JSON, each of two data points.
pub fn raw_frames(plan: Plan) -> impl Iterator<Item = Sample> {
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let device = index % DEVICES;
        let is_binary = match kind {
            Some(Malformed::InvalidJson) => false,
            Some(_) => true,
            None => index % 4 < 2,
        };
        let mut value = match is_binary {
            true => binary(plan, index, device),
            false => text(plan, index, device),
        };
        match kind {
            // A bit has changed on the way, in the middle.
            Some(Malformed::Damaged) => {
                let middle = value.len() / 2;
                value[middle] ^= 1;
            }
            Some(_) => value = super::cut(value),
            None => {}
        }
        Sample {
            topic: FRAMES_TOPIC,
            key: format!("device-{device}"),
            value,
            timestamp: None,
            expect: kind.map_or(Expect::Landed, Expect::Refused),
            planted: None,
        }
    })
}

fn millis(plan: Plan, index: usize) -> i64 {
    plan.start_seconds * 1_000 + index as i64 * FRAME_MILLIS
}

fn celsius(plan: Plan, index: usize) -> f64 {
    (plan.scatter(index, 61) % 5_000) as f64 / 100.0
}

fn percent(plan: Plan, index: usize) -> i32 {
    (plan.scatter(index, 62) % 100) as i32
}

fn binary(plan: Plan, index: usize, device: usize) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    frame.extend([1, FLAGS, 0x02, 0x1b, 0x44, 0x11, 0, device as u8]);
    frame.extend(millis(plan, index).to_be_bytes());
    short_text(&mut frame, "analog");
    frame.push(POINTS_OF_A_FRAME as u8);
    let point = |frame: &mut Vec<u8>, label, pin: i16, kind, value: &[u8], unit| {
        short_text(frame, label);
        frame.extend(pin.to_be_bytes());
        frame.push(kind);
        frame.extend(value);
        short_text(frame, unit);
    };
    let celsius = celsius(plan, index).to_be_bytes();
    point(&mut frame, "temperature", 1, FLOAT64, &celsius, "°C");
    let percent = percent(plan, index).to_be_bytes();
    point(&mut frame, "humidity", 2, INT32, &percent, "%");
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

fn text(plan: Plan, index: usize, device: usize) -> Vec<u8> {
    let frame = json!({
        "mac_address": format!("02:1b:44:11:00:{device:02x}"),
        "timestamp": millis(plan, index),
        "mode": "analog",
        "data_points": [
            { "label": "temperature", "pin": 1, "value": celsius(plan, index), "unit": "°C" },
            { "label": "humidity", "pin": 2, "value": percent(plan, index), "unit": "%" },
        ],
    });
    frame.to_string().into_bytes()
}

fn short_text(frame: &mut Vec<u8>, text: &str) {
    frame.push(text.len() as u8);
    frame.extend(text.as_bytes());
}

/// That of IEEE 802.3, bit by bit: there are few frames.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| match crc & 1 {
        0 => crc >> 1,
        _ => crc >> 1 ^ 0xedb8_8320,
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_binary_frame_ends_in_its_sum_and_a_damaged_one_does_not() {
        // The check value of the catalogue of CRCs.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut kinds = (0, 0);
        for sample in raw_frames(Plan::demo(400)) {
            if !sample.value.starts_with(b"IF") {
                let is_json = serde_json::from_slice::<serde_json::Value>(&sample.value).is_ok();
                assert_eq!(is_json, sample.expect == Expect::Landed);
                continue;
            }
            let (body, sum) = sample.value.split_last_chunk::<4>().unwrap();
            let fits = crc32(body).to_be_bytes() == *sum;
            match sample.expect {
                Expect::Landed => kinds.0 += 1,
                _ => kinds.1 += 1,
            }
            assert_eq!(fits, sample.expect == Expect::Landed);
        }
        assert!(kinds.0 > 100 && kinds.1 == 10, "{kinds:?}");
    }
}
