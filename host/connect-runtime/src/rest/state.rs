//! `/connectors/{name}/state`: what plugins keep, read only.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::{StateQuery, StateRow};
use serde_json::{Map, Value, json};

use super::connectors::Answer;
use super::query::Query;
use super::{Api, RestError};

/// Entries that are shown unless asked otherwise, and at most.
const LIMITS: (u32, u32) = (100, 10_000);

pub(super) async fn get(
    State(api): State<Api>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let given = Query::new(query.as_deref());
    let text = |name: &str| given.first(name).map(str::to_owned);
    let limit = number::<u32>(&given, "limit")?.unwrap_or(LIMITS.0);
    let query = StateQuery {
        transform: text("transform"),
        topic: text("topic"),
        partition: number(&given, "partition")?,
        prefix: text("prefix").unwrap_or_default().into_bytes(),
        limit: limit.min(LIMITS.1),
    };
    let entries = api.herder.state(&name, &query).await?;
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    Ok(Json(json!({ "state": entries })).into_response())
}

fn number<T: std::str::FromStr>(query: &Query, name: &str) -> Result<Option<T>, RestError> {
    let parsed = query.first(name).map(str::parse).transpose();
    parsed.map_err(|_| RestError::bad_request(format!("The parameter {name} must be a number")))
}

fn entry(row: &StateRow) -> Value {
    let mut shown = Map::new();
    shown.insert("transform".into(), json!(row.transform));
    shown.insert("topic".into(), json!(row.topic));
    shown.insert("partition".into(), json!(row.partition));
    shown.insert("clock".into(), json!(row.clock.map(|at| at.0)));
    for (name, bytes) in [("key", &row.key), ("value", &row.value)] {
        // Text as it is, and what is none so that nobody takes it for text.
        match std::str::from_utf8(bytes) {
            Ok(text) => shown.insert(name.into(), json!(text)),
            Err(_) => shown.insert(format!("{name}_base64"), json!(STANDARD.encode(bytes))),
        };
    }
    shown.insert("expires_at".into(), json!(row.expires.map(|at| at.0)));
    Value::Object(shown)
}
