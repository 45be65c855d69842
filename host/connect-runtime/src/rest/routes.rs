//! The routes, and which role each one needs.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Extension, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};

use super::auth::{Caller, Role};
use super::{
    ANSWER_LIMIT, Api, BODY_LIMIT, RestError, Surface, connector_plugins, connectors, loggers,
    media, offsets, root, state,
};

/// Bytes of the text of an error that is not the API's own.
const TEXT_LIMIT: usize = 4096;

/// The one path whose answers are not JSON.
const METRICS: &str = "/metrics";

/// Which role a request needs.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// None, or the route looks itself: the connector is named in the body.
    None,
    /// On the connector that the path names: to read, and for all else.
    Connector { read: Role, write: Role },
    /// On all connectors, because it is about the worker.
    Everywhere(Role),
}

/// A path, what it needs, and what is answered there.
struct Route {
    path: String,
    need: Need,
    methods: MethodRouter<Api>,
}

fn route(path: impl Into<String>, need: Need, methods: MethodRouter<Api>) -> Route {
    Route {
        path: path.into(),
        need,
        methods,
    }
}

/// The API, as far as a listener serves it.
pub fn router(api: Api, surface: Surface) -> Router {
    let mut routes = Vec::new();
    if surface != Surface::AdminOnly {
        routes.extend(worker_routes());
        routes.extend(connector_routes());
    }
    if surface != Surface::WithoutAdmin {
        routes.extend(admin_routes());
    }
    let mut router = Router::new();
    for Route {
        path,
        need,
        methods,
    } in routes
    {
        let mut methods = methods.route_layer(middleware::from_fn_with_state(need, authorize));
        if path != METRICS {
            methods = methods.route_layer(middleware::from_fn(check_media));
        }
        // Some clients end every path with a slash.
        if path != "/" {
            router = router.route(&format!("{path}/"), methods.clone());
        }
        router = router.route(&path, methods);
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
    let metrics = Need::Everywhere(Role::View);
    vec![
        route("/", Need::None, get(root::root)),
        route("/health", Need::None, get(root::health)),
        route(METRICS, metrics, get(root::metrics)),
        route(
            "/connector-plugins",
            Need::None,
            get(connector_plugins::list),
        ),
        route(class("config"), Need::None, get(connector_plugins::config)),
        route(
            class("config/validate"),
            Need::None,
            put(connector_plugins::validate),
        ),
    ]
}

fn admin_routes() -> Vec<Route> {
    let admin = Need::Everywhere(Role::Admin);
    vec![
        route("/admin/loggers", admin, get(loggers::list)),
        route(
            "/admin/loggers/{logger}",
            admin,
            get(loggers::get).put(loggers::put),
        ),
    ]
}

/// The connectors, and what belongs to one.
fn connector_routes() -> Vec<Route> {
    let connector = "/connectors/{name}";
    let below = |path: &str| format!("{connector}/{path}");
    let needs = |read, write| Need::Connector { read, write };
    let (view, operate, edit) = (Role::View, Role::Operate, Role::Edit);
    let orders = needs(view, operate);
    let changes = needs(view, edit);
    vec![
        route(
            "/connectors",
            Need::None,
            get(connectors::list).post(connectors::create),
        ),
        route(
            connector,
            changes,
            get(connectors::get).delete(connectors::delete),
        ),
        route(
            below("config"),
            changes,
            get(connectors::get_config)
                .put(connectors::put_config)
                .patch(connectors::patch_config),
        ),
        route(below("status"), orders, get(connectors::status)),
        route(below("restart"), orders, post(connectors::restart)),
        route(below("pause"), orders, put(connectors::pause)),
        route(below("resume"), orders, put(connectors::resume)),
        route(below("stop"), orders, put(connectors::stop)),
        route(below("tasks"), orders, get(connectors::tasks)),
        route(
            below("tasks/{task}/status"),
            orders,
            get(connectors::task_status),
        ),
        route(
            below("tasks/{task}/restart"),
            orders,
            post(connectors::restart_task),
        ),
        route(below("topics"), orders, get(connectors::topics)),
        route(below("topics/reset"), orders, put(connectors::reset_topics)),
        route(
            below("offsets"),
            changes,
            get(offsets::get)
                .patch(offsets::alter)
                .delete(offsets::reset),
        ),
        // It may hold data of records.
        route(below("state"), needs(edit, edit), get(state::get)),
    ]
}

/// Lets a request through whose caller has the role. The name is the one that the route gets.
async fn authorize(
    State(need): State<Need>,
    Extension(caller): Extension<Caller>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let allowed = match need {
        Need::None => Ok(()),
        Need::Everywhere(role) => caller.require_everywhere(role),
        Need::Connector { read, write } => {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD);
            let name = params.iter().find(|(key, _)| *key == "name");
            let name = name.map_or("", |(_, name)| name);
            caller.require(if reads { read } else { write }, name)
        }
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Lets a request through that asks for JSON and brings nothing else.
async fn check_media(request: Request, next: Next) -> Response {
    match media::check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// Limits a request's time, logs it, and gives errors that arise before a route the usual form.
async fn guard(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await;
    let response = answered.unwrap_or_else(|_| {
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "Request timed out").into_response()
    });
    let status = response.status();
    tracing::debug!(%method, path, status = status.as_u16(), "answered");
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let why = format!("The request body is larger than {BODY_LIMIT} bytes");
            RestError::new(status, why).into_response()
        }
        status if status.is_client_error() || status.is_server_error() => as_json(response).await,
        _ => response,
    }
}

/// The answer to OPTIONS: the methods that a path has, as the router says when it refuses one. It
/// says so last, behind all layers.
pub(super) fn methods_of(refusal: &Response) -> Response {
    let own = refusal.headers().get(header::ALLOW);
    let own = own.and_then(|own| own.to_str().ok()).unwrap_or_default();
    let methods = match own {
        "" => Method::OPTIONS.to_string(),
        own => format!("{own},{}", Method::OPTIONS),
    };
    let text = methods.replace(',', ", ");
    let plain = (header::CONTENT_TYPE, "text/plain".to_owned());
    ([(header::ALLOW, methods), plain], text).into_response()
}

/// An error in the form that clients of Kafka Connect read, also where a library made it.
async fn as_json(response: Response) -> Response {
    let json = HeaderValue::from_static("application/json");
    if response.headers().get(header::CONTENT_TYPE) == Some(&json) {
        return response;
    }
    let status = response.status();
    let text = to_bytes(response.into_body(), TEXT_LIMIT).await;
    let text = text.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&text).into_owned();
    if text.is_empty() {
        let reason = status.canonical_reason().unwrap_or_default();
        text = format!("HTTP {} {reason}", status.as_u16());
    }
    RestError::new(status, text).into_response()
}
