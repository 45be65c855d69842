//! The REST API: Kafka Connect's routes, bodies and codes.

mod body;
mod connector_plugins;
mod connectors;
mod entities;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod loggers;
mod offsets;
mod query;
mod root;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::herder::{HerderHandle, REQUEST_LIMIT};
use crate::logging::Loggers;

pub use error::RestError;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 1 << 20;
/// Beyond the herder's own limit, so that its answer is the one that is seen.
const ANSWER_LIMIT: Duration = REQUEST_LIMIT.saturating_add(Duration::from_secs(5));

/// What the routes work with.
#[derive(Clone)]
pub struct Api {
    /// The herder.
    pub herder: HerderHandle,
    /// The levels of logging.
    pub loggers: Arc<Loggers>,
    /// Prints the metrics in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What is served: that the worker is starting, until the API is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Router>>);

impl Gate {
    /// Serves the API from now on. A second call changes nothing.
    pub fn open(&self, api: Api) {
        let _ = self.0.set(router(api));
    }

    async fn answer(self, request: Request) -> Response {
        match self.0.get() {
            Some(router) => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            None => root::starting().into_response(),
        }
    }
}

/// Serves what the gate has until `stopped`; requests that are being answered then are answered
/// still.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    gate: Gate,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let answer = move |request: Request| gate.clone().answer(request);
    let app = Router::new().fallback(answer);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
}

/// A path, and what is answered there.
type Route = (String, MethodRouter<Api>);

/// The API.
pub fn router(api: Api) -> Router {
    let mut router = Router::new()
        .route("/", get(root::root))
        .route("/admin/loggers", get(loggers::list))
        .route("/admin/loggers/", get(loggers::list));
    for (path, methods) in worker_routes().into_iter().chain(connector_routes()) {
        // Some clients end every path with a slash.
        router = router
            .route(&format!("{path}/"), methods.clone())
            .route(&path, methods);
    }
    router
        .fallback(|| async { RestError::not_found("HTTP 404 Not Found") })
        .method_not_allowed_fallback(|| async {
            RestError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "HTTP 405 Method Not Allowed",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(guard))
        .with_state(api)
}

/// The worker itself, and what it can run.
fn worker_routes() -> Vec<Route> {
    let class = |path: &str| format!("/connector-plugins/{{class}}/{path}");
    vec![
        ("/health".into(), get(root::health)),
        ("/metrics".into(), get(root::metrics)),
        (
            "/admin/loggers/{logger}".into(),
            get(loggers::get).put(loggers::put),
        ),
        ("/connector-plugins".into(), get(connector_plugins::list)),
        (class("config"), get(connector_plugins::config)),
        (class("config/validate"), put(connector_plugins::validate)),
    ]
}

/// The connectors, and what belongs to one.
fn connector_routes() -> Vec<Route> {
    let connector = "/connectors/{name}";
    let below = |path: &str| format!("{connector}/{path}");
    vec![
        (
            "/connectors".into(),
            get(connectors::list).post(connectors::create),
        ),
        (
            connector.into(),
            get(connectors::get).delete(connectors::delete),
        ),
        (
            below("config"),
            get(connectors::get_config)
                .put(connectors::put_config)
                .patch(connectors::patch_config),
        ),
        (below("status"), get(connectors::status)),
        (below("restart"), post(connectors::restart)),
        (below("pause"), put(connectors::pause)),
        (below("resume"), put(connectors::resume)),
        (below("stop"), put(connectors::stop)),
        (below("tasks"), get(connectors::tasks)),
        (below("tasks/{task}/status"), get(connectors::task_status)),
        (
            below("tasks/{task}/restart"),
            post(connectors::restart_task),
        ),
        (below("topics"), get(connectors::topics)),
        (below("topics/reset"), put(connectors::reset_topics)),
        (
            below("offsets"),
            get(offsets::get)
                .patch(offsets::alter)
                .delete(offsets::reset),
        ),
        (below("state"), get(state::get)),
    ]
}

/// Limits a request's time, logs it, and gives errors that arise before a route the usual form.
async fn guard(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await;
    let response = answered.unwrap_or_else(|_| {
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "Request timed out").into_response()
    });
    let status = response.status();
    if method == Method::GET {
        tracing::debug!(%method, path, status = status.as_u16(), "answered");
    } else {
        tracing::info!(%method, path, status = status.as_u16(), "answered");
    }
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("The request body is larger than {BODY_LIMIT} bytes");
            RestError::new(status, why).into_response()
        }
        _ => response,
    }
}
