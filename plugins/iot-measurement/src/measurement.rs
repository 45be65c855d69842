//! From a message to a measurement: aliases, defaults, coercions.
//!
//! A field that is null counts as missing. Of an alias and a name both given, the alias wins.

use std::borrow::Cow;

use ferrule_plugin::{Failure, Field, Result, Timestamp, iso8601};

use crate::input::{
    COMPONENT_TYPE, CONNECTOR_MODE, DATA_POINT_LABEL, DEVICE_ID, Datum, Input, MAC_ADDRESS, MODE,
    ORIGINAL_TOPIC, PIN, PIN_POSITION, TIMESTAMP, TOPIC, UNIT, VALUE,
};

/// One row of `iot_measurements`.
#[derive(Debug, PartialEq)]
pub(crate) struct Measurement<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) device_id: Cow<'a, str>,
    pub(crate) connector_mode: Cow<'a, str>,
    pub(crate) component_type: Cow<'a, str>,
    pub(crate) pin_position: Cow<'a, str>,
    pub(crate) value: Option<f64>,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) topic: Cow<'a, str>,
}

impl<'a> Input<'a> {
    /// The measurement that the message is, or why it is none.
    pub(crate) fn measure(mut self) -> Result<Measurement<'a>> {
        Ok(Measurement {
            timestamp: timestamp(self.take(TIMESTAMP))?,
            device_id: self
                .text(MAC_ADDRESS, DEVICE_ID)?
                .ok_or_else(|| Failure::at("mac_address", "is required"))?,
            connector_mode: self.text(MODE, CONNECTOR_MODE)?.unwrap_or("unknown".into()),
            component_type: self
                .text(DATA_POINT_LABEL, COMPONENT_TYPE)?
                .unwrap_or("unknown".into()),
            pin_position: self.pin()?.unwrap_or("-1".into()),
            value: number(self.take(VALUE))?,
            unit: self.text(UNIT, UNIT)?.unwrap_or_default(),
            topic: self.text(ORIGINAL_TOPIC, TOPIC)?.unwrap_or_default(),
        })
    }

    fn either(&mut self, alias: Field, name: Field) -> (Field, Datum<'a>) {
        match self.take(alias) {
            Datum::Null => (name, self.take(name)),
            datum => (alias, datum),
        }
    }

    fn text(&mut self, alias: Field, name: Field) -> Result<Option<Cow<'a, str>>> {
        match self.either(alias, name) {
            (_, Datum::Null) => Ok(None),
            (_, Datum::Text(text)) => Ok(Some(text)),
            (field, other) => Err(unfit(field, "text", &other)),
        }
    }

    /// Boards number their pins; a number is written as text.
    fn pin(&mut self) -> Result<Option<Cow<'a, str>>> {
        match self.either(PIN, PIN_POSITION) {
            (_, Datum::Null) => Ok(None),
            (_, Datum::Text(text)) => Ok(Some(text)),
            (_, Datum::Int(pin)) => Ok(Some(pin.to_string().into())),
            (field, other) => Err(unfit(field, "text or an integer", &other)),
        }
    }
}

fn unfit(field: Field, expected: &str, datum: &Datum<'_>) -> Failure {
    Failure::at(
        field.name(),
        format_args!("must be {expected}, not {}", datum.kind()),
    )
}

/// A number, or what reads as one: true is 1, false 0.
fn number(datum: Datum<'_>) -> Result<Option<f64>> {
    match datum {
        Datum::Null => Ok(None),
        Datum::Boolean(it) => Ok(Some(it.into())),
        Datum::Int(it) => Ok(Some(it as f64)),
        Datum::Float(it) => Ok(Some(it)),
        Datum::Text(text) => number_in(&text).map(Some),
        Datum::Decimal(text) => number_in(text).map(Some),
        other => Err(unfit(VALUE, "a number", &other)),
    }
}

fn number_in(text: &str) -> Result<f64> {
    match text.trim().parse::<f64>() {
        Err(_) => Err(Failure::at("value", "must be a number, not other text")),
        // `inf` is a number that was meant; digits that overflow to it are not.
        Ok(it) if it.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
            Err(Failure::at("value", "is too large for a float"))
        }
        Ok(it) => Ok(it),
    }
}

fn timestamp(datum: Datum<'_>) -> Result<Timestamp> {
    match datum {
        Datum::Null => Err(Failure::at("timestamp", "is required")),
        Datum::Timestamp(micros) => Ok(Timestamp(micros)),
        Datum::Date(days) => Ok(Timestamp(i64::from(days) * 86_400_000_000)),
        Datum::Int(since_epoch) => of_integer(since_epoch),
        Datum::Float(since_epoch) => of_float(since_epoch),
        Datum::Text(text) => of_text(text.trim()),
        Datum::Decimal(text) => of_text(text),
        other => Err(unfit(TIMESTAMP, "ISO 8601 text or a number", &other)),
    }
}

fn of_text(text: &str) -> Result<Timestamp> {
    if let Some(timestamp) = iso8601::parse(text) {
        return Ok(timestamp);
    }
    if let Ok(since_epoch) = text.parse::<i64>() {
        return of_integer(since_epoch);
    }
    match text.parse::<f64>() {
        Ok(since_epoch) => of_float(since_epoch),
        Err(_) => Err(Failure::at("timestamp", "must be ISO 8601 or a number")),
    }
}

/// The greatest number of seconds since 1970 that is taken for seconds: the year 2603. As many
/// milliseconds are in August 1970, so that the units are told apart from then on.
const MOST_SECONDS: u64 = 20_000_000_000;

fn of_integer(since_epoch: i64) -> Result<Timestamp> {
    let size = since_epoch.unsigned_abs();
    if size <= MOST_SECONDS {
        Ok(Timestamp(since_epoch * 1_000_000))
    } else if size <= MOST_SECONDS * 1_000 {
        Ok(Timestamp(since_epoch * 1_000))
    } else if size <= MOST_SECONDS * 1_000_000 {
        Ok(Timestamp(since_epoch))
    } else {
        Err(out_of_range())
    }
}

fn of_float(since_epoch: f64) -> Result<Timestamp> {
    let most = MOST_SECONDS as f64;
    let micros = match since_epoch.abs() {
        size if size <= most => since_epoch * 1e6,
        size if size <= most * 1e3 => since_epoch * 1e3,
        size if size <= most * 1e6 => since_epoch,
        // Not a number is of no size.
        _ => return Err(out_of_range()),
    };
    Ok(Timestamp(micros.round() as i64))
}

fn out_of_range() -> Failure {
    Failure::at("timestamp", "is out of range")
}
