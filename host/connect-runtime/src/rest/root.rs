//! `/`, `/health` and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::Api;
use super::connectors::Answer;
use super::error::RestError;
use super::query::Query;
use crate::herder::HerderError;
use crate::metrics::Names;
use crate::plugins::KAFKA_VERSION;

/// Tools switch features by `version`, so it is Kafka's; ours is in `commit`.
pub(super) async fn root(State(api): State<Api>) -> Answer {
    let body = json!({
        "version": KAFKA_VERSION,
        "commit": concat!("ferrule-", env!("CARGO_PKG_VERSION")),
        "kafka_cluster_id": api.herder.cluster_id().unwrap_or_default(),
    });
    Ok(Json(body).into_response())
}

pub(super) async fn health(State(api): State<Api>) -> Answer {
    if !api.herder.is_started() {
        return Ok(starting().into_response());
    }
    let (code, status, message) = if api.herder.ping().await.is_ok() {
        let message = "Worker has completed startup and is ready to handle requests.";
        (StatusCode::OK, "healthy", message)
    } else {
        let message = "Worker was unable to handle this request and may be unable to handle \
                       other requests.";
        (StatusCode::INTERNAL_SERVER_ERROR, "unhealthy", message)
    };
    Ok((code, Json(json!({ "status": status, "message": message }))).into_response())
}

/// The answer to any request before the worker has started.
pub(super) fn starting() -> impl IntoResponse {
    let code = StatusCode::SERVICE_UNAVAILABLE;
    let body = json!({
        "status": "starting",
        "error_code": code.as_u16(),
        "message": "Worker is still starting up.",
    });
    (code, Json(body))
}

pub(super) async fn metrics(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::new(query.as_deref());
    let names = match query.first("names") {
        None => Names::default(),
        Some(name) => Names::from_name(name).ok_or_else(|| {
            RestError::bad_request(format!("names is all, short or full, not {name}"))
        })?,
    };
    let snapshot = api.herder.metrics().await.ok();
    let print = Arc::clone(&api.metrics);
    // The text of a thousand tasks takes some milliseconds.
    let printing = tokio::task::spawn_blocking(move || print(snapshot.as_ref(), names));
    let text = printing
        .await
        .map_err(|cause| HerderError::Internal(cause.to_string()))?;
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((kind, text).into_response())
}
