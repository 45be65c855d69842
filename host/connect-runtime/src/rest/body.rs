//! The bodies of requests.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::RestError;
use crate::connector_config::GivenConfig;
use crate::connector_config::bounds::{KEY_BYTES, MOST_KEYS, NAME_BYTES};
use crate::storage::TargetState;

/// The body of `POST /connectors`.
#[derive(Debug)]
pub struct CreateConnector {
    pub name: String,
    pub config: GivenConfig,
    pub initial_state: Option<TargetState>,
}

/// Refuses a body that is not said to be JSON, as Kafka Connect does: a page may send one of no
/// type, or of a form's, without being asked.
///
/// # Errors
/// 415.
pub fn check_type(headers: &HeaderMap, body: &Bytes) -> Result<(), RestError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    if body.is_empty() || matches!(essence.as_str(), "application/json" | "*/*") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(RestError::new(status, "HTTP 415 Unsupported Media Type"))
}

/// Parses a body as an object. Kafka Connect answers 500 where this answers 400: clients look at
/// "not below 400" only, and the caller is at fault.
pub fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, RestError> {
    check_type(headers, body)?;
    if body.is_empty() {
        return Err(RestError::bad_request(
            "The request has no body; a JSON object is expected",
        ));
    }
    let value: Value = serde_json::from_slice(body).map_err(|cause| {
        let (line, column) = (cause.line(), cause.column());
        let text = cause.to_string();
        let what = text.split(" at line").next().unwrap_or(&text);
        RestError::bad_request(format!(
            "The request body is not valid JSON: {what}, line: {line}, column: {column}"
        ))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(RestError::bad_request(format!(
            "Cannot deserialize the request body: an object is expected, not {}",
            kind_of(&other)
        ))),
    }
}

/// The name of a connector that is to be created.
///
/// # Errors
/// 400 when it is too long, or has control characters.
pub fn check_name(name: &str) -> Result<(), RestError> {
    let invalid = |why: String| {
        Err(RestError::bad_request(format!(
            "Invalid value for configuration name: {why}"
        )))
    };
    if name.len() > NAME_BYTES {
        let bytes = name.len();
        return invalid(format!(
            "it has {bytes} bytes, and a connector's name may have {NAME_BYTES}"
        ));
    }
    let control: Vec<String> = name
        .chars()
        .filter(|c| c.is_control())
        .map(|c| u32::from(c).to_string())
        .collect();
    match control.is_empty() {
        true => Ok(()),
        false => invalid(format!(
            "String may not contain control sequences but had the following ASCII chars: {}",
            control.join(", ")
        )),
    }
}

/// A config: scalars become texts.
pub fn config(object: Map<String, Value>) -> Result<GivenConfig, RestError> {
    if object.len() > MOST_KEYS {
        return Err(RestError::bad_request(format!(
            "The config has {} keys; {MOST_KEYS} is the limit",
            object.len()
        )));
    }
    let odd = object
        .keys()
        .find(|key| key.len() > KEY_BYTES || key.chars().any(char::is_control));
    if let Some(odd) = odd {
        let start: String = odd.chars().take(64).collect();
        return Err(RestError::bad_request(format!(
            "The key {start:?} of the config is longer than {KEY_BYTES} bytes, or has control \
             characters"
        )));
    }
    let texts = object.into_iter().map(|(key, value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            other => {
                // The body of POST /connectors, sent to where a config belongs.
                let advice = match (key.as_str(), &other) {
                    ("config", Value::Object(_)) => {
                        "; a config alone is expected here, as it stands below \"config\""
                    }
                    _ => "",
                };
                return Err(RestError::bad_request(format!(
                    "The value of {key} must be a text, a number or true or false, not {}{advice}",
                    kind_of(&other)
                )));
            }
        };
        Ok((key, text))
    });
    texts.collect()
}

/// The body of `POST /connectors`.
pub fn create(mut object: Map<String, Value>) -> Result<CreateConnector, RestError> {
    let name = match object.remove("name") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(name)) => name.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => {
            let kind = kind_of(&other);
            return Err(RestError::bad_request(format!(
                "name must be a text, not {kind}"
            )));
        }
    };
    let config = match object.remove("config") {
        Some(Value::Object(object)) => config(object)?,
        None | Some(Value::Null) => GivenConfig::new(),
        Some(other) => {
            let kind = kind_of(&other);
            return Err(RestError::bad_request(format!(
                "config must be an object, not {kind}"
            )));
        }
    };
    let initial_state = match object.remove("initial_state") {
        None | Some(Value::Null) => None,
        Some(state) => Some(target_state(&state)?),
    };
    if let Some(field) = object.keys().next() {
        return Err(RestError::bad_request(format!(
            "Unrecognized field \"{field}\" (3 known properties: \"name\", \"config\", \
             \"initial_state\")"
        )));
    }
    Ok(CreateConnector {
        name,
        config,
        initial_state,
    })
}

fn target_state(state: &Value) -> Result<TargetState, RestError> {
    match state
        .as_str()
        .unwrap_or_default()
        .to_ascii_uppercase()
        .as_str()
    {
        "RUNNING" => Ok(TargetState::Started),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        _ => Err(RestError::bad_request(
            "Cannot deserialize initial_state: not one of the values accepted: [RUNNING, PAUSED, \
             STOPPED]",
        )),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
