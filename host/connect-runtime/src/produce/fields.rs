//! Fields of the values that are sent: ids and times.

use std::str::FromStr;

use anyhow::{Result, anyhow};
use chrono::{DateTime, NaiveDateTime};
use serde_json::Value as Json;

use super::input::Outgoing;

/// A field, by the names from the value down: `telemetry.velocity.magnitude`.
#[derive(Clone, Debug)]
pub struct FieldPath {
    text: String,
}

impl FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split('.').any(str::is_empty) {
            true => Err("a field has a name".into()),
            false => Ok(Self {
                text: text.to_owned(),
            }),
        }
    }
}

impl FieldPath {
    /// The field in a value. A name with dots in it is found, too.
    pub fn find<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        if let Some(found) = value.get(&self.text) {
            return Some(found);
        }
        let mut names = self.text.split('.');
        names.try_fold(value, |value, name| value.get(name))
    }

    /// As it was given.
    pub fn name(&self) -> &str {
        &self.text
    }
}

/// The fields of one record's value; a value that is no JSON has none.
pub struct Fields(Json);

impl Fields {
    /// Those of a record.
    pub fn of(outgoing: &Outgoing) -> Self {
        let json = outgoing.json.as_deref();
        let json = json.and_then(|text| serde_json::from_slice(text).ok());
        Self(json.unwrap_or_default())
    }

    /// A field as text; none where it is missing or null.
    pub fn text(&self, field: &FieldPath) -> Option<String> {
        match field.find(&self.0)? {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A field as a time, in microseconds since 1970; none where it is missing or null.
    pub fn time(&self, field: &FieldPath, position: u64) -> Result<Option<i64>> {
        let Some(value) = field.find(&self.0).filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        micros(value).map(Some).ok_or_else(|| {
            anyhow!(
                "record {position}: the field {} is no time: ISO 8601, or a number of seconds, \
                 milliseconds, microseconds or nanoseconds since 1970",
                field.name()
            )
        })
    }
}

/// A time in microseconds since 1970. What a number counts is told by its size: seconds until the
/// year 5138, milliseconds since 1973, and so on.
fn micros(value: &Json) -> Option<i64> {
    const SECONDS: i64 = 100_000_000_000;
    const MILLIS: i64 = SECONDS * 1_000;
    const MICROS: i64 = MILLIS * 1_000;
    let number = |number: i64| {
        let size = number.checked_abs()?;
        if size < SECONDS {
            number.checked_mul(1_000_000)
        } else if size < MILLIS {
            number.checked_mul(1_000)
        } else if size < MICROS {
            Some(number)
        } else {
            Some(number / 1_000)
        }
    };
    match value {
        Json::Number(given) => match given.as_i64() {
            Some(whole) => number(whole),
            None => given
                .as_f64()
                .filter(|seconds| seconds.abs() < SECONDS as f64)
                .map(|seconds| (seconds * 1e6) as i64),
        },
        Json::String(text) => {
            let text = text.trim();
            if let Ok(whole) = text.parse() {
                return number(whole);
            }
            if let Ok(time) = DateTime::parse_from_rfc3339(text) {
                return Some(time.timestamp_micros());
            }
            let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
            let read = |form| NaiveDateTime::parse_from_str(text, form).ok();
            let time = forms.into_iter().find_map(read)?;
            Some(time.and_utc().timestamp_micros())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_comes_in_many_forms() {
        let second = 1_767_225_600_i64;
        for given in [
            json!("2026-01-01T00:00:00Z"),
            json!("2026-01-01T01:00:00+01:00"),
            json!("2026-01-01 00:00:00"),
            json!("2026-01-01T00:00:00.000"),
            json!(second),
            json!(1_767_225_600.0),
            json!(second * 1_000),
            json!(second * 1_000_000),
            json!(second * 1_000_000_000),
            json!("1767225600"),
        ] {
            assert_eq!(micros(&given), Some(second * 1_000_000), "{given}");
        }
        for given in [json!("yesterday"), json!(true), json!([]), json!(1e300)] {
            assert_eq!(micros(&given), None, "{given}");
        }
    }

    #[test]
    fn a_field_may_be_nested() {
        let value = json!({ "a": { "b": 1 }, "c.d": 2 });
        let find = |path: &str| FieldPath::from_str(path).unwrap().find(&value).cloned();
        assert_eq!(find("a.b"), Some(json!(1)));
        assert_eq!(find("c.d"), Some(json!(2)));
        assert_eq!(find("a.x"), None);
        assert!(FieldPath::from_str("a..b").is_err());
    }
}
