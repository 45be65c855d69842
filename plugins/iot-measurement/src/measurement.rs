//! From a message to a measurement: aliases, defaults, coercions.
//!
//! Where the spelling is lenient, a field that is null counts as missing, and of an alias and a
//! name both given, the alias wins.

use std::borrow::Cow;

use ferrule_plugin::{Failure, Field, Result, Timestamp, iso8601, metrics};

use crate::input::{
    COMPONENT_TYPE, CONNECTOR_MODE, DATA_POINT_LABEL, DEVICE_ID, Datum, Input, MAC_ADDRESS, MODE,
    ORIGINAL_TOPIC, PIN, PIN_POSITION, TIMESTAMP, TOPIC, UNIT, VALUE,
};
use crate::number::Reading;
use crate::settings::{Numbers, Spelling, Unparsable};

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

/// How the fields of one message are named and read.
pub(crate) struct Reader<'a, 's> {
    pub(crate) input: Input<'a>,
    pub(crate) spelling: Spelling,
    pub(crate) numbers: &'s Numbers,
}

impl<'a> Reader<'a, '_> {
    /// The measurement that the message is, or why it is none.
    pub(crate) fn measure(mut self) -> Result<Measurement<'a>> {
        let timestamp = timestamp(self.input.take(TIMESTAMP))?;
        let device_id = self.text(MAC_ADDRESS, DEVICE_ID)?;
        let (value, suffix) = self.value()?;
        let unit = self.text(UNIT, UNIT)?.filter(|unit| !unit.is_empty());
        Ok(Measurement {
            timestamp,
            device_id: device_id.ok_or_else(|| Failure::at("mac_address", "is required"))?,
            connector_mode: self.text(MODE, CONNECTOR_MODE)?.unwrap_or("unknown".into()),
            component_type: self
                .text(DATA_POINT_LABEL, COMPONENT_TYPE)?
                .unwrap_or("unknown".into()),
            pin_position: self.pin()?.unwrap_or("-1".into()),
            value,
            unit: unit.or(suffix).unwrap_or_default(),
            topic: self.text(ORIGINAL_TOPIC, TOPIC)?.unwrap_or_default(),
        })
    }

    /// The field and what it holds; none where a default is to be taken.
    fn either(&mut self, alias: Field, name: Field) -> (Field, Option<Datum<'a>>) {
        match (self.spelling, self.input.take(alias)) {
            (Spelling::Strict, Datum::Absent) => (alias, None),
            (Spelling::Lenient, Datum::Absent | Datum::Null) => {
                let datum = self.input.take(name);
                let is_given = !matches!(datum, Datum::Absent | Datum::Null);
                (name, is_given.then_some(datum))
            }
            (_, datum) => (alias, Some(datum)),
        }
    }

    fn text(&mut self, alias: Field, name: Field) -> Result<Option<Cow<'a, str>>> {
        match self.either(alias, name) {
            (_, None) => Ok(None),
            (_, Some(Datum::Text(text))) => Ok(Some(text)),
            (field, Some(other)) => Err(unfit(field, "text", &other)),
        }
    }

    /// Boards number their pins; a number is written as text, also one that came as 4.0.
    fn pin(&mut self) -> Result<Option<Cow<'a, str>>> {
        let is_lenient = self.spelling == Spelling::Lenient;
        match self.either(PIN, PIN_POSITION) {
            (_, None) => Ok(None),
            (_, Some(Datum::Text(text))) => Ok(Some(text)),
            (_, Some(Datum::Int(pin))) if is_lenient => Ok(Some(pin.to_string().into())),
            (_, Some(Datum::Float(pin))) if is_lenient && is_whole(pin) => {
                Ok(Some(format!("{pin:.0}").into()))
            }
            (_, Some(Datum::Decimal(digits))) if is_lenient && whole(digits).is_some() => {
                Ok(whole(digits).map(Cow::Borrowed))
            }
            (field, Some(other)) => {
                let expected = if is_lenient {
                    "text or an integer"
                } else {
                    "text"
                };
                Err(unfit(field, expected, &other))
            }
        }
    }

    /// A number, or what reads as one: true is 1, false 0. With it the unit that stands behind it.
    fn value(&mut self) -> Result<(Option<f64>, Option<Cow<'a, str>>)> {
        let number = match self.input.take(VALUE) {
            Datum::Absent | Datum::Null => None,
            Datum::Boolean(it) => Some(it.into()),
            Datum::Int(it) => Some(it as f64),
            Datum::Float(it) => Some(it),
            Datum::Text(Cow::Borrowed(text)) => {
                let (number, unit) = self.number(self.numbers.read(text))?;
                return Ok((number, unit.map(Cow::Borrowed)));
            }
            Datum::Text(Cow::Owned(text)) => {
                let (number, unit) = self.number(self.numbers.read(&text))?;
                return Ok((number, unit.map(|unit| Cow::Owned(unit.to_owned()))));
            }
            Datum::Decimal(text) => self.number(self.numbers.read(text))?.0,
            other => return Err(unfit(VALUE, "a number", &other)),
        };
        Ok((number, None))
    }

    fn number<'t>(&self, reading: Reading<'t>) -> Result<(Option<f64>, Option<&'t str>)> {
        let why = match reading {
            Reading::None => return Ok((None, None)),
            Reading::Number(number, unit) => return Ok((Some(number), unit)),
            Reading::TooLarge => "is too large for a float",
            Reading::Unknown => "must be a number, not other text",
        };
        match self.numbers.unparsable {
            Unparsable::Fail => Err(Failure::at("value", why)),
            Unparsable::Null => {
                metrics::count("values_unparsable", 1);
                Ok((None, None))
            }
        }
    }
}

/// Whether a float is an integer, all of whose digits it has.
fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0
}

/// The digits of a decimal that is an integer.
fn whole(digits: &str) -> Option<&str> {
    match digits.split_once('.') {
        None => Some(digits),
        Some((whole, fraction)) => fraction.bytes().all(|it| it == b'0').then_some(whole),
    }
}

fn unfit(field: Field, expected: &str, datum: &Datum<'_>) -> Failure {
    Failure::at(
        field.name(),
        format_args!("must be {expected}, not {}", datum.kind()),
    )
}

fn timestamp(datum: Datum<'_>) -> Result<Timestamp> {
    match datum {
        Datum::Absent | Datum::Null => Err(Failure::at("timestamp", "is required")),
        Datum::Timestamp(micros) => Ok(Timestamp(micros)),
        Datum::Date(days) => Ok(Timestamp(i64::from(days) * 86_400_000_000)),
        Datum::Int(since_epoch) => Ok(of_integer(since_epoch)),
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
        return Ok(of_integer(since_epoch));
    }
    match text.parse::<f64>() {
        Ok(since_epoch) => of_float(since_epoch),
        Err(_) => Err(Failure::at("timestamp", "must be ISO 8601 or a number")),
    }
}

/// The greatest number of seconds since 1970 that is taken for seconds: the year 2603. As many
/// milliseconds are in August 1970, so that the units are told apart from then on: milliseconds up
/// to a thousand times the number, microseconds up to a thousand times that, then nanoseconds,
/// whose last three digits are cut off, as Postgres does not keep them.
const MOST_SECONDS: u64 = 20_000_000_000;

fn of_integer(since_epoch: i64) -> Timestamp {
    Timestamp(match since_epoch.unsigned_abs() {
        size if size <= MOST_SECONDS => since_epoch * 1_000_000,
        size if size <= MOST_SECONDS * 1_000 => since_epoch * 1_000,
        size if size <= MOST_SECONDS * 1_000_000 => since_epoch,
        _ => since_epoch.div_euclid(1_000),
    })
}

fn of_float(since_epoch: f64) -> Result<Timestamp> {
    let most = MOST_SECONDS as f64;
    let micros = match since_epoch.abs() {
        size if size <= most => (since_epoch * 1e6).round(),
        size if size <= most * 1e3 => (since_epoch * 1e3).round(),
        size if size <= most * 1e6 => since_epoch.round(),
        size if size <= most * 1e9 => (since_epoch / 1e3).floor(),
        // Not a number is of no size.
        _ => return Err(Failure::at("timestamp", "is out of range")),
    };
    Ok(Timestamp(micros as i64))
}
