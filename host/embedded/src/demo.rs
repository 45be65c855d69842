//! The sample records of `make demo`: three systems, good and malformed, with the expected split.
//!
//! The generators are pure: the record at an index is always the same, so a run knows before it
//! starts which rows must land and how many records must be refused, and why.

mod activity;
mod iot;
mod produce;
mod telescope;

use std::fmt;

pub use activity::activity_events;
pub use iot::iot_measurements;
pub use produce::{Produced, produce};
pub use telescope::{TELESCOPE_SCHEMA, TELESCOPE_SUBJECT, telescope_data};

/// One record out of this many is malformed.
const MALFORMED_EVERY: usize = 20;
/// Which one of them: not the first, so that a demo starts with a row.
const MALFORMED_AT: usize = 7;

/// Where the time of every system starts: 2026-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// A topic of the demo and the table that its records are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct System {
    /// The topic, as the system's documents name it.
    pub topic: &'static str,
    /// Its partitions.
    pub partitions: i32,
    /// The table, as the system's documents name it.
    pub table: &'static str,
}

/// Activity events of aircraft and ships, in JSON, keyed by track.
pub const ACTIVITY: System = System {
    topic: "activity-events",
    partitions: 3,
    table: "track_activity_log",
};
/// Raw telescope data, in Avro, keyed by observation.
pub const TELESCOPE: System = System {
    topic: "telescope.data",
    partitions: 1,
    table: "telescope_data_raw",
};
/// Decoded IoT measurements, in JSON, keyed by device.
pub const IOT: System = System {
    topic: "decoded_iot_data",
    partitions: 1,
    table: "iot_measurements",
};

/// The three systems, in the order in which they are produced.
pub const SYSTEMS: [System; 3] = [ACTIVITY, TELESCOPE, IOT];

/// A record to produce and what must become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where it goes.
    pub topic: &'static str,
    /// Its key, in text.
    pub key: String,
    /// Its value: JSON text, or Avro in Confluent's wire format.
    pub value: Vec<u8>,
    /// Whether it must land or be refused.
    pub expect: Expect,
}

/// What must become of a [`Sample`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// A row in the table.
    Landed,
    /// An errant record, for this reason.
    Refused(Malformed),
}

/// What is wrong with a malformed [`Sample`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Malformed {
    /// The text ends in the middle.
    InvalidJson,
    /// A required field is not there.
    MissingField,
    /// A time that is none.
    BadTimestamp,
    /// A latitude above 90 or a longitude below −180.
    CoordinateOutOfRange,
    /// A domain or an event type that the schema does not know.
    UnknownName,
    /// A `mode_s` that is not 6 hex digits, or an `mmsi` that is not 9 digits.
    BadIdentifier,
    /// A measured value that is no number.
    NotNumeric,
    /// The first byte is not 0.
    WrongMagicByte,
    /// The registry has no schema of this id.
    UnknownSchemaId,
    /// The Avro data ends in the middle.
    TruncatedAvro,
    /// A required text is empty.
    EmptyId,
    /// A sequence number below 0.
    NegativeSequence,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidJson => "invalid JSON",
            Self::MissingField => "a required field is missing",
            Self::BadTimestamp => "a timestamp that is none",
            Self::CoordinateOutOfRange => "a coordinate out of range",
            Self::UnknownName => "an unknown domain or event type",
            Self::BadIdentifier => "a malformed mode_s or mmsi",
            Self::NotNumeric => "a value that is no number",
            Self::WrongMagicByte => "a wrong magic byte",
            Self::UnknownSchemaId => "an unknown schema id",
            Self::TruncatedAvro => "truncated Avro",
            Self::EmptyId => "an empty id",
            Self::NegativeSequence => "a negative sequence number",
        })
    }
}

/// How many records of a topic must land, and how many must not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Split {
    /// Rows to find in the table.
    pub landed: usize,
    /// Records to find refused.
    pub refused: usize,
}

impl Split {
    /// The split of the first `n` records of any of the three systems.
    pub fn of(n: usize) -> Self {
        let refused = (0..n).filter(|index| turn(*index).is_some()).count();
        Self {
            landed: n - refused,
            refused,
        }
    }
}

/// For a malformed record, the how manieth it is; `None` for a good one.
fn turn(index: usize) -> Option<usize> {
    (index % MALFORMED_EVERY == MALFORMED_AT).then_some(index / MALFORMED_EVERY)
}

/// The kind of the malformed record at this index, the kinds taking turns.
fn malformed(index: usize, kinds: &[Malformed]) -> Option<Malformed> {
    turn(index).map(|turn| kinds[turn % kinds.len()])
}

fn expect(kind: Option<Malformed>) -> Expect {
    kind.map_or(Expect::Landed, Expect::Refused)
}

/// Numbers that look random and are a function of the index (splitmix64).
fn scatter(index: usize, salt: u64) -> u64 {
    let mut z = (index as u64)
        .wrapping_add(salt << 32)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Cuts a JSON text in its second half, so that what is left is not JSON.
fn cut(mut json: Vec<u8>) -> Vec<u8> {
    json.truncate(json.len() * 2 / 3);
    json
}

/// Seconds since the epoch as the text that RFC 3339 asks for.
fn iso(seconds: i64, nanos: u32) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, nanos).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    fn all(n: usize) -> [Vec<Sample>; 3] {
        [
            activity_events(n).collect(),
            telescope_data(n, 1).collect(),
            iot_measurements(n).collect(),
        ]
    }

    #[test]
    fn the_split_is_exact_for_every_length() {
        assert_eq!(
            Split::of(1000),
            Split {
                landed: 950,
                refused: 50
            }
        );
        assert_eq!(Split::of(0), Split::default());
        for n in [1, 7, 8, 27, 28, 400] {
            for (system, samples) in SYSTEMS.iter().zip(all(n)) {
                assert!(samples.iter().all(|sample| sample.topic == system.topic));
                let landed = samples
                    .iter()
                    .filter(|s| s.expect == Expect::Landed)
                    .count();
                let counted = Split {
                    landed,
                    refused: samples.len() - landed,
                };
                assert_eq!(counted, Split::of(n), "{n} of {}", system.topic);
            }
        }
    }

    #[test]
    fn a_record_depends_on_its_index_alone() {
        for (short, long) in all(50).into_iter().zip(all(400)) {
            assert_eq!(short, long[..50]);
        }
    }

    #[test]
    fn every_kind_of_a_system_comes_equally_often() {
        let kinds = [9, 6, 5];
        for (samples, kinds) in all(20 * 9 * 6 * 5).iter().zip(kinds) {
            let mut counts = BTreeMap::new();
            for sample in samples {
                if let Expect::Refused(kind) = sample.expect {
                    *counts.entry(kind).or_insert(0) += 1;
                }
            }
            let turns: usize = counts.values().sum();
            assert_eq!(turns, 9 * 6 * 5);
            assert!(
                counts.values().all(|count| count % (turns / kinds) == 0),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn good_records_are_all_different() {
        for samples in all(5000) {
            let good = samples
                .iter()
                .filter(|sample| sample.expect == Expect::Landed);
            let distinct: HashSet<_> = good.clone().map(|sample| &sample.value).collect();
            assert_eq!(distinct.len(), good.count());
        }
    }
}
