//! Made-up records of the five systems, good and malformed, and what must become of each: for
//! `ferrule produce --generate` and for the demo.
//!
//! The generators are pure: the record at an index of a plan is always the same, so a run knows
//! before it starts which rows must land and how many records must be refused, and why.

mod actions;
mod activity;
mod analytics;
mod commands;
mod fleet;
mod frames;
mod iot;
#[cfg(feature = "dev")]
mod status;
mod telescope;

use std::fmt;

#[cfg(feature = "dev")]
pub use actions::illegal_actions;
pub use actions::{ACTIONS_OF_AN_ALERT, ACTIONS_TOPIC, Alert, operator_actions};
pub use activity::activity_events;
pub use analytics::user_activity;
pub use commands::{ACKNOWLEDGMENTS_TOPIC, COMMANDS_TOPIC, DECLARATIONS, telescope_commands};
pub use fleet::{FRAMES_FOR_A_STOP, raw_telemetry};
pub use frames::{FRAMES_TOPIC, MAGIC, POINTS_OF_A_FRAME, raw_frames};
pub use iot::iot_measurements;
#[cfg(feature = "dev")]
pub use status::{STATUS_DECLARATION, STATUS_TOPIC, telescope_status};
pub use telescope::{telescope_data, telescope_schema};

/// One record out of this many is malformed.
const MALFORMED_EVERY: usize = 20;
/// Which one of them: not the first, so that a demo starts with a row.
const MALFORMED_AT: usize = 7;

/// Vehicles of the demo that brake, unless there are too few records.
const DEMO_STOPS: usize = 20;

/// Where the time of every system starts unless a plan says otherwise: 2026-01-01T00:00:00Z.
pub const EPOCH_SECONDS: i64 = 1_767_225_600;

/// What records are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many.
    pub records: usize,
    /// Other records for another number.
    pub seed: u64,
    /// The time of the first one, in seconds since 1970.
    pub start_seconds: i64,
    /// Which are malformed.
    pub bad: Bad,
    /// How many vehicles brake, each once.
    pub braking: usize,
}

/// Which records are malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The eighth of every twenty: not the first, so that a demo starts with a row.
    OneInTwenty,
    /// Exactly so many, spread over all.
    Of(usize),
}

impl Plan {
    /// The records of the demo.
    pub fn demo(records: usize) -> Self {
        Self {
            records,
            seed: 0,
            start_seconds: EPOCH_SECONDS,
            bad: Bad::OneInTwenty,
            braking: DEMO_STOPS.min(records * 9 / 10 / FRAMES_FOR_A_STOP),
        }
    }

    /// For a malformed record, the how manieth it is; `None` for a good one.
    fn turn(&self, index: usize) -> Option<usize> {
        let bad = self.bad_before(index);
        (self.bad_before(index + 1) > bad).then_some(bad)
    }

    /// The kind of the malformed record at this index, the kinds taking turns.
    fn malformed(&self, index: usize, kinds: &[Malformed]) -> Option<Malformed> {
        self.turn(index).map(|turn| kinds[turn % kinds.len()])
    }

    fn bad_before(&self, index: usize) -> usize {
        match self.bad {
            Bad::OneInTwenty => (index + MALFORMED_EVERY - 1 - MALFORMED_AT) / MALFORMED_EVERY,
            Bad::Of(bad) => {
                let before = index as u128 * bad as u128 / self.records.max(1) as u128;
                usize::try_from(before).unwrap_or(usize::MAX)
            }
        }
    }

    /// How many good records there are before this index.
    fn good_before(&self, index: usize) -> usize {
        index - self.bad_before(index)
    }

    /// Numbers that look random and are a function of the seed and the index (splitmix64).
    fn scatter(&self, index: usize, salt: u64) -> u64 {
        let mut z = (index as u64)
            .wrapping_add(salt << 32)
            .wrapping_add(self.seed.wrapping_mul(0xD1B5_4A32_D192_ED03))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl From<usize> for Plan {
    fn from(records: usize) -> Self {
        Self::demo(records)
    }
}

/// What records are made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct System {
    /// The topic, as the system's documents name it.
    pub topic: &'static str,
}

/// Activity events of aircraft and ships, in JSON, keyed by track.
pub const ACTIVITY: System = System {
    topic: "activity-events",
};
/// Raw telescope data, in Avro, keyed by observation.
pub const TELESCOPE: System = System {
    topic: "telescope.data",
};
/// Decoded IoT measurements, in JSON, keyed by device.
pub const IOT: System = System {
    topic: "decoded_iot_data",
};

/// Telemetry of vehicles, in JSON, keyed by vehicle.
pub const TELEMETRY: System = System {
    topic: "raw_telemetry",
};
/// What users do, in JSON, keyed by user.
pub const USER_ACTIVITY: System = System {
    topic: "incoming.user_activity",
};

/// A record to produce and what must become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where it goes.
    pub topic: &'static str,
    /// Its key, in text.
    pub key: String,
    /// Its value: JSON text, or Avro in Confluent's wire format.
    pub value: Vec<u8>,
    /// Milliseconds since 1970; the producer's clock when none.
    pub timestamp: Option<i64>,
    /// Whether it must land or be refused.
    pub expect: Expect,
    /// What begins with it that is to be found.
    pub planted: Option<Planted>,
}

/// Something that was put among the records, to be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// What it is.
    pub what: &'static str,
    /// The key of its records.
    pub key: String,
    /// Where it begins.
    pub details: serde_json::Value,
}

/// What is known of a record that was made up.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What must become of it.
    pub expect: Expect,
    /// What begins with it that is to be found.
    pub planted: Option<Planted>,
}

/// What must become of a [`Sample`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// A row in the table.
    Landed,
    /// No row of its own: a plugin remembers it, and it is part of a row that another one makes.
    Remembered,
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
    /// A `mode_s` or an `mmsi` that is longer than its column.
    BadIdentifier,
    /// A measured value that is no number.
    NotNumeric,
    /// A text that is a number.
    NotText,
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
    /// A bit of it has changed.
    Damaged,
    /// A well-formed action that is not to be taken.
    #[cfg(feature = "dev")]
    NotLegal,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidJson => "invalid JSON",
            Self::MissingField => "a required field is missing",
            Self::BadTimestamp => "a timestamp that is none",
            Self::CoordinateOutOfRange => "a coordinate out of range",
            Self::UnknownName => "an unknown domain or event type",
            Self::BadIdentifier => "a mode_s or mmsi that is too long",
            Self::NotNumeric => "a value that is no number",
            Self::NotText => "a text that is a number",
            Self::WrongMagicByte => "a wrong magic byte",
            Self::UnknownSchemaId => "an unknown schema id",
            Self::TruncatedAvro => "truncated Avro",
            Self::EmptyId => "an empty id",
            Self::NegativeSequence => "a negative sequence number",
            Self::Damaged => "a frame that is damaged",
            #[cfg(feature = "dev")]
            Self::NotLegal => "an action that is not to be taken",
        })
    }
}

/// How many records of a topic must land, and how many must not.
#[cfg(feature = "dev")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Split {
    /// Rows to find in the table.
    pub landed: usize,
    /// Records that plugins remember, and that are no rows.
    pub remembered: usize,
    /// Records to find refused.
    pub refused: usize,
}

#[cfg(feature = "dev")]
impl Split {
    /// Counts one more.
    pub fn add(&mut self, expect: Expect) {
        match expect {
            Expect::Landed => self.landed += 1,
            Expect::Remembered => self.remembered += 1,
            Expect::Refused(_) => self.refused += 1,
        }
    }

    /// All records.
    pub fn records(&self) -> usize {
        self.landed + self.remembered + self.refused
    }
}

fn expect(kind: Option<Malformed>) -> Expect {
    kind.map_or(Expect::Landed, Expect::Refused)
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

/// The samples that are to land are those that keep the rules.
#[cfg(test)]
fn exactly_the_good_ones(
    samples: impl Iterator<Item = Sample>,
    mut keeps: impl FnMut(&[u8]) -> bool,
) {
    for (index, sample) in samples.enumerate() {
        let expected = sample.expect == Expect::Landed;
        let shown = String::from_utf8_lossy(&sample.value);
        assert_eq!(
            keeps(&sample.value),
            expected,
            "{index}: {:?} {shown}",
            sample.expect
        );
    }
}

#[cfg(feature = "dev")]
#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    const SYSTEMS: [System; 5] = [ACTIVITY, TELESCOPE, IOT, TELEMETRY, USER_ACTIVITY];

    fn all(n: usize) -> [Vec<Sample>; 5] {
        [
            activity_events(n).collect(),
            telescope_data(n, 1).collect(),
            iot_measurements(n).collect(),
            raw_telemetry(n).collect(),
            user_activity(n).collect(),
        ]
    }

    fn split(samples: &[Sample]) -> Split {
        let mut split = Split::default();
        samples.iter().for_each(|sample| split.add(sample.expect));
        split
    }

    #[test]
    fn one_in_twenty_is_refused_in_every_system() {
        for n in [0, 1, 7, 8, 27, 28, 400] {
            let refused = (0..n).filter(|index| index % 20 == 7).count();
            for (system, samples) in SYSTEMS.iter().zip(all(n)) {
                assert!(samples.iter().all(|sample| sample.topic == system.topic));
                let split = split(&samples);
                assert_eq!(split.records(), n);
                assert_eq!(split.refused, refused, "{n} of {}", system.topic);
            }
            assert_eq!(Plan::demo(n).good_before(n), n - refused);
        }
    }

    #[test]
    fn systems_with_a_state_make_a_row_of_many_records() {
        let [activity, _, _, telemetry, users] = all(20_000).map(|samples| split(&samples));
        assert_eq!((activity.landed, activity.remembered), (19_000, 0));
        // Each vehicle that brakes does it once.
        assert_eq!((telemetry.landed, telemetry.remembered), (20, 18_980));
        assert_eq!((users.landed, users.remembered), (0, 19_000));
    }

    #[test]
    fn exactly_so_many_are_malformed() {
        for (records, bad) in [(10, 0), (10, 10), (1_000, 7), (3, 1)] {
            let plan = Plan {
                bad: Bad::Of(bad),
                ..Plan::demo(records)
            };
            let split = split(&activity_events(plan).collect::<Vec<_>>());
            assert_eq!((split.records(), split.refused), (records, bad));
        }
    }

    #[test]
    fn a_seed_makes_other_records() {
        let of = |seed| {
            let plan = Plan {
                seed,
                ..Plan::demo(50)
            };
            activity_events(plan).collect::<Vec<_>>()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_record_depends_on_its_index_alone() {
        for (short, long) in all(50).into_iter().zip(all(400)) {
            // How many vehicles there are depends on how many frames there are.
            assert!(short[0].topic == TELEMETRY.topic || short == long[..50]);
        }
    }

    #[test]
    fn every_kind_of_a_system_comes_equally_often() {
        const TURNS: usize = 9 * 5 * 4;
        let kinds = [9, 6, 5, 6, 4];
        for (samples, kinds) in all(20 * TURNS).iter().zip(kinds) {
            let mut counts = BTreeMap::new();
            for sample in samples {
                if let Expect::Refused(kind) = sample.expect {
                    *counts.entry(kind).or_insert(0) += 1;
                }
            }
            let turns: usize = counts.values().sum();
            assert_eq!(turns, TURNS);
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
                .filter(|sample| !matches!(sample.expect, Expect::Refused(_)));
            let distinct: HashSet<_> = good.clone().map(|sample| &sample.value).collect();
            assert_eq!(distinct.len(), good.count());
        }
    }
}
