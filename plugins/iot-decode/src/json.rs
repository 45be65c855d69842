//! The JSON forms of a frame.
//!
//! A device is named by `mac_address`, `mac` or `device_id`; `timestamp` (or `ts`) is ISO 8601 text
//! or a number since 1970 whose size tells its unit; `mode` is how the device is connected. Its
//! values are one of:
//!
//! - `"data_points": [{"label": "temperature", "pin": 4, "value": 21.5, "unit": "°C"}]`, each
//!   perhaps with a `timestamp` of its own; `points` for `data_points`, and `data_point_label` or
//!   `name` for `label` are taken, too;
//! - `"values": {"temperature": 21.5, "humidity": {"value": 40, "unit": "%", "pin": 2}}`;
//! - one value in the object itself: `data_point_label`, `pin`, `value`, `unit`;
//! - `"frame": "4946…"`: a binary frame in hexadecimal digits, as gateways forward it.
//!
//! An array has several frames.

use ferrule_plugin::{Failure, Result, Timestamp, iso8601};
use serde_json::{Map, Value};

use crate::frame::{self, Frame, Point};

/// Reads one frame or several.
pub(crate) fn read(json: &[u8]) -> Result<Vec<Frame>> {
    let parsed = serde_json::from_slice(json).map_err(|error| {
        // The error's own text may tell values.
        let (line, column) = (error.line(), error.column());
        Failure::new(format_args!(
            "the value is not valid JSON (line {line}, column {column})"
        ))
    });
    match parsed? {
        Value::Array(frames) if frames.is_empty() => Err(Failure::new("the array has no frames")),
        Value::Array(frames) => {
            let each = frames.iter().enumerate();
            let each =
                each.map(|(at, frame)| one(frame).map_err(|it| within(&format!("[{at}]"), it)));
            each.collect()
        }
        other => Ok(vec![one(&other)?]),
    }
}

fn one(json: &Value) -> Result<Frame> {
    let Value::Object(object) = json else {
        return Err(Failure::new("the frame is not a JSON object"));
    };
    if let Some(digits) = object.get("frame") {
        return frame::read(&bytes(digits)?);
    }
    let (_, device) = first(object, &["mac_address", "mac", "device_id"])
        .ok_or_else(|| Failure::at("mac_address", "is required"))?;
    let mac_address = text("mac_address", device)?;
    if mac_address.trim().is_empty() {
        return Err(Failure::at("mac_address", "must not be empty"));
    }
    Ok(Frame {
        mac_address: mac_address.to_owned(),
        timestamp: timestamp(object)?,
        mode: optional_text(object, &["mode"])?,
        points: points(object)?,
    })
}

/// A failure of what stands at this path.
fn within(path: &str, failure: Failure) -> Failure {
    match failure.field {
        Some(field) => Failure::at(&format!("{path}.{field}"), failure.reason),
        None => Failure::at(path, failure.reason),
    }
}

fn points(object: &Map<String, Value>) -> Result<Vec<Point>> {
    let points: Vec<Point> = match first(object, &["data_points", "points", "values"]) {
        Some((name, Value::Array(points))) => points
            .iter()
            .enumerate()
            .map(|(at, point)| {
                let read = match point {
                    Value::Object(point) => in_object(None, point),
                    _ => Err(Failure::new("must be an object")),
                };
                read.map_err(|it| within(&format!("{name}[{at}]"), it))
            })
            .collect::<Result<_>>()?,
        Some((name, Value::Object(values))) => values
            .iter()
            .map(|(label, value)| {
                let read = match value {
                    Value::Object(point) => in_object(Some(label), point),
                    value => number(value).map(|value| Point {
                        label: label.clone(),
                        pin: None,
                        value,
                        unit: String::new(),
                        timestamp: None,
                    }),
                };
                read.map_err(|it| {
                    // It has no name of its own there.
                    let field = it.field.filter(|_| value.is_object());
                    within(&format!("{name}.{label}"), Failure { field, ..it })
                })
            })
            .collect::<Result<_>>()?,
        Some((name, _)) => return Err(Failure::at(name, "must be an array or an object")),
        None if object.contains_key("value") => {
            let mut point = in_object(None, object)?;
            point.timestamp = None;
            vec![point]
        }
        None => Vec::new(),
    };
    if points.is_empty() {
        return Err(Failure::at("data_points", "must have at least one"));
    }
    Ok(points)
}

fn in_object(label: Option<&str>, point: &Map<String, Value>) -> Result<Point> {
    let label = match label {
        Some(label) => Some(label.to_owned()),
        None => optional_text(point, &["data_point_label", "label", "name"])?,
    };
    let label = label.filter(|label| !label.is_empty());
    Ok(Point {
        label: label.ok_or_else(|| Failure::at("data_point_label", "is required"))?,
        pin: pin(point)?,
        value: point.get("value").map_or(Ok(None), number)?,
        unit: optional_text(point, &["unit"])?.unwrap_or_default(),
        timestamp: timestamp(point)?,
    })
}

/// The first of these fields that is there and not null.
fn first<'a>(
    object: &'a Map<String, Value>,
    names: &[&'static str],
) -> Option<(&'static str, &'a Value)> {
    let mut fields = names
        .iter()
        .filter_map(|name| Some((*name, object.get(*name)?)));
    fields.find(|(_, value)| !value.is_null())
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    let text = value.as_str();
    text.ok_or_else(|| Failure::at(name, "must be text"))
}

fn optional_text(object: &Map<String, Value>, names: &[&'static str]) -> Result<Option<String>> {
    let field = first(object, names);
    let text = field.map(|(name, value)| text(name, value).map(str::to_owned));
    text.transpose()
}

fn pin(point: &Map<String, Value>) -> Result<Option<String>> {
    let not_a_pin = || Failure::at("pin", "must be text or an integer");
    match first(point, &["pin"]) {
        None => Ok(None),
        Some((_, Value::String(pin))) => Ok(Some(pin.clone())),
        Some((_, Value::Number(pin))) => match (pin.as_i64(), pin.as_f64()) {
            (Some(pin), _) => Ok(Some(pin.to_string())),
            (None, Some(pin)) if pin.fract() == 0.0 && pin.abs() < 1e15 => {
                Ok(Some(format!("{pin:.0}")))
            }
            _ => Err(not_a_pin()),
        },
        Some(_) => Err(not_a_pin()),
    }
}

/// A number, what reads as one, or none. What is no number fails: half a frame is none.
fn number(value: &Value) -> Result<Option<f64>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(it) => Ok(Some(f64::from(u8::from(*it)))),
        Value::Number(it) => Ok(it.as_f64()),
        Value::String(text) => match text.trim() {
            none if none.is_empty() || none.eq_ignore_ascii_case("n/a") => Ok(None),
            text => match text.parse::<f64>() {
                Ok(it) if it.is_finite() => Ok(Some(it)),
                _ => Err(Failure::at("value", "must be a number, not other text")),
            },
        },
        _ => Err(Failure::at("value", "must be a number, not nested data")),
    }
}

/// Microseconds since 1970.
fn timestamp(object: &Map<String, Value>) -> Result<Option<i64>> {
    let of_number = |number: f64| match number.abs() {
        size if size <= 2e10 => Some((number * 1e6).round() as i64),
        size if size <= 2e13 => Some((number * 1e3).round() as i64),
        size if size <= 2e16 => Some(number.round() as i64),
        size if size <= 2e19 => Some((number / 1e3).floor() as i64),
        _ => None,
    };
    // An integer keeps all of its digits.
    let of_integer = |number: i64| match number.unsigned_abs() {
        size if size <= 20_000_000_000 => number * 1_000_000,
        size if size <= 20_000_000_000_000 => number * 1_000,
        size if size <= 20_000_000_000_000_000 => number,
        _ => number.div_euclid(1_000),
    };
    let micros = match first(object, &["timestamp", "ts"]) {
        None => return Ok(None),
        Some((_, Value::String(text))) => match iso8601::parse(text.trim()) {
            Some(Timestamp(micros)) => Some(micros),
            None => match text.trim().parse::<i64>() {
                Ok(number) => Some(of_integer(number)),
                Err(_) => text.trim().parse().ok().and_then(of_number),
            },
        },
        Some((_, Value::Number(number))) => match number.as_i64() {
            Some(number) => Some(of_integer(number)),
            None => number.as_f64().and_then(of_number),
        },
        Some(_) => None,
    };
    match micros {
        Some(micros) => Ok(Some(micros)),
        None => Err(Failure::at(
            "timestamp",
            "must be ISO 8601 or a number since 1970",
        )),
    }
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &Value) -> Result<Vec<u8>> {
    let not_digits = || Failure::at("frame", "must be text of hexadecimal digits");
    let digits = digits.as_str().ok_or_else(not_digits)?.trim().as_bytes();
    if digits.len() % 2 == 1 {
        return Err(not_digits());
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    let pairs = digits.chunks_exact(2);
    let bytes = pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().ok_or_else(not_digits)?;
    match bytes.starts_with(&frame::MAGIC) {
        true => Ok(bytes),
        false => Err(Failure::at(
            "frame",
            "does not begin with the magic of a frame",
        )),
    }
}
