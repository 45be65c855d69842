//! `/admin/loggers`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use connect_api::ErrorKind;
use serde_json::{Map, Value, json};

use super::connectors::Answer;
use super::query::Query;
use super::{Api, RestError, body};
use crate::logging::{Level, LoggerLevel};

fn level(logger: &LoggerLevel) -> Value {
    json!({ "level": logger.level.name(), "last_modified": logger.last_modified })
}

pub(super) async fn list(State(api): State<Api>) -> Answer {
    let loggers = api.loggers.all().into_iter();
    let loggers = loggers.map(|(name, logger)| (name, level(&logger)));
    Ok(Json(loggers.collect::<Map<_, _>>()).into_response())
}

pub(super) async fn get(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let logger = api.loggers.get(&name);
    let logger = logger.ok_or_else(|| RestError::not_found(format!("Logger {name} not found.")))?;
    Ok(Json(level(&logger)).into_response())
}

pub(super) async fn put(
    State(api): State<Api>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let request = body::object(&headers, &given)?;
    // As Kafka Connect's, a number is taken for its text.
    let given = match request.get("level") {
        None | Some(Value::Null) => {
            let why = "Desired 'level' parameter was not specified in request.";
            return Err(RestError::bad_request(why));
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let level = Level::from_name(&given)
        .ok_or_else(|| RestError::not_found(format!("invalid log level '{given}'.")))?;
    let affected = api.loggers.set(&name, level).map_err(|error| {
        let status = match error.kind() {
            ErrorKind::Config => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        RestError::new(status, error.chain())
    })?;
    // This worker is the cluster.
    if Query::new(query.as_deref()).first("scope") == Some("cluster") {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(affected).into_response())
}
