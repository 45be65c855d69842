//! The bodies of requests.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use super::RestError;
use crate::connector_config::GivenConfig;
use crate::storage::TargetState;

/// The body of `POST /connectors`.
#[derive(Debug)]
pub struct CreateConnector {
    pub name: String,
    pub config: GivenConfig,
    pub initial_state: Option<TargetState>,
}

/// Parses a body as an object. Kafka Connect answers 500 where this answers 400: clients look at
/// "not below 400" only, and the caller is at fault.
pub fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, RestError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    // Some clients name no type.
    if let Some(kind) = kind.filter(|kind| !kind.is_empty()) {
        let essence = kind
            .split(';')
            .next()
            .unwrap_or(kind)
            .trim()
            .to_ascii_lowercase();
        if essence != "application/json" && essence != "*/*" {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(RestError::new(status, "HTTP 415 Unsupported Media Type"));
        }
    }
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

/// A config: scalars become texts.
pub fn config(object: Map<String, Value>) -> Result<GivenConfig, RestError> {
    let texts = object.into_iter().map(|(key, value)| {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            other => {
                return Err(RestError::bad_request(format!(
                    "Cannot deserialize value of type `java.lang.String` from {}: the value of \
                     {key} must be a scalar",
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
