//! `/connector-plugins`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::auth::{Caller, Role};
use super::connectors::Answer;
use super::query::Query;
use super::{Api, body, entities};
use crate::connector_config::key_infos;

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    let connectors_only = Query::new(query.as_deref()).flag("connectorsOnly", true);
    let plugins = api.herder.list_plugins().await?;
    let shown = plugins
        .iter()
        .filter(|plugin| !connectors_only || matches!(plugin.kind, "sink" | "source"));
    let shown: Vec<Value> = shown
        .map(|plugin| {
            json!({ "class": plugin.class, "type": plugin.kind, "version": plugin.version })
        })
        .collect();
    Ok(Json(shown).into_response())
}

pub(super) async fn config(
    State(api): State<Api>,
    Path(class): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::new(query.as_deref());
    let version = query.first("version").map(str::to_owned);
    let def = api.herder.plugin_config(class, version).await?;
    let infos: Vec<Value> = key_infos(def.keys())
        .iter()
        .map(entities::config_key_info)
        .collect();
    Ok(Json(infos).into_response())
}

pub(super) async fn validate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(class): Path<String>,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let config = body::config(body::object(&headers, &given)?)?;
    // It asks config providers and targets, as the connector would.
    match config.get("name").and_then(Option::as_deref) {
        Some(name) => caller.require(Role::Edit, name)?,
        None => caller.require_somewhere(Role::Edit)?,
    }
    let infos = api.herder.validate(class, config).await?;
    Ok(Json(entities::config_infos(&infos)).into_response())
}
