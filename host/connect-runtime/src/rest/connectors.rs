//! `/connectors`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connect_api::Properties;
use serde_json::{Map, Value, json};
use tracing::debug;

use super::auth::{Caller, Role};
use super::query::Query;
use super::{Api, RestError, body, entities};
use crate::connector_config::GivenConfig;
use crate::herder::{ConfigOutcome, Configured, ConnectorView, HerderError};
use crate::storage::{Restart, RestartInstances, RestartScope, TargetState};

pub(super) type Answer = Result<Response, RestError>;

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Answer {
    let mut views = api.herder.connectors().await?;
    views.retain(|view| caller.may(Role::View, &view.name));
    let query = Query::new(query.as_deref());
    let mut expansions: Vec<&str> = Vec::new();
    for expansion in query.all("expand") {
        if !expansions.contains(&expansion) {
            expansions.push(expansion);
        }
    }
    if expansions.is_empty() {
        let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
        return Ok(Json(names).into_response());
    }
    let expanded = views.iter().map(|view| {
        let mut entry = Map::new();
        for expansion in &expansions {
            let value = match *expansion {
                "status" => connector_state(&api, view),
                "info" => connector_info(&api, view),
                other => {
                    debug!(expansion = other, "unknown expansion");
                    continue;
                }
            };
            entry.insert((*expansion).to_owned(), value);
        }
        (view.name.clone(), Value::Object(entry))
    });
    Ok(Json(expanded.collect::<Map<_, _>>()).into_response())
}

pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let body::CreateConnector {
        name,
        mut config,
        initial_state,
    } = body::create(body::object(&headers, &given)?)?;
    body::check_name(&name)?;
    caller.require(Role::Edit, &name)?;
    name_config(&name, &mut config)?;
    caller.audit.changed(config.keys().map(String::as_str));
    let configured = api.herder.create(&name, config, initial_state).await?;
    Ok(created(&api, &configured))
}

fn connector_info(api: &Api, view: &ConnectorView) -> Value {
    entities::connector_info(view, api.herder.connector_type(&view.config))
}

fn connector_state(api: &Api, view: &ConnectorView) -> Value {
    entities::connector_state(view, api.herder.connector_type(&view.config))
}

/// The name in the config, when there is one, must be the connector's.
fn name_config(name: &str, config: &mut GivenConfig) -> Result<(), RestError> {
    match config.get("name").and_then(Option::as_deref) {
        Some(own) if own != name => Err(RestError::bad_request(format!(
            "Connector name configuration ({own}) doesn't match connector name in the URL ({name})"
        ))),
        _ => {
            config.insert("name".into(), Some(name.to_owned()));
            Ok(())
        }
    }
}

/// `ConnectorInfo`, with what is to be said of the config beside it.
fn configured_info(api: &Api, configured: &Configured) -> Value {
    let info = connector_info(api, &configured.connector);
    entities::with_warnings(info, &configured.warnings)
}

fn created(api: &Api, configured: &Configured) -> Response {
    let view = &configured.connector;
    let body = Json(configured_info(api, configured));
    let mut response = (StatusCode::CREATED, body).into_response();
    let location = format!("/connectors/{}", encode(&view.name));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn encode(name: &str) -> String {
    let encoded = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

pub(super) async fn get(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api.herder.connector(&name).await?;
    Ok(Json(connector_info(&api, &view)).into_response())
}

pub(super) async fn delete(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.herder.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn get_config(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api.herder.connector(&name).await?;
    Ok(Json(view.config).into_response())
}

pub(super) async fn put_config(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let mut config = body::config(body::object(&headers, &given)?)?;
    body::check_name(&name)?;
    name_config(&name, &mut config)?;
    let stored = stored(&api, &name).await?;
    let gone = stored.keys().filter(|key| !config.contains_key(*key));
    let changed = changed(&stored, &config);
    let changed = changed.chain(gone.map(String::as_str));
    caller.audit.changed(changed);
    let configured = api.herder.put_config(&name, config).await?;
    Ok(match configured.outcome {
        ConfigOutcome::Created => created(&api, &configured),
        ConfigOutcome::Updated => Json(configured_info(&api, &configured)).into_response(),
    })
}

pub(super) async fn patch_config(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let patch = body::config(body::object(&headers, &given)?)?;
    if let Some(Some(own)) = patch.get("name")
        && *own != name
    {
        let mut patch = patch.clone();
        name_config(&name, &mut patch)?;
    }
    let stored = stored(&api, &name).await?;
    caller.audit.changed(changed(&stored, &patch));
    let configured = api.herder.patch_config(&name, patch).await?;
    Ok(Json(configured_info(&api, &configured)).into_response())
}

/// The config as it is before a change, for the audit log; empty for a connector that is new.
async fn stored(api: &Api, name: &str) -> Result<Properties, RestError> {
    match api.herder.connector(name).await {
        Ok(view) => Ok(view.config),
        Err(HerderError::NotFound(_)) => Ok(Properties::new()),
        Err(error) => Err(error.into()),
    }
}

/// The keys that are given another value than they have.
fn changed<'a>(stored: &'a Properties, given: &'a GivenConfig) -> impl Iterator<Item = &'a str> {
    let changed = given
        .iter()
        .filter(|(key, value)| stored.get(*key) != value.as_ref());
    changed.map(|(key, _)| key.as_str())
}

pub(super) async fn status(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api
        .herder
        .connector(&name)
        .await
        .map_err(|error| match error {
            HerderError::NotFound(_) => {
                RestError::not_found(format!("No status found for connector {name}"))
            }
            other => other.into(),
        })?;
    Ok(Json(connector_state(&api, &view)).into_response())
}

pub(super) async fn tasks(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let view = api.herder.connector(&name).await?;
    let tasks: Vec<Value> = view
        .tasks
        .iter()
        .map(|task| entities::task_info(&view, task))
        .collect();
    Ok(Json(tasks).into_response())
}

pub(super) async fn task_status(
    State(api): State<Api>,
    Path((name, task)): Path<(String, String)>,
) -> Answer {
    let task = task_number(&task)?;
    let missing = || RestError::not_found(format!("No status found for task {name}-{task}"));
    let view = match api.herder.connector(&name).await {
        Ok(view) => view,
        Err(HerderError::NotFound(_)) => return Err(missing()),
        Err(other) => return Err(other.into()),
    };
    let found = view.tasks.iter().find(|found| i64::from(found.id) == task);
    Ok(Json(entities::task_state(found.ok_or_else(missing)?)).into_response())
}

/// A path whose last part but one is no number is none of the API's.
fn task_number(text: &str) -> Result<i64, RestError> {
    let unknown = |_| RestError::not_found("HTTP 404 Not Found");
    text.parse().map_err(unknown)
}

pub(super) async fn restart_task(
    State(api): State<Api>,
    Path((name, task)): Path<(String, String)>,
) -> Answer {
    let task = task_number(&task)?;
    let unknown = |_| RestError::not_found(format!("Unknown task: {name}-{task}"));
    let number = u32::try_from(task).map_err(unknown)?;
    api.herder.restart_task(&name, number).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn restart(
    State(api): State<Api>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = Query::new(query.as_deref());
    let scope = match query.flag("includeTasks", false) {
        true => RestartScope::ConnectorAndTasks,
        false => RestartScope::Connector,
    };
    let instances = match query.flag("onlyFailed", false) {
        true => RestartInstances::OnlyFailed,
        false => RestartInstances::All,
    };
    let restart = Restart {
        name,
        scope,
        instances,
    };
    let view = api.herder.restart(restart).await?;
    if scope == RestartScope::Connector && instances == RestartInstances::All {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let body = Json(connector_state(&api, &view));
    Ok((StatusCode::ACCEPTED, body).into_response())
}

pub(super) async fn pause(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.herder
        .set_target_state(&name, TargetState::Paused)
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

pub(super) async fn resume(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.herder
        .set_target_state(&name, TargetState::Started)
        .await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

pub(super) async fn stop(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.herder
        .set_target_state(&name, TargetState::Stopped)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn topics(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let topics = api.herder.topics(&name).await?;
    Ok(Json(json!({ name: { "topics": topics } })).into_response())
}

pub(super) async fn reset_topics(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.herder.reset_topics(&name).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
