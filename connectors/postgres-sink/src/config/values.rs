//! What becomes of values that a column cannot hold as they are, and what integers and points in
//! time are. `put/encode` takes its rules from here.

use connect_api::{Choice, Config, ConfigKey, ConfigType, Error, Result, Validator};

use super::connection;
use super::zone::Zone;

/// `timestamp.epoch.unit`: a unit, or that integers are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EpochOption {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Error,
}

impl Choice for EpochOption {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("seconds", Self::Seconds),
        ("milliseconds", Self::Milliseconds),
        ("microseconds", Self::Microseconds),
        ("nanoseconds", Self::Nanoseconds),
        ("error", Self::Error),
    ];
}

/// What an integer counts since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochUnit {
    Days,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl EpochUnit {
    /// None: integers are refused where a column is a timestamp or a date.
    pub(super) fn resolve(config: &Config) -> Option<Self> {
        match config.choice("timestamp.epoch.unit") {
            EpochOption::Seconds => Some(Self::Seconds),
            EpochOption::Milliseconds => Some(Self::Milliseconds),
            EpochOption::Microseconds => Some(Self::Microseconds),
            EpochOption::Nanoseconds => Some(Self::Nanoseconds),
            EpochOption::Error => None,
        }
    }
}

/// What becomes of digits of a second that a column does not keep: `timestamp.excess.digits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExcessDigits {
    /// They are an error, unless they are zeros.
    #[default]
    Error,
    /// They are cut off.
    Truncate,
}

impl Choice for ExcessDigits {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("truncate", Self::Truncate)];
}

/// What becomes of digits after the point that a numeric does not keep: `numeric.excess.digits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumericDigits {
    Error,
    Round,
}

impl Choice for NumericDigits {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("round", Self::Round)];
}

/// What becomes of NUL characters, which Postgres's texts cannot hold: `nul.characters`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NulCharacters {
    /// They are an error.
    #[default]
    Error,
    /// They are left out.
    Strip,
    /// U+FFFD stands in their place.
    Replace,
}

impl Choice for NulCharacters {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("strip", Self::Strip),
        ("replace", Self::Replace),
    ];
}

/// Which zone a date is shown in: `date.timezone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateZone {
    DbTimezone,
    Utc,
}

impl Choice for DateZone {
    const WORDS: &'static [(&'static str, Self)] =
        &[("DB_TIMEZONE", Self::DbTimezone), ("UTC", Self::Utc)];
}

/// What the configuration says about values that a column cannot hold as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub excess_digits: ExcessDigits,
    /// Whether a numeric rounds decimals to its scale.
    pub rounds_decimals: bool,
    pub nul_characters: NulCharacters,
    /// Whether a text is read as Postgres reads it, whatever the column (`stringtype=unspecified`).
    pub reads_texts: bool,
    /// What a timestamp or a time without a time zone shows of a point in time. None: UTC.
    pub zone: Option<Zone>,
    /// The same for a date.
    pub date_zone: Option<Zone>,
}

impl Rules {
    /// The rules that the options make.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when no zone has the name.
    pub(super) fn resolve(config: &Config) -> Result<Self> {
        let zone = Zone::named(config.text("db.timezone"))
            .map_err(|why| Error::config(format!("db.timezone: {why}")))?;
        Ok(Self {
            excess_digits: config.choice("timestamp.excess.digits"),
            rounds_decimals: config.choice::<NumericDigits>("numeric.excess.digits")
                == NumericDigits::Round,
            nul_characters: config.choice("nul.characters"),
            reads_texts: connection::reads_texts(config),
            zone,
            date_zone: match config.choice("date.timezone") {
                DateZone::DbTimezone => zone,
                DateZone::Utc => None,
            },
        })
    }
}

/// The declarations of what is written of a value.
pub(super) fn keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::choice(
            "timestamp.epoch.unit",
            EpochOption::Milliseconds,
            "What an integer counts since 1970-01-01 UTC where the column is a timestamptz, a \
             timestamp or a date: seconds, milliseconds (as Kafka Connect does), microseconds or \
             nanoseconds. A date takes only midnights. error: such columns take no integers. It \
             holds for schemaless integers and INT64; Debezium's types have their own units.",
        ),
        ConfigKey::choice(
            "timestamp.excess.digits",
            ExcessDigits::default(),
            "What becomes of digits of a second that a column does not keep, such as those of \
             nanoseconds: they make the record errant, or truncate cuts them off.",
        ),
        ConfigKey::choice(
            "numeric.excess.digits",
            NumericDigits::Error,
            "What becomes of digits after the point that a numeric does not keep, in decimals and \
             in texts: they make the record errant, or round rounds them, halves away from zero, \
             as Postgres does for the JDBC sinks. Floats are always rounded, as their last digits \
             are not exact. Digits before the point are never lost.",
        ),
        ConfigKey::choice(
            "nul.characters",
            NulCharacters::default(),
            "What becomes of NUL characters, which Postgres's texts cannot hold, in text, varchar, \
             char, citext, name, hstore and jsonb, and in arrays of them: they make the record \
             errant, strip leaves them out, replace puts U+FFFD in their place. A json column keeps \
             \\u0000 as it is.",
        ),
        ConfigKey::new(
            "replace.null.with.default",
            ConfigType::Boolean,
            "true",
            "Whether a null is written as the default of the field's schema, where it has one.",
        ),
    ]
}

/// The declarations of the time zones.
pub(super) fn zones() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "db.timezone",
            ConfigType::String,
            "UTC",
            "What clocks columns without a time zone show: a timestamp, a time and a date receive \
             points in time (Timestamp, integers, texts with an offset; Time, as of 1970-01-01; \
             Date, as midnight in UTC, see date.timezone) as they are in this zone. An hour that \
             the clocks repeat is there twice. What is no point in time stays as it is: texts \
             without an offset, Debezium's types. A timestamptz and a timetz do not depend on it. A \
             name of the IANA database or an offset such as +05:30.",
        )
        .validator(Validator::Check(|name| Zone::named(name).map(drop))),
        ConfigKey::choice(
            "date.timezone",
            DateZone::DbTimezone,
            "The same for a date alone: DB_TIMEZONE, as the JDBC sinks have it, makes a Date the day \
             before where db.timezone is west of Greenwich; UTC leaves it as it is.",
        ),
    ]
}
