//! The rules for activity events: their schema, and the columns of `track_activity_log`.

mod elements;

use elements::{are_integers, are_text};
use ferrule_plugin::{
    Column, Failure, Field, Json, Result, Row, Timestamp, ValueRef, iso8601, kind_of,
};

ferrule_plugin::fields! {
    /// What the rules look at.
    pub(crate) const FIELDS;
    TRACK_ID = "track_id",
    DOMAIN = "domain",
    EVENT_TYPE = "event_type",
    ACTIVITY_TYPE = "activity_type",
    KB_OBJECT_ID = "kb_object_id",
    MODE_S = "mode_s",
    MMSI = "mmsi",
    EVENT_TIMESTAMP = "event_timestamp",
    LATITUDE = "latitude",
    LONGITUDE = "longitude",
    PROPERTIES = "properties",
    ASSOCIATED_TRACK_IDS = "associated_track_ids",
    ASSOCIATED_KB_IDS = "associated_kb_ids",
}

/// A rule and the key that switches it.
pub(crate) struct Rule {
    pub(crate) key: &'static str,
    /// Whether it is on unless the configuration says otherwise: those are that refuse what the
    /// documented schema or the table would refuse.
    pub(crate) default: bool,
    pub(crate) documentation: &'static str,
    pub(crate) check: fn(Row<'_>) -> Result<()>,
}

/// Every rule, in the order in which they are checked: the first that is broken is told.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        key: "rules.track_id",
        default: true,
        documentation: "track_id is required and not empty.",
        check: |row| match row.required::<&str>(TRACK_ID)?.trim() {
            "" => Err(Failure::at("track_id", "must not be empty")),
            _ => Ok(()),
        },
    },
    Rule {
        key: "rules.domain",
        default: true,
        documentation: "domain is AIR or MARITIME.",
        check: |row| match row.required(DOMAIN)? {
            "AIR" | "MARITIME" => Ok(()),
            _ => Err(Failure::at("domain", "must be AIR or MARITIME")),
        },
    },
    Rule {
        key: "rules.event_type",
        default: true,
        documentation: "event_type is identified, updated or activity_detected.",
        check: |row| match row.required(EVENT_TYPE)? {
            "identified" | "updated" | "activity_detected" => Ok(()),
            _ => Err(Failure::at(
                "event_type",
                "must be identified, updated or activity_detected",
            )),
        },
    },
    Rule {
        key: "rules.event_timestamp",
        default: true,
        documentation: "event_timestamp is ISO 8601 text, or a logical timestamp; \
                        event_timestamp.missing says what an event without one is.",
        check: event_timestamp,
    },
    Rule {
        key: "rules.coordinates",
        default: true,
        documentation: "latitude is from -90 to 90, longitude from -180 to 180; null is allowed.",
        check: |row| {
            between(row, LATITUDE, -90.0, 90.0)?;
            between(row, LONGITUDE, -180.0, 180.0)
        },
    },
    Rule {
        key: "rules.mode_s",
        default: false,
        documentation: "mode_s is the 24-bit address of an aircraft: six hexadecimal digits in \
                        either case; null is allowed. Without the rule any text of up to eight \
                        characters is taken.",
        check: |row| {
            let hexadecimal = |digit: u8| digit.is_ascii_hexdigit();
            digits(
                row,
                MODE_S,
                6,
                hexadecimal,
                "must be six hexadecimal digits",
            )
        },
    },
    Rule {
        key: "rules.mmsi",
        default: false,
        documentation: "mmsi is nine digits; null is allowed. Without the rule any text of up to \
                        nine characters is taken.",
        check: |row| {
            let decimal = |digit: u8| digit.is_ascii_digit();
            digits(row, MMSI, 9, decimal, "must be nine digits")
        },
    },
    Rule {
        key: "rules.kb_object_id",
        default: true,
        documentation: "kb_object_id is an integer; null is allowed.",
        check: |row| row.optional::<i64>(KB_OBJECT_ID).map(drop),
    },
    Rule {
        key: "rules.lengths",
        default: true,
        documentation: "Text is no longer than its column: track_id 50, domain 20, event_type 50, \
                        activity_type 100, mode_s 8, mmsi 9 characters.",
        check: lengths,
    },
    Rule {
        key: "rules.properties",
        default: true,
        documentation: "properties is an object; null is allowed.",
        check: |row| match row.optional::<Json<'_>>(PROPERTIES)? {
            Some(Json(text)) if !text.trim_ascii_start().starts_with('{') => {
                Err(Failure::at("properties", "must be an object"))
            }
            _ => Ok(()),
        },
    },
    Rule {
        key: "rules.associations",
        default: true,
        documentation: "associated_track_ids is an array of text, associated_kb_ids an array of \
                        integers; null is allowed.",
        check: |row| {
            array(
                row,
                ASSOCIATED_TRACK_IDS,
                are_text,
                "must be an array of text",
            )?;
            array(
                row,
                ASSOCIATED_KB_IDS,
                are_integers,
                "must be an array of integers",
            )
        },
    },
];

fn event_timestamp(row: Row<'_>) -> Result<()> {
    let fail = |reason: &str| Err(Failure::at("event_timestamp", reason));
    match row.value(EVENT_TIMESTAMP) {
        None | Some(ValueRef::Null | ValueRef::Timestamp(_)) => Ok(()),
        Some(ValueRef::Text(text)) => match iso8601::parse(text) {
            Some(Timestamp(_)) => Ok(()),
            None => fail("must be an ISO 8601 timestamp"),
        },
        Some(other) => fail(&format!(
            "must be an ISO 8601 timestamp, not {}",
            kind_of(other)
        )),
    }
}

fn between(row: Row<'_>, field: Field, least: f64, greatest: f64) -> Result<()> {
    let degrees = match row.value(field) {
        // A decimal's digits are no number for Rust only if the worker broke the contract.
        Some(ValueRef::Decimal(digits)) => Some(digits.parse().unwrap_or(f64::NAN)),
        _ => row.optional(field)?,
    };
    match degrees {
        // Not a number is not between.
        Some(degrees) if !(least..=greatest).contains(&degrees) => Err(Failure::at(
            field.name(),
            format_args!("must be from {least} to {greatest}"),
        )),
        _ => Ok(()),
    }
}

fn digits(
    row: Row<'_>,
    field: Field,
    count: usize,
    digit: impl Fn(u8) -> bool,
    otherwise: &str,
) -> Result<()> {
    match row.optional::<&str>(field)? {
        Some(text) if text.len() != count || !text.bytes().all(digit) => {
            Err(Failure::at(field.name(), otherwise))
        }
        _ => Ok(()),
    }
}

fn lengths(row: Row<'_>) -> Result<()> {
    const LIMITS: [(Field, usize); 6] = [
        (TRACK_ID, 50),
        (DOMAIN, 20),
        (EVENT_TYPE, 50),
        (ACTIVITY_TYPE, 100),
        (MODE_S, 8),
        (MMSI, 9),
    ];
    for (field, limit) in LIMITS {
        let text = row.optional::<&str>(field)?.unwrap_or_default();
        // No text has more characters than bytes.
        if text.len() > limit && text.chars().count() > limit {
            let reason = format_args!("must have at most {limit} characters");
            return Err(Failure::at(field.name(), reason));
        }
    }
    Ok(())
}

fn array(row: Row<'_>, field: Field, fits: fn(&str) -> bool, otherwise: &str) -> Result<()> {
    match row.optional::<Json<'_>>(field)? {
        Some(Json(text)) if text != "[]" && !fits(text) => {
            Err(Failure::at(Column::name(&field), otherwise))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
