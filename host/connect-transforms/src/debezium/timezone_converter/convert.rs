//! The types of times that are converted, and how.

use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::{Error, Kind, Result, Schema, Value, memory};

use super::iso::{DAY, OffsetTime};
use super::zone::Zone;

/// How a field holds a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// A count since 1970, of so many in a second, that UTC's clocks show.
    Count(i64),
    /// Connect's timestamp.
    Timestamp,
    /// A text with date and offset.
    Zoned,
    /// A text of a time with an offset.
    ZonedOfDay,
    /// A count of a `source` block: a moment, which is moved by the zone's offset.
    Moment(i64),
}

impl Time {
    /// Times of a day, and dates, are none: they are not converted.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let name = schema.name.as_deref().unwrap_or_default();
        match (&schema.kind, name.strip_prefix("io.debezium.time.")) {
            (Kind::Timestamp, _) => Some(Self::Timestamp),
            (Kind::Int64, Some("Timestamp")) => Some(Self::Count(1000)),
            (Kind::Int64, Some("MicroTimestamp")) => Some(Self::Count(1_000_000)),
            (Kind::Int64, Some("NanoTimestamp")) => Some(Self::Count(1_000_000_000)),
            (Kind::String, Some("ZonedTimestamp")) => Some(Self::Zoned),
            (Kind::String, Some("ZonedTime")) => Some(Self::ZonedOfDay),
            _ => None,
        }
    }

    /// A count of `source`, which its name alone tells.
    pub(super) fn of_source(name: &str, schema: &Schema, part: &str) -> Option<Self> {
        if part != "source" || schema.name.is_some() || schema.kind != Kind::Int64 {
            return None;
        }
        match name {
            "ts_ms" => Some(Self::Moment(1000)),
            "ts_us" => Some(Self::Moment(1_000_000)),
            "ts_ns" => Some(Self::Moment(1_000_000_000)),
            _ => None,
        }
    }

    /// The value in the zone.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the value is no such time, or none of this type in the
    /// zone.
    pub(super) fn convert(self, value: &Value, zone: &Zone) -> Result<Value> {
        let shifted = |count: i64, second: i64, by: i64| {
            let by = by.checked_mul(second);
            by.and_then(|by| count.checked_add(by))
                .ok_or_else(|| Error::data("the time in the zone is out of range"))
        };
        let shown = |count: i64, second: i64| {
            let offset = zone.when_clocks_show(count.div_euclid(second));
            shifted(count, second, -offset)
        };
        match (self, value) {
            (Self::Count(second), Value::Int(count)) => shown(*count, second).map(Value::Int),
            (Self::Timestamp, Value::Timestamp(micros)) => {
                shown(*micros, 1_000_000).map(Value::Timestamp)
            }
            (Self::Moment(second), Value::Int(count)) => {
                let offset = zone.at(count.div_euclid(second));
                shifted(*count, second, offset).map(Value::Int)
            }
            (Self::Zoned, Value::String(text)) => {
                let time = OffsetTime::date_time(text).ok_or_else(no_time)?;
                // As Debezium: the offset is the one of the clock that the text is of.
                text_value(time.at(zone.when_clocks_show(time.shown)).to_date_time())
            }
            (Self::ZonedOfDay, Value::String(text)) => {
                let time = OffsetTime::time(text).ok_or_else(no_time)?;
                // A time alone is of today.
                let time = time.at(zone.at(now()));
                let shown = time.shown.rem_euclid(DAY);
                text_value(OffsetTime { shown, ..time }.to_time())
            }
            _ => Err(Error::data("the value is not of its schema")),
        }
    }
}

fn no_time() -> Error {
    Error::data("the text is no time with an offset in ISO 8601")
}

fn text_value(text: String) -> Result<Value> {
    memory::charge(text.len())?;
    Ok(Value::String(text.into()))
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}
